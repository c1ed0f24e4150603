"""May this actor, from here, use this command on these targets? By ids, never by names.

Pure rules: nothing here asks Slack, Docker or a database. What is not granted is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.command import Command
from bot.errors import PermissionDenied
from bot.language import say
from bot.model import Actor, Origin, Right


class Part(StrEnum):
    """The parts of a request, each of which a role must match."""

    COMMAND = "command"
    TARGET = "target"
    CHANNEL = "channel"
    HOST = "host"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A grant: its members may use the commands on the targets of the hosts from the channels. `*` matches all.

    Either `right` grants every command that needs no more, or `commands` names them.
    """

    name: str
    members: frozenset[str]
    right: Right = Right.NONE
    commands: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ("*",)

    def grants(self, command: Command) -> bool:
        """Whether the role has the command at all."""
        named = any(fnmatchcase(command.name, pattern) for pattern in self.commands)
        return named or (self.right is not Right.NONE and self.right.includes(command.right))

    def misses(self, request: Request) -> Iterator[Part]:
        """What of the request the role does not match; nothing when it grants it."""
        if not self.grants(request.command):
            yield Part.COMMAND
        yield from self.misses_there(request.targets, request.channel, request.host)

    def misses_there(self, targets: tuple[str, ...], channel: str | None, host: str | None) -> Iterator[Part]:
        """What of the place and the targets the role does not match, whatever the command."""
        if not all(any(fnmatchcase(t, pattern) for pattern in self.targets) for t in targets):
            yield Part.TARGET
        if "*" not in self.channels and channel not in self.channels:
            yield Part.CHANNEL
        if host is not None and not self.reaches(host):
            yield Part.HOST

    def reaches(self, host: str) -> bool:
        """Whether it is for that host."""
        return any(fnmatchcase(host, pattern) for pattern in self.hosts)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the policy; `host` is None for what is about no host."""

    actor: Actor
    origin: Origin
    channel: str | None
    command: Command
    targets: tuple[str, ...] = ()
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a request is allowed or not: what each role of the actor misses, if the actor needs one at all."""

    needs_role: bool
    roles: tuple[tuple[Role, tuple[Part, ...]], ...]
    """The actor's roles, each with what of the request it does not match."""
    have_command: tuple[str, ...]
    """Everybody's roles that have the command, by name."""

    @property
    def granted_by(self) -> tuple[Role, ...]:
        """The roles that match all of it."""
        return tuple(role for role, missed in self.roles if not missed)

    @property
    def is_allowed(self) -> bool:
        """What the policy decides."""
        return not self.needs_role or bool(self.granted_by)


class Policy:
    """All roles together. Without any, only commands that need no right are left: `help` and `whoami`.

    Whoever has a shell on the machine and Docker's socket can do everything anyway, so the shell is
    an administrator; the audit log says which user of the machine it was.
    """

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles = tuple(roles)

    def check(self, request: Request) -> None:
        """Raise PermissionDenied, with a sentence that says who may, unless it is allowed."""
        if self.allows(request):
            return
        may = self.explain(request).have_command
        name = request.command.name
        host = (say("host {host}", host=request.host),) if request.host else ()
        about = ", ".join((*request.targets, *host))
        parts = (
            say("You may not use `{command}` on {targets} from here.", command=name, targets=about)
            if about
            else say("You may not use `{command}` from here.", command=name),
            say("Nothing was changed."),
            say(
                "Roles that have `{command}`: {roles}; whoever keeps shipkeeper's settings can give it to you.",
                command=name,
                roles=", ".join(may),
            )
            if may
            else say("No role has it; whoever keeps shipkeeper's settings can give it to you."),
        )
        raise PermissionDenied(" ".join(parts))

    def allows(self, request: Request) -> bool:
        """Whether it is allowed."""
        return self.judge(request)(request.host, request.targets)

    def judge(self, request: Request) -> Callable[[str | None, tuple[str, ...]], bool]:
        """Tells of host and targets, one after the other, whether the same may be asked about those."""
        if not _needs_role(request):
            return lambda _host, _targets: True
        granting = [role for role in self.roles_of(request.actor) if role.grants(request.command)]
        channel = request.channel
        return lambda host, targets: any(
            next(role.misses_there(targets, channel, host), None) is None for role in granting
        )

    def explain(self, request: Request) -> Explanation:
        """Why it is allowed, or not."""
        return Explanation(
            needs_role=_needs_role(request),
            roles=tuple((role, tuple(role.misses(request))) for role in self.roles_of(request.actor)),
            have_command=tuple(role.name for role in self._roles if role.grants(request.command)),
        )

    def reach(self, request: Request) -> Callable[[str, str], bool]:
        """Tells of one host's target after the other whether the same may be asked about it: for lists."""
        may = self.judge(request)
        return lambda host, target: may(host, (target,))

    def has_role(self, actor: Actor, role_name: str) -> bool:
        """Whether the actor has the role of that name."""
        person = self.identity(actor)
        return any(role.name == role_name and person in role.members for role in self._roles)

    def identity(self, actor: Actor) -> str:
        """The one person behind a Slack id or a shell user."""
        return actor.id

    def roles_of(self, actor: Actor) -> tuple[Role, ...]:
        """The roles that the actor has."""
        return tuple(role for role in self._roles if actor.id in role.members)


def _needs_role(request: Request) -> bool:
    return request.command.right is not Right.NONE and request.origin is not Origin.CLI
