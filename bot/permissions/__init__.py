"""May this actor, from here, use this command on these targets? By ids, never by names.

What is not granted is refused. Who somebody is and which groups they are in, a directory says; nothing here knows
Slack, Docker or a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.errors import PermissionDenied
from bot.model import Actor, Origin, Right
from bot.people import SHELL, Directory, Nobody, Person, Standing
from bot.permissions.rules import Explanation, Part, Request, Role, Rules
from bot.permissions.told import denial, standing

__all__ = ["Explanation", "Part", "Policy", "Request", "Role", "Rules", "standing"]


@dataclass
class _Book:
    """Where the rules lie that count now. Readers take them once for each question; replacing is one assignment."""

    rules: Rules


class _Who:
    """One actor, while one question is answered: who that is, and which roles they have. Asks when it must."""

    def __init__(self, actor: Actor, rules: Rules, people: Directory) -> None:
        self._people = people
        self.rules = rules
        identity = rules.identity(actor)
        self._ids = {actor.id, identity}
        self.person = _vouched_by_shell(identity) if identity.startswith(SHELL) else people.person(identity)
        self.unlearned: dict[str, None] = {}

    @property
    def roles(self) -> tuple[tuple[Role, str], ...]:
        """The roles that they have, each with the id by which they have it."""
        return tuple((role, by) for role in self.rules.roles if (by := self.through(role)) is not None)

    @property
    def is_barred(self) -> bool:
        """Whether they may not act at all."""
        return self.person.standing is Standing.BARRED

    def through(self, role: Role) -> str | None:
        """The id by which they have the role, their own first; None when they have it not."""
        if self.is_barred:
            return None
        own = sorted(self._ids & role.members)
        if own:
            return own[0]
        return next((group for group in role.groups if self._is_in(group)), None)

    def _is_in(self, group: str) -> bool:
        if self.person.standing is not Standing.ACTIVE or self.person.id.startswith(SHELL):
            return False
        is_in = self._people.in_group(self.person.id, group)
        if is_in is None:
            self.unlearned[group] = None
        return bool(is_in)

    def is_vouched_for(self, origin: Origin) -> bool:
        """Slack signs for the sender of what people send, the machine for its users; nobody signs for a clock."""
        return origin is not Origin.SCHEDULE or self.person.standing is not Standing.UNKNOWN


class Policy:
    """All roles together. Without any, only commands that need no right are left: `help` and `whoami`.

    Whoever has a shell on the machine and Docker's socket can do everything anyway, so the shell is
    an administrator until a role names a shell user; the audit log says which user of the machine it was.

    Somebody who is barred may nothing more, whatever roles name them. Of whom it is not known, groups do not count:
    their own id in a role still does, as Slack signs for who sends what.
    """

    def __init__(self, rules: Rules | Iterable[Role], people: Directory | None = None) -> None:
        """Without `people` nobody is known, and nobody is in a group."""
        made = rules if isinstance(rules, Rules) else Rules(roles=tuple(rules))
        self._book = _Book(made)
        self._people: Directory = people or Nobody()

    def by_memory(self) -> Policy:
        """The same rules, without asking anybody: what is not known does not count. For Slack's listeners."""
        policy = Policy((), self._people.by_memory())
        policy._book = self._book
        return policy

    @property
    def rules(self) -> Rules:
        """What counts now."""
        return self._book.rules

    def replace(self, rules: Rules) -> None:
        """From now on these count, all at once; a question that is being answered keeps those it began with."""
        self._book.rules = rules

    def check(self, request: Request) -> None:
        """Raise PermissionDenied, with a sentence that says who may, unless it is allowed."""
        if not self.allows(request):
            raise PermissionDenied(denial(request, self.explain(request)))

    def allows(self, request: Request) -> bool:
        """Whether it is allowed."""
        return self.judge(request)(request.host, request.targets)

    def judge(self, request: Request) -> Callable[[str | None, tuple[str, ...]], bool]:
        """Tells of host and targets, one after the other, whether the same may be asked about those."""
        rules = self._book.rules
        if not _needs_role(request, rules):
            return lambda _host, _targets: True
        who = self._asker(request, rules)
        vouched = who.is_vouched_for(request.origin)
        having = [role for role in rules.roles if vouched and role.grants(request.command)]
        granting = [role for role in having if who.through(role) is not None]
        channel = request.channel
        return lambda host, targets: any(
            next(role.misses_there(targets, channel, host), None) is None for role in granting
        )

    def explain(self, request: Request) -> Explanation:
        """Why it is allowed, or not."""
        rules = self._book.rules
        who = self._asker(request, rules)
        own = who.roles
        return Explanation(
            needs_role=_needs_role(request, rules),
            person=who.person,
            roles=tuple((role, tuple(role.misses(request))) for role, _ in own),
            have_command=tuple(role.name for role in rules.roles if role.grants(request.command)),
            through=tuple(by for _, by in own),
            unlearned=tuple(who.unlearned),
            is_vouched_for=who.is_vouched_for(request.origin),
        )

    def reach(self, request: Request) -> Callable[[str, str], bool]:
        """Tells of one host's target after the other whether the same may be asked about it: for lists."""
        may = self.judge(request)
        return lambda host, target: may(host, (target,))

    def roles_of(self, actor: Actor) -> tuple[Role, ...]:
        """The roles that the actor has; none when they are barred."""
        return tuple(role for role, _ in self.memberships(actor))

    def memberships(self, actor: Actor) -> tuple[tuple[Role, str], ...]:
        """The same, each with the id by which the actor has it: theirs, their shell user, or a group's."""
        return self._who(actor, self._book.rules).roles

    def has_role(self, actor: Actor, role_name: str) -> bool:
        """Whether the actor has the role of that name."""
        who = self._who(actor, self._book.rules)
        named = (role for role in who.rules.roles if role.name == role_name)
        return any(who.through(role) is not None for role in named)

    def identity(self, actor: Actor) -> str:
        """The one person behind a Slack id or a shell user: the Slack id, or `cli:NAME` of whom has none set."""
        return self._book.rules.identity(actor)

    def person(self, actor: Actor) -> Person:
        """Who that is, by their Slack account; a shell user without one is vouched for by the machine."""
        return self._who(actor, self._book.rules).person

    def is_administrator(self, actor: Actor, origin: Origin) -> bool:
        """Whether whoever asks from there needs no role at all."""
        return _is_shell(actor, origin) and not self._book.rules.asks_shells

    def _asker(self, request: Request, rules: Rules) -> _Who:
        """Whoever asks. What comes from Slack comes from nobody's shell, whatever the id looks like."""
        actor = request.actor
        if request.origin is Origin.SLACK and actor.id.startswith(SHELL):
            return _Who(Actor(id="", name=actor.name), Rules(), Nobody())
        return self._who(actor, rules)

    def _who(self, actor: Actor, rules: Rules) -> _Who:
        return _Who(actor, rules, self._people)


def _needs_role(request: Request, rules: Rules) -> bool:
    if request.command.right is Right.NONE:
        return False
    return rules.asks_shells or not _is_shell(request.actor, request.origin)


def _is_shell(actor: Actor, origin: Origin) -> bool:
    """Where it comes from decides, not how the id looks; a clock asks for whoever set it."""
    return origin is Origin.CLI or (origin is Origin.SCHEDULE and actor.id.startswith(SHELL))


def _vouched_by_shell(identity: str) -> Person:
    return Person(id=identity, name=identity.removeprefix(SHELL), standing=Standing.ACTIVE)
