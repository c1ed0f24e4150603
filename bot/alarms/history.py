"""Whether due times come to something: runs that do not end, take too long or fail, and schedules that are off.

Must not know what the runs do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from bot import words
from bot.alarmrules import AlarmKind, AlarmRules, Condition, Findings
from bot.command import Command
from bot.language import say
from bot.model import Button
from bot.operations.backedup import Source, filed, is_path, source_of
from bot.stores.pasts import LastTwo, Pasts
from bot.stores.runrow import Run
from bot.stores.runs import Runs
from bot.stores.schedules import Schedule

_LEAST_BEFORE = 5
_MOST_BEFORE = 20
_LEAST_MORE = timedelta(minutes=10)
"""A run is too slow only if it takes so much longer than usual: seconds are no matter."""
_UNNOTICED = timedelta(minutes=10)
"""A due time that nothing came of for so long is an alarm, whatever the reason."""
_LONGEST_WHY = 300


@dataclass(frozen=True, kw_only=True)
class Records:
    """What is looked at."""

    runs: Runs
    pasts: Pasts


class History:
    """Judges runs and schedules. For one thread; raises StoreError."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._runs = records.runs
        self._pasts = records.pasts
        self._clock = clock
        self._usual: dict[str, float | None] = {}
        self._due: dict[str, tuple[tuple[int, datetime], datetime | None]] = {}

    def judge(self, schedules: tuple[Schedule, ...], rules: AlarmRules, *, timer: bool) -> Findings:
        """All of it. While the `timer` stands still, it is no news that nothing comes of due times."""
        conditions = [
            *(_overdue(run, rules) for run in self._pasts.unended(self._clock() - rules.overdue)),
            *self._slow(rules),
            *self._failing(),
            *(_suspended(one) for one in schedules if one.suspended is not None),
        ]
        if not timer:
            return Findings(conditions=tuple(conditions), unsure=frozenset({f"{AlarmKind.OVERDUE}:"}))
        return Findings(conditions=(*conditions, *self._unnoticed(schedules)))

    def _slow(self, rules: AlarmRules) -> list[Condition]:
        now, found = self._clock(), []
        running = [run for run in self._runs.running() if run.started_at and run.plan]
        self._usual = {run.id: self._usual[run.id] for run in running if run.id in self._usual}
        for run in running:
            took = now - (run.started_at or now)
            if took < _LEAST_MORE:
                continue
            if run.id not in self._usual:
                before = self._pasts.took(run, _MOST_BEFORE)
                self._usual[run.id] = median(before) if len(before) >= _LEAST_BEFORE else None
            usual = self._usual[run.id]
            if usual is not None and took.total_seconds() > max(
                rules.slower * usual, usual + _LEAST_MORE.total_seconds()
            ):
                found.append(_slow(run, usual))
        return found

    def _failing(self) -> list[Condition]:
        troubled = self._pasts.troubled()
        ids = {two.last for two in troubled.values()}
        last = {run.id: run for run in self._runs.some(ids)} if ids else {}
        return [_failing(name, two, last.get(two.last)) for name, two in troubled.items()]

    def _unnoticed(self, schedules: tuple[Schedule, ...]) -> list[Condition]:
        now, known = self._clock(), self._due
        self._due, found = {}, []
        for one in schedules:
            if not one.is_on:
                continue
            state = (one.revision, one.dealt_with_at)
            before = known.get(one.name)
            due = before[1] if before and before[0] == state else one.when.foreseen(one.dealt_with_at)
            self._due[one.name] = (state, due)
            if due is not None and now - due > _UNNOTICED:
                found.append(_nothing_came_of(one, due))
        return found


class Coverage:
    """Remembers what each line backs up, for there may be thousands of schedules. For one thread."""

    def __init__(self, commands: Mapping[str, Command], default_host: str, runs: Runs) -> None:
        self._runs = runs
        self._commands = commands
        self._default_host = default_host
        self._known: dict[str, Source | None] = {}

    def of(self, schedules: tuple[Schedule, ...]) -> dict[Source, datetime]:
        """What schedules that fire back up, and since when there is such a schedule. Raises StoreError.

        A path is left out until a run told where its backups lie: nobody could say whether there are any.
        """
        known, self._known = self._known, {}
        found: dict[Source, datetime] = {}
        for one in schedules:
            if one.line not in self._known:
                is_known = one.line in known
                self._known[one.line] = (
                    known[one.line] if is_known else source_of(one.line, self._commands, self._default_host)
                )
            source = self._known[one.line]
            if source is not None and one.is_on and is_path(source):
                source = filed(source, self._runs.planned(one.name, one.line))
            if source is not None and one.is_on:
                found[source] = min(found.get(source, one.created_at), one.created_at)
        return found


def _overdue(run: Run, rules: AlarmRules) -> Condition:
    text = say(
        "Run {run} of schedule {schedule} (`{line}`) has not ended. It was due to begin {at:%Y-%m-%d %H:%M} UTC, and "
        "may take {limit}.",
        run=run.id,
        schedule=run.invocation.schedule,
        line=run.invocation.line,
        at=run.created_at,
        limit=words.duration(rules.overdue.total_seconds()),
    )
    return Condition(
        kind=AlarmKind.OVERDUE, key=f"{AlarmKind.OVERDUE}:{run.id}", text=text, remedy=_details(run.id)
    )


def _slow(run: Run, usual: float) -> Condition:
    text = say(
        "Run {run} (`{line}`) is at work since {at:%Y-%m-%d %H:%M} UTC; as a rule it takes {usual}.",
        run=run.id,
        line=run.invocation.line,
        at=run.started_at,
        usual=words.duration(usual),
    )
    return Condition(
        kind=AlarmKind.SLOW, key=f"{AlarmKind.SLOW}:{run.id}", text=text, remedy=_details(run.id)
    )


def _failing(name: str, two: LastTwo, last: Run | None) -> Condition:
    text = say(
        "Schedule {schedule} did not succeed twice in a row: run {before} is {before_status}, run {last} is "
        "{last_status}.",
        schedule=name,
        before=two.before,
        before_status=words.status(two.before_status),
        last=two.last,
        last_status=words.status(two.last_status),
    )
    why = last.reply.text[:_LONGEST_WHY] if last and last.reply else ""
    return Condition(
        kind=AlarmKind.FAILING,
        key=f"{AlarmKind.FAILING}:{name}",
        text=f"{text} {why}".rstrip(),
        remedy=_details(two.last),
    )


def _suspended(schedule: Schedule) -> Condition:
    text = say(
        "Schedule {schedule} (`{line}`) does not fire any more: {why}",
        schedule=schedule.name,
        line=schedule.line,
        why=schedule.suspended,
    )
    key = f"{AlarmKind.SUSPENDED}:{schedule.name}"
    return Condition(kind=AlarmKind.SUSPENDED, key=key, text=text, remedy=_schedules())


def _nothing_came_of(schedule: Schedule, due: datetime) -> Condition:
    text = say(
        "Schedule {schedule} (`{line}`) was due {at:%Y-%m-%d %H:%M} UTC, and nothing came of it.",
        schedule=schedule.name,
        line=schedule.line,
        at=due,
    )
    key = f"{AlarmKind.OVERDUE}:due/{schedule.name}"
    return Condition(kind=AlarmKind.OVERDUE, key=key, text=text, remedy=_schedules())


def _schedules() -> Button:
    return Button(label=say("Schedules"), line="schedules")


def _details(run_id: str) -> Button:
    return Button(label=say("Details of {run}", run=run_id), line=f"details {run_id}")
