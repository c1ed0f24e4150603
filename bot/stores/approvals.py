"""Approvals as they are stored: asked for, given, decided once. Every step is one transaction with its audit entry.

Decides nothing about who may approve; that is asked before, and whose vote does not count is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from bot.consent import Approval, Decision, Rule, Vote
from bot.errors import Conflict, LostHold, PermissionDenied
from bot.language import later, say
from bot.model import Actor, Button, Plan, Status
from bot.stores.audit import Audit, AuditEvent
from bot.stores.claims import Claim, offer
from bot.stores.coding import plan_to_json, storable
from bot.stores.database import Database
from bot.stores.reviews import Alarm, Reviews
from bot.stores.runrow import Lane
from bot.stores.runs import Enqueue
from bot.stores.schema import approvals, buttons, runs, votes

APPROVE = "approve"
DENY = "deny"

_OVER = {
    Decision.APPROVED: later("Run {run_id} was approved already, last by {by}, {at:%Y-%m-%d %H:%M:%S} UTC."),
    Decision.DENIED: later("Run {run_id} was denied already, by {by}, {at:%Y-%m-%d %H:%M:%S} UTC."),
    Decision.BROKEN: later(
        "For run {run_id} the glass was broken already, by {by}, {at:%Y-%m-%d %H:%M:%S} UTC."
    ),
    Decision.EXPIRED: later("The request of run {run_id} expired, {at:%Y-%m-%d %H:%M:%S} UTC."),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What decides a request, by whom and why."""

    decision: Decision
    by: str
    reason: str = ""


class ApprovalStore:
    """The requests for approval, and what became of them."""

    def __init__(
        self, database: Database, audit: Audit, clock: Callable[[], datetime], enqueue: Enqueue
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._enqueue = enqueue
        self.reviews = Reviews(database, audit, clock)

    def of(self, run_id: str) -> Approval | None:
        """What was asked for that run; None if nothing was."""
        with self._database.read() as connection:
            return approval_of(connection, run_id)

    def waiting(self) -> tuple[Approval, ...]:
        """All that wait, oldest first."""
        query = (
            select(approvals.c.run_id)
            .join(runs, runs.c.id == approvals.c.run_id)
            .where(runs.c.status == Status.WAITING.value)
            .order_by(approvals.c.requested_at)
        )
        with self._database.read() as connection:
            found = [approval_of(connection, run_id) for run_id in connection.execute(query).scalars()]
        return tuple(one for one in found if one is not None)

    def ask(
        self, claim: Claim, plan: Plan, approval: Approval, offered: tuple[Button, ...], event: AuditEvent
    ) -> None:
        """The run waits from now on, held by nobody, with its plan and these buttons shown; raises LostHold."""
        with self._database.write() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.id == claim.run.id, runs.c.epoch == claim.epoch)
                .where(runs.c.status == Status.RUNNING.value)
                .values(
                    status=Status.WAITING.value,
                    plan=plan_to_json(plan),
                    started_at=None,
                    revision=runs.c.revision + 1,
                )
            )
            if done.rowcount != 1:
                raise LostHold(claim.run.id)
            connection.execute(insert(approvals).values(**_columns(approval)))
            # Before the button that cancels, which the front lane offered.
            offer(connection, claim.run.id, offered, first=-len(offered))
            self._audit.append(connection, event)

    def vote(
        self, run_id: str, vote: Vote, standing: Mapping[str, Collection[str]], event: AuditEvent
    ) -> Approval:
        """Count one person's approval, and let the run go on when it is enough; `standing` as in `Approval.lacking`.

        Raises Conflict when nothing is to be decided any more, PermissionDenied for a person's second approval.
        """
        with self._database.write() as connection:
            self._database.serialise(connection)
            before = self._open(connection, run_id)
            mine = next((one for one in before.votes if one.person == vote.person), None)
            if mine is not None:
                raise PermissionDenied(
                    say(
                        "You approved run {run_id} already, {at:%Y-%m-%d %H:%M:%S} UTC, and one person counts once. "
                        "Nothing was changed.",
                        run_id=run_id,
                        at=mine.at,
                    )
                )
            connection.execute(
                insert(votes).values(
                    run_id=run_id,
                    person=vote.person,
                    actor_id=vote.actor.id,
                    actor_name=storable(vote.actor.name),
                    roles=list(vote.roles),
                    at=vote.at,
                )
            )
            self._audit.append(connection, event)
            after = self._open(connection, run_id)
            if after.lacking(standing):
                connection.execute(
                    update(runs).where(runs.c.id == run_id).values(revision=runs.c.revision + 1)
                )
            else:
                self._go_on(connection, run_id, Verdict(decision=Decision.APPROVED, by=vote.actor.name))
            return _found(connection, run_id)

    def break_glass(self, run_id: str, verdict: Verdict, alarm: Alarm, event: AuditEvent) -> None:
        """The run goes on without approvals; its review opens and its owners are alerted. Raises Conflict."""
        with self._database.write() as connection:
            self._database.serialise(connection)
            self._open(connection, run_id)
            self._audit.append(connection, event)
            self.reviews.open(connection, alarm)
            self._go_on(connection, run_id, verdict)

    def decided(self, run_id: str, verdict: Verdict, event: AuditEvent) -> Callable[[Connection], None]:
        """Writes that down inside the transaction that ends the run; it raises Conflict when it was decided before."""

        def write(connection: Connection) -> None:
            self._decide(connection, run_id, verdict)
            self._audit.append(connection, event)

        return write

    def refuse_over(self, run_id: str) -> None:
        """Raises Conflict, which says why, unless the run waits for somebody's word."""
        with self._database.read() as connection:
            self._open(connection, run_id)

    def _open(self, connection: Connection, run_id: str) -> Approval:
        approval = approval_of(connection, run_id)
        unchanged = say("Nothing was changed.")
        if approval is None:
            told = say("Run {run_id} is not waiting for approval.", run_id=run_id)
            raise Conflict(f"{told} {unchanged}")
        if approval.decision is not None:
            told = say(
                _OVER[approval.decision], run_id=run_id, by=approval.decided_by, at=approval.decided_at
            )
            raise Conflict(f"{told} {unchanged}")
        if approval.expires_at <= self._clock():
            told = say(_OVER[Decision.EXPIRED], run_id=run_id, at=approval.expires_at)
            raise Conflict(f"{told} {unchanged}")
        status = connection.execute(select(runs.c.status).where(runs.c.id == run_id)).scalar_one()
        if status != Status.WAITING.value:
            told = say("Run {run_id} is not waiting any more: it was ended.", run_id=run_id)
            raise Conflict(f"{told} {unchanged}")
        return approval

    def _decide(self, connection: Connection, run_id: str, verdict: Verdict) -> None:
        now = self._clock()
        undecided = (approvals.c.run_id == run_id, approvals.c.decision.is_(None))
        done = connection.execute(
            update(approvals)
            .where(*undecided)
            .values(
                decision=verdict.decision.value,
                decided_by=storable(verdict.by),
                decided_at=now,
                reason=storable(verdict.reason),
            )
        )
        if done.rowcount != 1:
            self._open(connection, run_id)

    def _go_on(self, connection: Connection, run_id: str, verdict: Verdict) -> None:
        self._decide(connection, run_id, verdict)
        connection.execute(
            update(buttons)
            .where(buttons.c.run_id == run_id, buttons.c.used_at.is_(None))
            .where(buttons.c.line.in_([f"{APPROVE} {run_id}", f"{DENY} {run_id}"]))
            .values(used_at=self._clock())
        )
        connection.execute(
            update(runs)
            .where(runs.c.id == run_id, runs.c.status == Status.WAITING.value)
            .values(status=Status.QUEUED.value, not_before=None, revision=runs.c.revision + 1)
        )
        self._enqueue(connection, run_id, Lane.WORK)


def _columns(approval: Approval) -> dict[str, Any]:
    return {
        "run_id": approval.run_id,
        "requester": approval.requester,
        "rules": [asdict(rule) for rule in approval.rules],
        "bound": dict(approval.bound),
        "digest": approval.digest,
        "requested_at": approval.requested_at,
        "expires_at": approval.expires_at,
    }


def approval_of(connection: Connection, run_id: str) -> Approval | None:
    """What was asked for that run, as this transaction sees it."""
    row = connection.execute(select(approvals).where(approvals.c.run_id == run_id)).mappings().one_or_none()
    if row is None:
        return None
    given = select(votes).where(votes.c.run_id == run_id).order_by(votes.c.at)
    return _approval(row, tuple(_vote(one) for one in connection.execute(given).mappings()))


def _found(connection: Connection, run_id: str) -> Approval:
    found = approval_of(connection, run_id)
    if found is None:
        raise LookupError(run_id)
    return found


def _approval(row: RowMapping, given: tuple[Vote, ...]) -> Approval:
    return Approval(
        run_id=row["run_id"],
        requester=row["requester"],
        rules=tuple(_rule(one) for one in row["rules"]),
        bound=row["bound"],
        digest=row["digest"],
        requested_at=row["requested_at"],
        expires_at=row["expires_at"],
        votes=given,
        decision=Decision(row["decision"]) if row["decision"] else None,
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        reason=row["reason"],
    )


def _rule(stored: Mapping[str, Any]) -> Rule:
    patterns = {name: tuple(stored[name]) for name in ("commands", "targets", "hosts")}
    return Rule(**{**stored, **patterns})


def _vote(row: RowMapping) -> Vote:
    return Vote(
        person=row["person"],
        actor=Actor(id=row["actor_id"], name=row["actor_name"]),
        roles=tuple(row["roles"]),
        at=row["at"],
    )
