"""Schedules that are there, as one person may see them: their own, and those whose command they may use. As rows, too.

Asks no host, as there may be thousands of them. Must not know how a schedule is made, nor how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, cast

from bot import words
from bot.command import Command
from bot.commandline import split
from bot.engine import Engine
from bot.errors import Busy, Conflict, EngineError, PermissionDenied, UsageError
from bot.language import say
from bot.model import Actor, Invocation, Origin, Reply, Right, Status, Value
from bot.permissions import Policy
from bot.schedules.making import Inner, aimed, read
from bot.services import Services
from bot.stores.runrow import Run
from bot.stores.schedules import Kept, Schedule

COLUMNS = ("schedule", "when", "zone", "command", "owner", "next_at", "last_run", "last_at", "state", "kept")


class _Unasked:
    """A host that nobody asks anything: its answer is that it gives none."""

    def __init__(self, host: str) -> None:
        self.host = host

    def __getattr__(self, name: str) -> NoReturn:
        raise EngineError(name)


def quietly(services: Services) -> Services:
    """The same rooms, in which no host is asked anything."""
    return replace(services, engines={name: cast(Engine, _Unasked(name)) for name in services.engines})


class Reach:
    """Tells of one schedule after the other whether somebody may see and change it: their own, and what they may do."""

    def __init__(self, services: Services, asker: Actor, origin: Origin, channel: str | None) -> None:
        self._services = quietly(services)
        self._asker = asker
        self._origin = origin
        self._channel = channel
        self._known: dict[str, bool] = {}
        self._judges: dict[tuple[str, Right], Callable[[str | None, tuple[str, ...]], bool]] = {}

    @classmethod
    def of(cls, services: Services, by: Invocation) -> Reach:
        """That of whoever sent it."""
        return cls(services, by.actor, by.origin, by.place.channel if by.place else None)

    @property
    def quiet(self) -> Services:
        """The rooms, in which no host is asked anything."""
        return self._services

    def owns(self, schedule: Schedule) -> bool:
        """Whether it is their own."""
        return self.is_theirs(schedule.owner)

    def is_theirs(self, actor: Actor) -> bool:
        """Whether that is the same person, by whichever of their ids."""
        identity = self._services.policy.identity
        return identity(actor) == identity(self._asker)

    def sees(self, schedule: Schedule) -> bool:
        """Whether it is theirs, or they may use its command there."""
        if self.owns(schedule):
            return True
        known = self._known.get(schedule.line)
        if known is None:
            known = self._known[schedule.line] = self._may(about(schedule, self._services))
        return known

    def _may(self, inner: Inner) -> bool:
        request = inner.request(self._asker, self._origin, self._channel)
        asked = (inner.command.name, inner.command.right)
        if asked not in self._judges:
            self._judges[asked] = self._services.policy.judge(request)
        return self._judges[asked](request.host, request.targets)

    def refuse(self, schedule: Schedule) -> None:
        """Raise PermissionDenied unless they see it."""
        if not self.sees(schedule):
            raise PermissionDenied(
                say(
                    "Schedule {name} is not yours, and you may not use its command there. Nothing was changed.",
                    name=schedule.name,
                )
            )


def about(schedule: Schedule, services: Services) -> Inner:
    """What the line of a schedule that is there asks for. What nobody can tell is about everything.

    A line that is no command any more needs an administrator.
    """
    line = split(schedule.line)
    try:
        inner = aimed(read(line, services.commands), services)
    except UsageError:
        lost = Command(
            name=line[0] if line else "",
            summary="",
            right=Right.ADMIN,
            arguments=object,
            run=lambda *_: Reply(text=""),
        )
        return Inner(line=schedule.line, command=lost, arguments=None, targets=("*",))
    return replace(inner, targets=_last_targets(schedule, services)) if inner.unknown else inner


def _last_targets(schedule: Schedule, services: Services) -> tuple[str, ...]:
    """Those of its newest run. One of another line tells nothing: the name was given to something else since."""
    last = services.runs.planned(schedule.name, schedule.line)
    return last.about if last else ("*",)


def refuse_kept_elsewhere(schedule: Schedule) -> None:
    """Raise Conflict, which says where it is changed, for one that is not kept in chat."""
    if schedule.kept is Kept.SETTINGS:
        raise Conflict(
            say(
                "Schedule {name} is kept in the settings, under `[schedules.{name}]`, and is changed there. "
                "Nothing was changed.",
                name=schedule.name,
            )
        )
    if schedule.kept is Kept.LABEL:
        raise Conflict(
            say(
                "Schedule {name} comes of the label `shipkeeper.schedule`, and is changed there. Nothing was changed.",
                name=schedule.name,
            )
        )


def managed(name: str, services: Services, by: Invocation) -> Schedule:
    """The schedule of that name, if whoever asks may change it; raises NotFound, PermissionDenied, Conflict."""
    schedule = services.schedules.get(name)
    Reach.of(services, by).refuse(schedule)
    return schedule


def may_run_now(schedule: Schedule, by: Invocation, services: Services, policy: Policy) -> bool:
    """Whether that policy lets them use its command at all; what it is about, their run will be asked. Asks no host."""
    inner = read(split(schedule.line), services.commands)
    request = inner.request(by.actor, by.origin, by.place.channel if by.place else None)
    return policy.identity(schedule.owner) == policy.identity(by.actor) or policy.allows(request)


def refuse_under_way(schedule: Schedule, services: Services) -> None:
    """Raise Busy while a run of it is at work or waits."""
    run = services.runs.under_way(schedule.name)
    if run is not None:
        raise Busy(
            say(
                "Schedule {name} is at work already: run {run_id} is {status}. Nothing was changed. Wait for it, or "
                "type `cancel {run_id}`.",
                name=schedule.name,
                run_id=run.id,
                status=words.status(run.status),
            )
        )


def call_off(schedule: Schedule, services: Services, by: Actor) -> tuple[str, ...]:
    """Cancel what came of a due time and has not begun, for it fires no more; a sentence about it, if there is such.

    To be called once it is stored that it does not fire, or another run may come of it meanwhile. What somebody asked
    for themselves, by `run-now`, is not the schedule's.
    """
    run = services.runs.under_way(schedule.name)
    if run is None or run.status is not Status.QUEUED or run.invocation.origin is not Origin.SCHEDULE:
        return ()
    now = services.cancel(run, by)
    return (words.called_off(now.id, now.status),)


# ---- as rows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A schedule, when it is due next if it is on, and the newest run that came of it."""

    schedule: Schedule
    next_at: datetime | None
    last: Run | None

    @property
    def state(self) -> str:
        """Whether it fires, in words."""
        return state_of(self.schedule)

    @property
    def cells(self) -> tuple[Value, ...]:
        """A row of COLUMNS."""
        schedule, last = self.schedule, self.last
        return (
            schedule.name,
            schedule.when.text,
            schedule.when.zone,
            schedule.line,
            schedule.owner.name,
            self.next_at.isoformat() if self.next_at else None,
            f"{last.id} {say(last.status.value)}" if last else None,
            last.created_at.isoformat() if last else None,
            self.state,
            kept_in(schedule.kept),
        )


def looked_at(chosen: Sequence[Schedule], services: Services) -> tuple[Seen, ...]:
    """Those schedules with what is next and what was last."""
    now = services.clock()
    last = services.runs.last_of([one.name for one in chosen])
    return tuple(
        Seen(schedule=one, next_at=one.when.foreseen(now) if one.is_on else None, last=last.get(one.name))
        for one in chosen
    )


@dataclass(frozen=True, kw_only=True)
class Foremost:
    """Some schedules that are shown to somebody, and how many more they may see."""

    shown: tuple[Seen, ...] = ()
    more: int = 0


def foremost(reach: Reach, services: Services, most: int) -> Foremost:
    """So many of those that they see: first what is suspended, then their own, by name."""
    seen = [one for one in services.schedules.all() if reach.sees(one)]
    seen.sort(key=lambda one: (one.suspended is None, not reach.owns(one), one.name))
    return Foremost(shown=looked_at(seen[:most], services), more=max(0, len(seen) - most))


def state_of(schedule: Schedule) -> str:
    """Whether it fires, in words."""
    if schedule.suspended is not None:
        return say("suspended: {why}", why=schedule.suspended)
    if schedule.paused_by is not None:
        return say("paused by {who}", who=schedule.paused_by)
    return say("on")


def kept_in(kept: Kept) -> str:
    """Where it is kept, in words."""
    return {Kept.CHAT: say("chat"), Kept.SETTINGS: say("settings"), Kept.LABEL: say("label")}[kept]


_NOTHING_CERTAIN = ((), ("*",))
"""Of which it cannot be said that two of them are the same."""


def alike(schedule: Schedule, others: Iterable[Schedule], services: Services) -> tuple[Schedule, ...]:
    """Of the others, those that fire and do the same to the same."""
    quiet = quietly(services)
    mine = about(schedule, quiet)

    def is_same(other: Schedule) -> bool:
        if other.name == schedule.name or not other.is_on:
            return False
        if other.line == schedule.line:
            return True
        its = about(other, quiet) if other.line.partition(" ")[0] == mine.command.name else None
        return its is not None and _what(its) == _what(mine) and mine.targets not in _NOTHING_CERTAIN

    return tuple(one for one in others if is_same(one))


def _what(inner: Inner) -> tuple[str, str, tuple[str, ...]]:
    return inner.command.name, inner.host, inner.targets
