"""Which runs wait for somebody's word, who may give it, and whether what was approved is still what would be done.

Decides; how it is stored is `stores/approvals.py`, and how it looks each face knows. Must not know Docker or Slack.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bot.approvals import binding
from bot.approvals.entries import event_of
from bot.consent import Approval, Decision, Rule, Vote
from bot.errors import Conflict, Expired, PermissionDenied
from bot.language import later, say
from bot.model import Actor, Button, Invocation, Origin, Plan, Status
from bot.people import SHELL
from bot.permissions import Policy
from bot.stores.approvals import APPROVE, DENY, ApprovalStore, Verdict
from bot.stores.claims import Claim
from bot.stores.database import Transaction
from bot.stores.runrow import Run
from bot.stores.runs import Runs

_log = logging.getLogger(__name__)


class End(Protocol):
    """Ends a run that nobody holds, and does `also` with it or not at all; False when it was too late."""

    def __call__(
        self, run: Run, status: Status, sentence: str, also: Callable[[Transaction], None], **values: str
    ) -> bool:
        """The sentence is said in the language of whoever asked for the run."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run is about to do, as rules know it."""

    command: str
    host: str
    targets: tuple[str, ...]
    line: str


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What approvals are decided with."""

    store: ApprovalStore
    runs: Runs
    policy: Policy
    clock: Callable[[], datetime]


class Approvals:
    """Asks for approvals, takes them, and looks at the end whether they hold."""

    def __init__(self, hearing: Hearing, rules: Iterable[Rule], end: End) -> None:
        self._hearing = hearing
        self._store = hearing.store
        self._policy = hearing.policy
        self._clock = hearing.clock
        self._rules = tuple(rules)
        self._end = end

    def replace(self, rules: Iterable[Rule]) -> None:
        """From now on these rules are asked, all at once. What waits already keeps those it was asked under."""
        self._rules = tuple(rules)

    def of(self, run_id: str) -> Approval | None:
        """What was asked for that run, and how far it is; None when it needed none."""
        return self._store.of(run_id)

    def as_it_stands(self, asked: Approval) -> Approval:
        """The same with the roles in which each person's word counts as of now: for telling whose is wanted still."""
        if not asked.votes:
            return asked
        now = self._standing(asked)
        return replace(asked, votes=tuple(replace(vote, roles=now[vote.person]) for vote in asked.votes))

    # ---- on the road -----------------------------------------------------------------------------

    def must_wait(self, claim: Claim, work: Work, plan: Plan, look: Callable[[], Plan]) -> bool:
        """Whether the run waits from now on, so that its holder is to leave it; False when it may begin.

        `plan` is what people are shown; `look` makes it again in English, with all that binds it. Raises Conflict
        when it is not what was approved, PermissionDenied when an approval does not count any more, Expired when it
        came too long ago.
        """
        asked = self._store.of(claim.run.id)
        if asked is not None:
            self._refuse_unapproved(claim.run, asked, _bound(work, look()))
            return False
        rules = tuple(rule for rule in self._rules if rule.covers(work.command, work.host, work.targets))
        if plan.only_looks or not rules:
            return False
        made = look()
        bound, now = _bound(work, made), self._clock()
        approval = Approval(
            run_id=claim.run.id,
            requester=self._policy.identity(claim.run.invocation.actor),
            rules=rules,
            bound=bound,
            digest=binding.digest(bound),
            requested_at=now,
            expires_at=now + timedelta(minutes=min(rule.minutes for rule in rules)),
        )
        shown = replace(plan, binds=made.binds)
        event = event_of(
            replace(claim.run, plan=shown),
            claim.run.invocation,
            "approval-requested",
            plan.text,
            digest=approval.digest,
            rules=", ".join(rule.name for rule in rules),
            expires_at=approval.expires_at.isoformat(),
        )
        self._store.ask(claim, shown, approval, _buttons(claim.run.id), event)
        return True

    def _refuse_unapproved(self, run: Run, asked: Approval, bound: dict[str, object]) -> None:
        """Raises unless the run was let go on, rightly, for exactly this, and lately."""
        decided_at = asked.decided_at
        if asked.decision not in (Decision.APPROVED, Decision.BROKEN) or decided_at is None:
            raise PermissionDenied(say("Run {run} was not approved. Nothing was changed.", run=run.id))
        if self._clock() > decided_at + timedelta(minutes=min(rule.minutes for rule in asked.rules)):
            raise Expired(
                say(
                    "It was approved {at:%Y-%m-%d %H:%M:%S} UTC, and could not begin while that is good. "
                    "Nothing was run, so nothing was changed. Ask again.",
                    at=decided_at,
                )
            )
        if asked.decision is Decision.APPROVED and asked.lacking(self._standing(asked)):
            raise PermissionDenied(
                say(
                    "Of those who approved it ({people}) not enough may still do so. Nothing was run, so nothing was "
                    "changed. Ask again.",
                    people=", ".join(vote.actor.name for vote in asked.votes),
                )
            )
        changed = binding.differences(asked.bound, bound)
        if changed:
            raise Conflict(
                say(
                    "What was approved is not what would be done now: {changes}. Nothing was run, so nothing was "
                    "changed. Ask again, so that it is approved as it is.",
                    changes="; ".join(changed),
                )
            )

    def _standing(self, asked: Approval) -> dict[str, tuple[str, ...]]:
        """Of each person who approved, the roles in which that counts as of now; none where they are the requester."""
        requesters = self.requesters(asked)
        return {
            vote.person: ()
            if self._policy.identity(vote.actor) in requesters
            else tuple(role for role in vote.roles if self._policy.has_role(vote.actor, role))
            for vote in asked.votes
        }

    # ---- people's word ---------------------------------------------------------------------------

    def approve(self, run_id: str, by: Invocation) -> Approval:
        """Count this person's approval, and let the run go on when that is enough; how far it is then, as it stands.

        Raises NotFound, PermissionDenied, Conflict.
        """
        run = self._hearing.runs.get(run_id)
        roles = self._roles_for(run, by)
        vote = Vote(person=self._policy.identity(by.actor), actor=by.actor, roles=roles, at=self._clock())
        asked = self._asked(run_id)
        event = event_of(run, by, "approved", "", digest=asked.digest, roles=", ".join(roles))
        return self.as_it_stands(self._store.vote(run_id, vote, self._standing(asked), event))

    def deny(self, run_id: str, by: Invocation, reason: str) -> None:
        """End the run; raises NotFound, PermissionDenied, Conflict."""
        run = self._hearing.runs.get(run_id)
        self._roles_for(run, by)
        self._store.refuse_over(run_id)
        verdict = Verdict(decision=Decision.DENIED, by=by.actor.name, reason=reason)
        event = event_of(
            run, by, "approval-denied", reason, digest=self._asked(run_id).digest, reason=reason or None
        )
        sentence = (
            later("{by} denied it: “{reason}” Nothing was run, so nothing was changed.")
            if reason
            else later("{by} denied it. Nothing was run, so nothing was changed.")
        )
        also = self._store.decided(run_id, verdict, event)
        if not self._end(run, Status.DENIED, sentence, also, by=by.actor.name, reason=reason):
            self._store.refuse_over(run_id)

    def tidy(self) -> None:
        """End what waited for too long. Call it often, and after a start."""
        for asked in self._store.waiting():
            if asked.expires_at <= self._clock():
                self._expire(self._hearing.runs.get(asked.run_id), asked)

    def _expire(self, run: Run, asked: Approval) -> None:
        sentence = later(
            "The approval that it needed did not come in time (by {at}). Nothing was run, so nothing was changed."
        )
        at = f"{asked.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        event = event_of(run, run.invocation, "approval-expired", "", digest=asked.digest)
        verdict = Verdict(decision=Decision.EXPIRED, by="")
        try:
            self._end(run, Status.EXPIRED, sentence, self._store.decided(run.id, verdict, event), at=at)
        except Conflict as error:
            _log.info("run %s did not expire: %s", run.id, error)

    def waiting_for(self, actor: Actor) -> tuple[Approval, ...]:
        """The requests on which this person's word is wanted, as they stand."""
        person = self._policy.identity(actor)
        return tuple(
            self.as_it_stands(asked)
            for asked in self._store.waiting()
            if person not in self.requesters(asked)
            and person not in {vote.person for vote in asked.votes}
            and any(self._policy.has_role(actor, role) for role in asked.roles)
        )

    def requesters(self, asked: Approval) -> frozenset[str]:
        """Who asked for the run: the person of then, and whom the settings say it is now."""
        actor = self._hearing.runs.get(asked.run_id).invocation.actor
        return frozenset({asked.requester, actor.id, self._policy.identity(actor)})

    def _asked(self, run_id: str) -> Approval:
        asked = self._store.of(run_id)
        if asked is None:
            self._store.refuse_over(run_id)
            raise LookupError(run_id)
        return asked

    def _roles_for(self, run: Run, by: Invocation) -> tuple[str, ...]:
        """The roles in which this person may decide about the run; raises PermissionDenied without any, Conflict."""
        asked = self._asked(run.id)
        refuse_unknown(self._policy, by)
        if {by.actor.id, self._policy.identity(by.actor)} & self.requesters(asked):
            raise PermissionDenied(
                say(
                    "You asked for run {run} yourself, so somebody else has to decide about it. Nothing was changed. "
                    "`cancel {run}` takes it back.",
                    run=run.id,
                )
            )
        roles = tuple(role for role in asked.roles if self._policy.has_role(by.actor, role))
        if not roles:
            raise PermissionDenied(
                say(
                    "You may not decide about run {run}: rule {rules} asks role {roles}. Nothing was changed.",
                    run=run.id,
                    rules=", ".join(rule.name for rule in asked.rules),
                    roles=", ".join(asked.roles),
                )
            )
        return roles


def refuse_unknown(policy: Policy, by: Invocation) -> None:
    """Raises PermissionDenied where it is not certain which person it is: for a clock, and an unknown shell user."""
    if by.origin is Origin.SCHEDULE:
        raise PermissionDenied(say("Only a person can decide about that, no schedule. Nothing was changed."))
    if policy.identity(by.actor).startswith(SHELL):
        raise PermissionDenied(
            say(
                "Nobody knows which person the shell user {user} is, so it cannot decide about that. Nothing was "
                "changed. Say it in Slack, or let `[shell_users]` in the settings name the Slack id.",
                user=by.actor.name,
            )
        )


def _bound(work: Work, made: Plan) -> dict[str, object]:
    return binding.bound(made, command=work.command, host=work.host, line=work.line)


def _buttons(run_id: str) -> tuple[Button, ...]:
    return (
        Button(label=say("Approve"), line=f"{APPROVE} {run_id}"),
        Button(label=say("Deny"), line=f"{DENY} {run_id}", danger=True),
    )
