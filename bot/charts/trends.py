"""How large backups were, how long they took and how old the newest are: numbers for pictures, and the same in words.

Pure: reads manifests that are given to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from bot import words
from bot.language import later, say, say_count
from bot.stores.archive import Backup

MOST_SOURCES = 5
MOST_AGES = 10
_MOST_POINTS = 60
_HOUR = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One backup: when it began, how much it holds before compression, how long it took."""

    at: datetime
    size_bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _OfSource:
    """Something about a source on a host."""

    host: str
    source: str

    def name(self, *, with_host: bool) -> str:
        """What it is called, where several hosts are told of with its host."""
        return f"{self.host}/{self.source}" if with_host else self.source


@dataclass(frozen=True, kw_only=True)
class Trend(_OfSource):
    """The backups of one source on one host, oldest first."""

    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Age(_OfSource):
    """How old the newest verified backup of a source is, None where none is, and how old it may become.

    Both in seconds; a `limit` of None is none.
    """

    seconds: float | None
    limit: float | None

    @property
    def is_too_old(self) -> bool:
        """Whether it is older than it may become."""
        return self.seconds is not None and self.limit is not None and self.seconds > self.limit

    @property
    def in_whole_hours(self) -> Age:
        """The same for an hour."""
        return self if self.seconds is None else replace(self, seconds=self.seconds // _HOUR * _HOUR)

    @property
    def worst_first(self) -> tuple[float, float]:
        """To sort by: none verified, then by how much of its limit is over, then by age."""
        if self.seconds is None:
            return (-float("inf"), 0.0)
        part = self.seconds / self.limit if self.limit else 0.0
        return (-part, -self.seconds)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one picture shows. `left_out` says that there are more sources than it has room for."""

    trends: tuple[Trend, ...] = ()
    ages: tuple[Age, ...] = ()
    left_out: bool = False

    def __bool__(self) -> bool:
        return bool(self.trends or self.ages)

    @property
    def digest(self) -> str:
        """The same for the same numbers, and for no others."""
        plain = json.dumps(asdict(self), default=datetime.isoformat, sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()

    @property
    def in_words(self) -> str:
        """What the picture shows, for those who do not see it: what is urgent first, for a long text may be cut."""
        parts = [_ages_in_words(self.ages)] if self.ages else []
        parts += [_sizes_in_words(self.trends)] if self.trends else []
        more = say("There are more: the largest, and those that are worst off, are drawn.")
        return " ".join([*parts, more] if self.left_out else parts)


def several_hosts(told: Iterable[_OfSource]) -> bool:
    """Whether they are on more hosts than one."""
    return len({one.host for one in told}) > 1


def figures_of(backups: Iterable[Backup], ages: Iterable[Age]) -> Figures:
    """All there is to show of these, which come newest first."""
    found, worst = _trends(backups), sorted(ages, key=lambda age: (age.worst_first, age.source))
    return Figures(
        trends=tuple(found[:MOST_SOURCES]),
        ages=tuple(worst[:MOST_AGES]),
        left_out=len(found) > MOST_SOURCES or len(worst) > MOST_AGES,
    )


def _trends(backups: Iterable[Backup]) -> list[Trend]:
    """The sources whose newest backup is largest first. Only complete ones count."""
    points: dict[tuple[str, str], list[Point]] = {}
    for backup in backups:
        made, manifest = points.setdefault((backup.host, backup.volume), []), backup.manifest
        if backup.is_ok and len(made) < _MOST_POINTS:
            took = (manifest.ended_at - manifest.started_at).total_seconds()
            made.append(Point(at=manifest.started_at, size_bytes=manifest.raw.bytes, seconds=max(0.0, took)))
    found = [
        Trend(host=host, source=source, points=tuple(reversed(made)))
        for (host, source), made in points.items()
        if made
    ]
    found.sort(key=lambda trend: (-trend.points[-1].size_bytes, trend.host, trend.source))
    return found


def _sizes_in_words(trends: tuple[Trend, ...]) -> str:
    """What lines over time show, for those who do not see them."""
    is_of_several = several_hosts(trends)
    return " ".join(
        (say("Backups over time."), *(_sentence(one, one.name(with_host=is_of_several)) for one in trends))
    )


def _sentence(trend: Trend, name: str) -> str:
    first, last = trend.points[0], trend.points[-1]
    seconds = [point.seconds for point in trend.points]
    return say_count(
        "{source}: {number} backup of {since:%Y-%m-%d}, {last}; it took {longest}.",
        "{source}: {number} backups from {since:%Y-%m-%d} to {until:%Y-%m-%d}, {first} at first and {last} at last; "
        "they took {shortest} to {longest}.",
        len(trend.points),
        source=name,
        since=first.at,
        until=last.at,
        first=words.size(first.size_bytes),
        last=words.size(last.size_bytes),
        shortest=words.duration(min(seconds)),
        longest=words.duration(max(seconds)),
    )


def _ages_in_words(ages: tuple[Age, ...]) -> str:
    return say("How old the newest verified backup is: {ages}.", ages="; ".join(_aged(ages)))


def _aged(ages: tuple[Age, ...]) -> Iterator[str]:
    is_of_several = several_hosts(ages)
    for age in ages:
        name = age.name(with_host=is_of_several)
        if age.seconds is None:
            yield say("{source} has none", source=name)
        elif age.limit is None:
            yield say("{source} {age}, without a limit", source=name, age=words.age(age.seconds))
        else:
            said = later("{source} {age} of {limit}")
            if age.is_too_old:
                said = later("{source} {age} of {limit}, too old")
            yield say(said, source=name, age=words.age(age.seconds), limit=words.age(age.limit))
