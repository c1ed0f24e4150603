"""Which alarms somebody may see: what names volumes, runs or schedules is for those who may see these.

An alarm of a schedule or a run says its line and how it ended, which is not for whoever may look for alarms at all.
Asks no host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.alarmrules import AlarmKind
from bot.schedules.seen import Reach, about
from bot.services import Services
from bot.stores.alarms import Alarm
from bot.stores.runrow import Run

May = Callable[[str | None, tuple[str, ...]], bool]
"""Of a host and targets: whether whoever asks may look for alarms about those."""

_DUE = "due/"
_OF_RUNS = (AlarmKind.OVERDUE, AlarmKind.SLOW)
_OF_WORK = (*_OF_RUNS, AlarmKind.FAILING, AlarmKind.SUSPENDED)


def visible(alarms: Iterable[Alarm], services: Services, reach: Reach, may: May) -> tuple[Alarm, ...]:
    """Those of them."""
    every = tuple(alarms)
    ids = {_named(one) for one in every if one.kind in _OF_RUNS}
    runs = {run.id: run for run in services.runs.some(ids)} if ids else {}
    eyes = _Eyes(services=services, reach=reach, may=may, runs=runs)
    return tuple(one for one in every if eyes.see(one))


def _named(alarm: Alarm) -> str:
    return alarm.key.partition(":")[2]


@dataclass(frozen=True, kw_only=True)
class _Eyes:
    services: Services
    reach: Reach
    may: May
    runs: Mapping[str, Run]

    def see(self, alarm: Alarm) -> bool:
        named = _named(alarm)
        host, _, source = named.partition("/")
        if alarm.kind is AlarmKind.STALE:
            return self.may(host, (f"volume:{source}",))
        if alarm.kind is AlarmKind.UNPROTECTED:
            return self.may(host, ("volume:*",))
        if named in self.runs:
            return self._run(self.runs[named])
        return alarm.kind not in _OF_WORK or self._schedule(named.removeprefix(_DUE))

    def _run(self, run: Run) -> bool:
        return self.reach.is_theirs(run.invocation.actor) or self.may(run.host, run.about)

    def _schedule(self, name: str) -> bool:
        """Of one that is gone nobody can tell what it was about."""
        schedule = self.services.schedules.find(name)
        if schedule is None:
            return self.may(None, ("*",))
        inner = about(schedule, self.reach.quiet)
        is_there = inner.host and inner.command.is_about_a_host
        return self.reach.owns(schedule) or self.may(inner.host if is_there else None, inner.targets)
