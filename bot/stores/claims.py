"""What only the holder of a run may write. Every write is fenced: it names the run's epoch, or it fails.

A claim is one UPDATE that raises the epoch, so whoever held the run before can write nothing any more
and learns so by LostHold.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import Busy, LostHold
from bot.language import later, say
from bot.model import Button, Plan, Progress, Reply, Status, Value
from bot.stores import locks
from bot.stores.audit import Audit, AuditEvent
from bot.stores.auditrows import with_facts
from bot.stores.coding import label_of, plan_to_json, progress_to_json, reply_to_json
from bot.stores.database import Database
from bot.stores.runrow import Lane, Run, get_run
from bot.stores.runs import Enqueue
from bot.stores.schema import buttons, journal, messages, runs
from bot.stores.uploads import offer_files


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that is ours, and the epoch that proves it."""

    run: Run
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ends. Its targets stay held while something is still to be taken back."""

    status: Status
    reply: Reply


_STILL_OPEN = (
    select(journal.c.id).where(journal.c.run_id == bindparam("run"), journal.c.settled_at.is_(None)).limit(1)
)
_HUSH = (
    update(messages)
    .where(messages.c.run_id == bindparam("run"), messages.c.quiet.is_(True), messages.c.sent_revision < 0)
    .values(closed=True)
)
_WITHDRAW = (
    update(buttons)
    .where(buttons.c.run_id == bindparam("run"), buttons.c.used_at.is_(None))
    .values(used_at=select(runs.c.ended_at).where(runs.c.id == bindparam("run")).scalar_subquery())
)


class Claims:
    """Claims runs and writes what their holder has to say."""

    def __init__(
        self, database: Database, audit: Audit, clock: Callable[[], datetime], enqueue: Enqueue
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._enqueue = enqueue

    def claim(self, run: Run, owner: str) -> Claim | None:
        """Become the holder of a queued run, or of a running one whose holder is dead; None if too late.

        The language that it is told in from now on is written down with it.
        """
        with self._database.write() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.id == run.id, runs.c.epoch == run.epoch, runs.c.status == run.status.value)
                .values(
                    status=Status.RUNNING.value,
                    epoch=run.epoch + 1,
                    owner=owner,
                    language=run.invocation.language,
                    started_at=run.started_at or self._clock(),
                )
            )
            if done.rowcount != 1:
                return None
            return Claim(run=get_run(connection, run.id), epoch=run.epoch + 1)

    def pass_on(self, claim: Claim, command: str, host: str, cancel: Button) -> None:
        """The front lane is done with it: the work lane may have it, and people may cancel it."""
        with self._database.write() as connection:
            self._update(
                connection,
                claim,
                status=Status.QUEUED.value,
                lane=Lane.WORK.value,
                command=command,
                host=host,
                started_at=None,
                revision=runs.c.revision + 1,
            )
            offer(connection, claim.run.id, (cancel,))
            self._enqueue(connection, claim.run.id, Lane.WORK)

    def put_back(self, claim: Claim, not_before: datetime) -> None:
        """Try again later: its target is busy and it may wait."""
        with self._database.write() as connection:
            self._update(
                connection, claim, status=Status.QUEUED.value, started_at=None, not_before=not_before
            )
            self._enqueue(connection, claim.run.id, claim.run.lane)

    def start(self, claim: Claim, plan: Plan, event: AuditEvent) -> None:
        """Hold every target, write `started` to the audit log and show the plan: all of it, or nothing.

        Raises Busy, which names the holder, when another run holds one of the targets.
        """
        run = claim.run
        wanted = locks.wanted(run.host, plan.targets, plan.elsewhere)
        try:
            with self._database.write() as connection:
                locks.hold(connection, wanted, run_id=run.id, at=self._clock())
                self._update(connection, claim, plan=plan_to_json(plan), revision=runs.c.revision + 1)
                self._audit.append(connection, with_facts(event, plan=plan.digest))
        except IntegrityError as error:
            self.refuse_if_held(run.id, wanted)
            raise Busy(
                say("Another run held the target a moment ago. Nothing was changed. Try again.")
            ) from error

    def refuse_if_held(self, run_id: str, wanted: Collection[locks.Held]) -> None:
        """Raise Busy, which says who holds it and since when, if another run holds one of the targets."""
        with self._database.read() as connection:
            holder = locks.holder_of(connection, wanted, not_run=run_id)
        if holder is not None:
            raise Busy(
                say(
                    "{target} is held by run {run_id} (`{line}`, by "
                    "{actor}) since {since:%Y-%m-%d %H:%M:%S} UTC. Nothing was changed. "
                    "Add --wait to queue behind it, or type `cancel {run_id}`.",
                    target=_in_words(holder.target),
                    run_id=holder.run_id,
                    line=holder.line,
                    actor=holder.actor.name,
                    since=holder.since,
                )
            )

    def note_progress(self, claim: Claim, progress: Progress) -> str | None:
        """Show how far it is; returns who asked to cancel, if anybody did."""
        with self._database.write() as connection:
            self._update(connection, claim, progress=progress_to_json(progress), revision=runs.c.revision + 1)
            asked = select(runs.c.cancel_requested_by).where(runs.c.id == claim.run.id)
            by: str | None = connection.execute(asked).scalar_one()
            return by

    def finish(self, claim: Claim, ending: Ending, event: AuditEvent) -> None:
        """The one ending, its audit line, its buttons and the freed targets, in one transaction."""
        with self._database.write() as connection:
            self._update(connection, claim, **self._ending(ending), command=event.command)
            self._close(connection, claim.run.id, ending, event)

    def end_unclaimed(
        self,
        run: Run,
        ending: Ending,
        event: AuditEvent,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> bool:
        """End a run that nobody holds; False when somebody claimed or ended it first.

        What `also` does is done with it or not at all; what it raises leaves the run as it is.
        """
        with self._database.write() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.id == run.id, runs.c.epoch == run.epoch)
                .where(runs.c.status.in_([Status.QUEUED.value, Status.WAITING.value]))
                .values(**self._ending(ending))
            )
            if done.rowcount != 1:
                return False
            also(connection)
            self._close(connection, run.id, ending, event)
            return True

    def amend(self, run: Run, note: str) -> None:
        """Everything of an ended run is taken back at last: free its targets and tell people."""
        reply = run.reply
        if reply is None:
            return
        amended = reply_to_json(replace(reply, text=f"{reply.text} {note}"))
        with self._database.write() as connection:
            locks.release(connection, run.id)
            connection.execute(
                update(runs).where(runs.c.id == run.id).values(reply=amended, revision=runs.c.revision + 1)
            )
            connection.execute(update(messages).where(messages.c.run_id == run.id).values(closed=False))

    def is_ours(self, claim: Claim) -> bool:
        """Whether nobody has taken the run over since it was claimed."""
        ours = select(runs.c.id).where(
            runs.c.id == claim.run.id,
            runs.c.epoch == claim.epoch,
            runs.c.status == Status.RUNNING.value,
        )
        with self._database.read() as connection:
            return connection.execute(ours).one_or_none() is not None

    def targets_of(self, run_id: str) -> tuple[str, ...]:
        """What the run holds."""
        with self._database.read() as connection:
            return locks.held_by(connection, run_id)

    def ended_holders(self) -> tuple[str, ...]:
        """Runs that are over and still hold targets: something is to be taken back, or just was."""
        with self._database.read() as connection:
            return locks.held_by_ended(connection)

    def _update(self, connection: Connection, claim: Claim, **values: Any) -> None:
        done = connection.execute(
            update(runs)
            .where(runs.c.id == claim.run.id, runs.c.epoch == claim.epoch)
            .where(runs.c.status == Status.RUNNING.value)
            .values(**values)
        )
        if done.rowcount != 1:
            raise LostHold(claim.run.id)

    def _ending(self, ending: Ending) -> dict[str, Any]:
        return {
            "status": ending.status.value,
            "reply": reply_to_json(ending.reply),
            "ended_at": self._clock(),
            "revision": runs.c.revision + 1,
        }

    def _close(self, connection: Connection, run_id: str, ending: Ending, event: AuditEvent) -> None:
        if connection.execute(_STILL_OPEN, {"run": run_id}).one_or_none() is None:
            locks.release(connection, run_id)
        _withdraw(connection, run_id)
        if ending.status is Status.SUCCEEDED:  # nobody is to hear of it, so nobody need look at it again
            connection.execute(_HUSH, {"run": run_id})
        offer(connection, run_id, ending.reply.buttons)
        offer_files(connection, run_id, ending.reply.attachments, self._clock())
        self._audit.append(connection, with_facts(event, **_what_came(get_run(connection, run_id), ending)))


def _what_came(run: Run, ending: Ending) -> dict[str, Value]:
    """What the audit log keeps of an ending beside its sentence: the plan, the reason, how long it took."""
    took = (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None
    return {
        "plan": run.plan.digest if run.plan else None,
        "reason": ending.reply.facts.get("reason"),
        "took_seconds": took,
    }


_KINDS = {
    "volume": later("volume"),
    "container": later("container"),
    "image": later("image"),
    "path": later("path"),
    "repository": later("repository"),
    "runbook": later("runbook"),
    "registry": later("registry"),
    "build": later("build"),
}


def _in_words(target: str) -> str:
    """`volume pgdata`, with the kind in the reader's words."""
    kind, colon, name = target.partition(":")
    return f"{say(_KINDS.get(kind, kind))} {name}" if colon else target


def offer(connection: Connection, run_id: str, offered: tuple[Button, ...], *, first: int = 0) -> None:
    """Put buttons under the run's message, from that position on, each with a token of its own."""
    for position, button in enumerate(offered, first):
        connection.execute(
            insert(buttons).values(
                token=secrets.token_urlsafe(24),
                run_id=run_id,
                position=position,
                label=label_of(button),
                line=button.line,
                danger=button.danger,
            )
        )


def _withdraw(connection: Connection, run_id: str) -> None:
    """Buttons of what is over must not be pressed any more; pressing one says so."""
    connection.execute(_WITHDRAW, {"run": run_id})
