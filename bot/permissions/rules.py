"""Roles: what each grants to whom, and what of a request it matches. Who is in a group is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from bot.command import Command
from bot.model import Actor, Origin, Right
from bot.people import SHELL, Person, Standing


class Part(StrEnum):
    """The parts of a request, each of which a role must match."""

    COMMAND = "command"
    TARGET = "target"
    CHANNEL = "channel"
    HOST = "host"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A grant: its members may use the commands on the targets of the hosts from the channels. `*` matches all.

    Members are Slack's ids of people and `cli:NAME` of shell users; `groups` are Slack's ids of user groups, all of
    whose members are meant. Either `right` grants every command that needs no more, or `commands` names them.
    """

    name: str
    members: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
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
class Rules:
    """All of it, as the settings have it: replaced whole, never changed.

    `shell_users` maps names of shell users to the Slack ids of the same people.
    """

    roles: tuple[Role, ...] = ()
    shell_users: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def asks_shells(self) -> bool:
        """Whether shells need a role: as soon as one role names a shell user."""
        return any(member.startswith(SHELL) for role in self.roles for member in role.members)

    def identity(self, actor: Actor) -> str:
        """The one person behind a Slack id or a shell user: their Slack id, where the settings know it."""
        if not actor.id.startswith(SHELL):
            return actor.id
        return self.shell_users.get(actor.id.removeprefix(SHELL), actor.id)


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
    person: Person
    roles: tuple[tuple[Role, tuple[Part, ...]], ...]
    """The actor's roles, each with what of the request it does not match; none of somebody who is barred."""
    have_command: tuple[str, ...]
    """Everybody's roles that have the command, by name."""
    through: tuple[str, ...]
    """For each of `roles` the id by which the actor has it: theirs, their shell user's, or a group's."""
    unlearned: tuple[str, ...]
    """The groups whose members could not be learned, so that nobody counts as one."""
    is_vouched_for: bool
    """Whether it is certain enough who asks: of a clock's request, Slack must know its owner."""

    @property
    def is_barred(self) -> bool:
        """Whether the person may not act at all, whatever roles name them."""
        return self.person.standing is Standing.BARRED

    @property
    def granted_by(self) -> tuple[Role, ...]:
        """The roles that match all of it."""
        return tuple(role for role, missed in self.roles if not missed)

    @property
    def is_allowed(self) -> bool:
        """What the policy decides."""
        return not self.needs_role or (self.is_vouched_for and not self.is_barred and bool(self.granted_by))
