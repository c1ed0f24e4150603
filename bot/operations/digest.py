"""What came of some days: what was backed up, proven, pruned, what went wrong, and what nobody protects.

Reads archive, runs, schedules and hosts; what somebody may see is told by a function. Words are in `digesttold.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.engine import Engine, Volume
from bot.errors import BotError
from bot.model import Status
from bot.operations.holds import is_verified, target_of_source
from bot.operations.hostwide import LOOK_LIMIT, Answers, ask_all
from bot.stores.archive import Archive, Backup
from bot.stores.runrow import Lane, Run
from bot.stores.schedules import Schedule

Sees = Callable[[str | None, tuple[str, ...]], bool]
"""Of a host and targets: whether whoever asked may see what is about them."""

MOST_RUNS = 50_000

_TROUBLE = (Status.FAILED, Status.PARTIAL, Status.INTERRUPTED, Status.MISSED, Status.EXPIRED)
_TROUBLE_OF_A_SCHEDULE = (*_TROUBLE, Status.DENIED, Status.REJECTED)
"""Who types a command is told why it was refused; a schedule has nobody who would read that."""
_DONE = (Status.SUCCEEDED, Status.PARTIAL)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where it is read from: `runs` are those that ended since then, newest first; `engines` the hosts to ask.

    `schedules` are those that whoever asked may see.
    """

    archive: Archive
    engines: Mapping[str, Engine]
    runs: tuple[Run, ...]
    schedules: tuple[Schedule, ...]
    since: datetime


@dataclass(frozen=True, kw_only=True)
class VolumeDays:
    """A source on a host: its backups of these days, and its newest verified one of all times.

    `drilled_at` is when one of its backups was last restored for a trial, of those that the archive has.
    """

    host: str
    name: str
    whole: int = 0
    partial: int = 0
    stored_bytes: int = 0
    newest_at: datetime | None = None
    drilled_at: datetime | None = None

    @property
    def is_protected(self) -> bool:
        """Whether there is a verified backup of it, however old."""
        return self.newest_at is not None


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What did not succeed of one schedule, or of one command that came of none; `run` is the newest of it."""

    name: str
    is_schedule: bool
    counts: Mapping[Status, int]
    run: str


@dataclass(frozen=True, kw_only=True)
class Success:
    """How often a schedule succeeded, and whether that was told to nobody."""

    name: str
    count: int
    is_quiet: bool


@dataclass(frozen=True, kw_only=True)
class Digest:
    """All of it, as far as it may be seen.

    `backups` are all that may be, newest first, and `labels` what the hosts say of volumes: for a picture of them.
    """

    volumes: tuple[VolumeDays, ...]
    backups: tuple[Backup, ...]
    labels: Mapping[tuple[str, str], Mapping[str, str]]
    verified: int
    drilled: int
    pruned: int
    freed_bytes: int
    troubles: tuple[Trouble, ...]
    successes: tuple[Success, ...]
    off: tuple[Schedule, ...]
    silent: tuple[BotError, ...]
    is_cut: bool = False
    """Whether there were more runs than were looked at."""

    @property
    def unprotected(self) -> tuple[VolumeDays, ...]:
        """Volumes that no verified backup is there of."""
        return tuple(one for one in self.volumes if not one.is_protected)


@dataclass
class _Tally:
    """What is counted over runs."""

    done: Counter[str] = field(default_factory=Counter)
    pruned: int = 0
    freed_bytes: int = 0
    troubles: dict[tuple[bool, str], Counter[Status]] = field(default_factory=dict)
    newest: dict[tuple[bool, str], str] = field(default_factory=dict)
    successes: Counter[str] = field(default_factory=Counter)


def digest(sources: Sources, sees: Sees) -> Digest:
    """Ask the hosts, side by side, and read the rest; raises ArchiveError when the archive cannot be read.

    A host that does not answer is named, and the others are told of all the same.
    """
    answers = _asked(sources.engines)
    backups = tuple(
        one
        for one in sources.archive.backups()
        if one.host in sources.engines and sees(one.host, (target_of_source(one.volume),))
    )
    tally = _tallied(run for run in sources.runs if _sees_run(run, sources, sees))
    return Digest(
        volumes=_volumes(sources, backups, answers.given, sees),
        backups=backups,
        labels={(host, one.name): one.labels for host, found in answers.given.items() for one in found},
        verified=tally.done["verify"],
        drilled=tally.done["drill"],
        pruned=tally.pruned,
        freed_bytes=tally.freed_bytes,
        troubles=tuple(_troubles(tally)),
        successes=tuple(_successes(tally, sources.schedules)),
        off=tuple(one for one in sources.schedules if not one.is_on),
        silent=tuple(error for host, error in answers.refused.items() if sees(host, ())),
        is_cut=len(sources.runs) >= MOST_RUNS,
    )


def _asked(engines: Mapping[str, Engine]) -> Answers[tuple[Volume, ...]]:
    try:
        return ask_all(engines, lambda engine: engine.volumes(), LOOK_LIMIT)
    except BotError as error:  # the only one is away; what the archive says is of use without it
        return Answers(refused=dict.fromkeys(engines, error))


def _sees_run(run: Run, sources: Sources, sees: Sees) -> bool:
    """Of a run that never had a plan it is not known what it was about."""
    if run.lane is Lane.WORK and run.host not in sources.engines:
        return False
    return sees(run.host, run.about)


def _volumes(
    sources: Sources, backups: Iterable[Backup], given: Mapping[str, tuple[Volume, ...]], sees: Sees
) -> tuple[VolumeDays, ...]:
    """The worst first: unprotected, then without a backup in these days."""
    found = {
        (host, one.name): VolumeDays(host=host, name=one.name)
        for host, volumes in given.items()
        for one in volumes
        if sees(host, (target_of_source(one.name),))
    }
    there = set(found)
    for backup in backups:
        key = (backup.host, backup.volume)
        found[key] = _with(found.get(key) or VolumeDays(host=key[0], name=key[1]), backup, sources)
    # What is gone from its host, and was not backed up in these days, is nobody's concern any more.
    told = (one for key, one in found.items() if key in there or one.whole or one.partial)
    return tuple(sorted(told, key=lambda one: (one.is_protected, one.whole > 0, one.host, one.name)))


def _with(days: VolumeDays, backup: Backup, sources: Sources) -> VolumeDays:
    """One backup more, which is older than those before."""
    marks, manifest = sources.archive.marks(backup), backup.manifest
    if days.newest_at is None and is_verified(backup, marks):
        days = replace(days, newest_at=manifest.started_at)
    drills = [at for at in (days.drilled_at, marks.drilled_at) if at is not None]
    days = replace(days, drilled_at=max(drills, default=None))
    if manifest.started_at < sources.since:
        return days
    return replace(
        days,
        whole=days.whole + backup.is_ok,
        partial=days.partial + (not backup.is_ok),
        stored_bytes=days.stored_bytes + manifest.stored.bytes,
    )


def _tallied(runs: Iterable[Run]) -> _Tally:
    tally = _Tally()
    for run in runs:
        schedule = run.invocation.schedule
        if run.status is Status.SUCCEEDED:
            tally.done[run.command or ""] += 1
            if schedule:
                tally.successes[schedule] += 1
        if run.command == "prune" and run.status in _DONE and run.plan and not run.plan.only_looks:
            tally.pruned += len(run.plan.steps)
            tally.freed_bytes += int((run.reply.facts.get("freed_bytes") if run.reply else 0) or 0)
        if run.status in (_TROUBLE_OF_A_SCHEDULE if schedule else _TROUBLE):
            key = (bool(schedule), schedule or run.command or run.invocation.line.partition(" ")[0])
            tally.troubles.setdefault(key, Counter())[run.status] += 1
            tally.newest.setdefault(key, run.id)
    return tally


def _troubles(tally: _Tally) -> Iterator[Trouble]:
    """Schedules first, the most troubled of each first."""
    order = sorted(tally.troubles.items(), key=lambda one: (not one[0][0], -one[1].total(), one[0][1]))
    for (is_schedule, name), counts in order:
        newest = tally.newest[is_schedule, name]
        yield Trouble(name=name, is_schedule=is_schedule, counts=dict(counts), run=newest)


def _successes(tally: _Tally, schedules: Iterable[Schedule]) -> Iterator[Success]:
    quiet = {one.name for one in schedules if one.quiet}
    for name, count in sorted(tally.successes.items()):
        yield Success(name=name, count=count, is_quiet=name in quiet)
