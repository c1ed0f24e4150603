"""May this actor, from here, use this command on these targets? By ids, never by names.

Pure rules: nothing here asks Slack, Docker or a database. What is not granted is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bot.command import Command
from bot.errors import PermissionDenied
from bot.model import Actor, Origin, Right


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

    def covers(self, targets: Iterable[str], channel: str | None, host: str | None = None) -> bool:
        """Whether it reaches every target, from that channel, on that host, if it is about one."""
        here = "*" in self.channels or channel in self.channels
        there = host is None or self.reaches(host)
        return (
            here and there and all(any(fnmatchcase(t, pattern) for pattern in self.targets) for t in targets)
        )

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
        may = [role.name for role in self._roles if role.grants(request.command)]
        about = (*request.targets, *((f"host {request.host}",) if request.host else ()))
        on = f" on {', '.join(about)}" if about else ""
        who = f"Roles that have `{request.command.name}`: {', '.join(may)}" if may else "No role has it"
        raise PermissionDenied(
            f"You may not use `{request.command.name}`{on} from here. Nothing was changed. {who}; "
            "whoever keeps shipkeeper's settings can give it to you."
        )

    def allows(self, request: Request) -> bool:
        """Whether it is allowed."""
        return self.judge(request)(request.host, request.targets)

    def judge(self, request: Request) -> Callable[[str | None, tuple[str, ...]], bool]:
        """Tells of host and targets, one after the other, whether the same may be asked about those."""
        if request.command.right is Right.NONE or request.origin is Origin.CLI:
            return lambda _host, _targets: True
        granting = [role for role in self.roles_of(request.actor) if role.grants(request.command)]
        return lambda host, targets: any(role.covers(targets, request.channel, host) for role in granting)

    def reach(self, request: Request) -> Callable[[str, str], bool]:
        """Tells of one host's target after the other whether the same may be asked about it: for lists."""
        may = self.judge(request)
        return lambda host, target: may(host, (target,))

    def roles_of(self, actor: Actor) -> tuple[Role, ...]:
        """The roles that the actor has."""
        return tuple(role for role in self._roles if actor.id in role.members)
