"""The nouns of approvals: which runs need them, who gave them, what was broken open, and what is said of it.

Words only: nothing here knows the policy, a database or a face.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from bot.language import later, say, say_count
from bot.model import Actor

NOBODY: Mapping[str, Collection[str]] = MappingProxyType({})


class Decision(StrEnum):
    """How a request was decided."""

    APPROVED = "approved"
    DENIED = "denied"
    BROKEN = "break-glass"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which runs need approval: all of its kinds of pattern must match. `break_glass` and `owners` are empty for none.

    `approvers` and `break_glass` name roles, `owners` is the Slack channel or person that is alerted.
    """

    name: str
    commands: tuple[str, ...]
    targets: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ("*",)
    approvers: str
    count: int = 1
    minutes: int = 30
    break_glass: str = ""
    owners: str = ""

    def covers(self, command: str, host: str, targets: Collection[str]) -> bool:
        """Whether such a run needs it: one of its targets is enough."""
        return (
            _any(self.commands, command)
            and _any(self.hosts, host)
            and ("*" in self.targets or any(_any(self.targets, target) for target in targets))
        )


def _any(patterns: Collection[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One person's approval; `person` is who they are on whichever surface, `roles` are those it was given in.

    As things stand later, `roles` may be none of them: then it does not count any more.
    """

    person: str
    actor: Actor
    roles: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A request for approval: what is bound by it, by the rules of that time, and how far it is."""

    run_id: str
    requester: str
    """The person, on whichever surface."""
    rules: tuple[Rule, ...]
    bound: Mapping[str, object]
    digest: str
    requested_at: datetime
    expires_at: datetime
    votes: tuple[Vote, ...] = ()
    decision: Decision | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles whose approval is asked for."""
        return tuple(dict.fromkeys(rule.approvers for rule in self.rules))

    @property
    def binds(self) -> Mapping[str, str]:
        """What the plan was made from."""
        found = self.bound.get("binds")
        return found if isinstance(found, dict) else {}

    def lacking(self, standing: Mapping[str, Collection[str]] = NOBODY) -> tuple[tuple[Rule, int], ...]:
        """The rules that are not satisfied, with how many people each still wants.

        `standing` gives, of people, the roles in which their word counts by now; of others those that it was given in.
        """
        found = []
        for rule in self.rules:
            people = {
                vote.person
                for vote in self.votes
                if rule.approvers in standing.get(vote.person, vote.roles) and vote.person != self.requester
            }
            if len(people) < rule.count:
                found.append((rule, rule.count - len(people)))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Review:
    """What is still to be looked at after somebody did without approval."""

    run_id: str
    person: str
    actor: Actor
    reason: str
    roles: tuple[str, ...]
    owners: tuple[str, ...]
    opened_at: datetime
    remind_at: datetime
    reminders: int = 0
    closed_at: datetime | None = None
    closed_by: str = ""
    note: str = field(default="")


_DECISIONS = {
    Decision.APPROVED: later("approved"),
    Decision.DENIED: later("denied"),
    Decision.BROKEN: later("the glass was broken"),
    Decision.EXPIRED: later("expired"),
}


def stands(approval: Approval) -> str:
    """How it was decided, in a word or two."""
    return say(_DECISIONS[approval.decision]) if approval.decision else say("waiting")


def wanted(approval: Approval) -> str:
    """Whose approval is still wanted, in a sentence; empty when nobody's is."""
    told = [
        say_count(
            "Rule {rule} wants {number} more person of role {role}.",
            "Rule {rule} wants {number} more people of role {role}.",
            missing,
            rule=rule.name,
            role=rule.approvers,
        )
        for rule, missing in approval.lacking()
    ]
    return " ".join([*told, say("Whoever asked for the run does not count.")]) if told else ""


def given(approval: Approval) -> str:
    """Who approved so far, and whose word does not count any more, in a sentence or two; empty for nobody."""
    names = ", ".join(vote.actor.name for vote in approval.votes if vote.roles)
    lost = ", ".join(vote.actor.name for vote in approval.votes if not vote.roles)
    told = [say("Approved by {people}.", people=names)] if names else []
    told += [say("Approved before, and not entitled any more: {people}.", people=lost)] if lost else []
    return " ".join(told)
