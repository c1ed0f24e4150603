"""What could stand where a command asks for something, for this person, from here: the same for every face.

Answers from memory alone, so that it may be asked in a listener, where it does not say otherwise; it must not know
who shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from bot.command import Command, Parameter
from bot.completion.candidates import Candidate, best_first
from bot.completion.inventory import OF_ONE_HOST, Inventory
from bot.completion.known import Rooms
from bot.completion.settled import commands_of, settled
from bot.errors import UsageError
from bot.kinds import Kind
from bot.language import say
from bot.model import Actor, Origin, Right
from bot.permissions import Policy, Request
from bot.sources import Source

__all__ = ["MOST", "Asking", "Candidate", "Completion", "Rooms"]

MOST = 100
"""So many are offered at most; whoever wants another one goes on typing."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who asks, from which channel, for the rest of which command; `host` is the one that was named already."""

    actor: Actor
    origin: Origin
    channel: str | None
    command: Command
    host: str | None = None

    @property
    def request(self) -> Request:
        """What the policy is asked before anything is named."""
        return Request(actor=self.actor, origin=self.origin, channel=self.channel, command=self.command)


class Completion:
    """All that could be named, and who may name it. `start` and `stop` belong to one thread."""

    def __init__(self, services: Rooms) -> None:
        self._services = services
        self._policy = services.policy.by_memory()
        self._inventory = Inventory(services)

    def start(self) -> None:
        """Look around for the first time, in the background."""
        self._inventory.start()

    def stop(self, *, waits: bool = True) -> None:
        """End; a host that does not answer is not waited for, or only shortly. May be called twice."""
        if waits:
            self._inventory.stop()
        else:
            self._inventory.stop(0)

    def warm(self) -> None:
        """Somebody is about to ask: what is known gets looked at anew, in the background, if it is old."""
        self._inventory.want()

    def acquaint(self, user: str) -> None:
        """Learn who somebody is and which groups they are in, for what they ask next. May ask Slack, for seconds."""
        self._services.policy.roles_of(Actor(id=user, name=user))

    def may_use(self, asking: Asking) -> bool:
        """Whether the person may use the command from there at all."""
        return self._policy.allows(asking.request)

    def usable(self, asking: Asking) -> tuple[Command, ...]:
        """The commands that the person may use from there, sorted by name."""
        every = sorted(self._services.commands.values(), key=lambda command: command.name)
        return tuple(one for one in every if self.may_use(replace(asking, command=one)))

    def usable_somewhere(self, actor: Actor) -> tuple[Command, ...]:
        """Those that the person may use from some channel, sorted by name; may ask Slack who they are, for seconds."""
        roles = self._services.policy.roles_of(actor)
        every = sorted(self._services.commands.values(), key=lambda command: command.name)
        return tuple(
            one for one in every if one.right is Right.NONE or any(role.grants(one) for role in roles)
        )

    def offers(self, asking: Asking, parameter: Parameter, letters: str) -> tuple[Candidate, ...]:
        """What fits the letters and may be touched, best first; what was typed itself, where it could be meant.

        Nothing is offered to whoever may not use the command from there.
        """
        typed = letters.strip()
        found = self.fitting(asking, parameter, typed)
        if (
            not self.may_use(asking)
            or any(one.value == typed for one in found)
            or not _could_be(parameter, typed)
        ):
            return found
        return (*found[: MOST - 1], Candidate(value=typed, about=say("as you typed it")))

    def fitting(self, asking: Asking, parameter: Parameter, letters: str) -> tuple[Candidate, ...]:
        """The same, without what was typed itself."""
        self.warm()
        if not self.may_use(asking):
            return ()
        found = best_first(self._known(asking, parameter), letters)
        return tuple(islice(self._permitted(asking, found), MOST))

    def await_fresh(self, asking: Asking, parameter: Parameter, seconds: float) -> None:
        """Wait for the places that have such things, but not longer than so many seconds. Not for listeners."""
        self.warm()
        deadline = time.monotonic() + seconds
        host = asking.host or self._services.default_host
        for source in parameter.sources:
            if source is not Source.COMMAND and settled(self._services, source) is None:
                self._inventory.await_fresh(source, host, max(deadline - time.monotonic(), 0.0))

    def _known(self, asking: Asking, parameter: Parameter) -> Iterator[Candidate]:
        for source in parameter.sources:
            if source is Source.COMMAND:
                yield from commands_of(self._services)
                continue
            known = settled(self._services, source)
            known = self._inventory.known(source) if known is None else known
            yield from self._on_host(asking, known) if source in OF_ONE_HOST else known

    def _on_host(self, asking: Asking, known: Iterable[Candidate]) -> Iterator[Candidate]:
        host = asking.host or self._services.default_host
        return (one for one in known if one.host == host)

    def _permitted(self, asking: Asking, found: Iterable[Candidate]) -> Iterator[Candidate]:
        """Each value once: a repository has several images, and hosts may have the same names."""
        may = _decider(self._policy, asking.request)
        seen: set[str] = set()
        for one in found:
            if one.value not in seen and may(one):
                seen.add(one.value)
                yield one.told


def _decider(policy: Policy, request: Request) -> Callable[[Candidate], bool]:
    """Whether a thing may be touched; its owner may always name it."""
    may = policy.judge(request)

    def decide(one: Candidate) -> bool:
        if one.owner and one.owner == request.actor.id:
            return True
        if one.command is None:
            return may(one.host, one.targets)
        return policy.allows(replace(request, command=one.command, targets=one.targets, host=one.host))

    return decide


def _could_be(parameter: Parameter, typed: str) -> bool:
    """Whether the letters are a whole word of that kind: a new name, or one that nobody listed yet."""
    if not typed or not issubclass(parameter.kind, Kind):
        return False
    try:
        parameter.kind.parse(typed)
    except UsageError:
        return False
    return True
