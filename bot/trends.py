"""How large backups were and how long they took, over time: numbers for pictures and the same in words.

Pure: reads manifests that are given to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from bot import words
from bot.language import say
from bot.stores.archive import Backup

MOST_SOURCES = 5
_MOST_POINTS = 60
_LEAST_POINTS = 2
"""One backup alone shows no trend."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One backup: when it began, how much it holds before compression, how long it took."""

    at: datetime
    size_bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The backups of one source on one host, oldest first."""

    host: str
    source: str
    points: tuple[Point, ...]


def trends_of(backups: Iterable[Backup]) -> tuple[Trend, ...]:
    """Of the sources whose newest backup is largest; `backups` come newest first. Only complete ones count."""
    points: dict[tuple[str, str], list[Point]] = {}
    for backup in backups:
        made, manifest = points.setdefault((backup.host, backup.volume), []), backup.manifest
        if backup.is_ok and len(made) < _MOST_POINTS:
            took = (manifest.ended_at - manifest.started_at).total_seconds()
            made.append(Point(at=manifest.started_at, size_bytes=manifest.raw.bytes, seconds=took))
    found = [
        Trend(host=host, source=source, points=tuple(reversed(made)))
        for (host, source), made in points.items()
        if len(made) >= _LEAST_POINTS
    ]
    found.sort(key=lambda trend: (-trend.points[-1].size_bytes, trend.host, trend.source))
    return tuple(found[:MOST_SOURCES])


def digest_of(trends: tuple[Trend, ...]) -> str:
    """The same for the same numbers, and for no others."""
    plain = json.dumps([asdict(trend) for trend in trends], default=datetime.isoformat, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def in_words(trends: tuple[Trend, ...]) -> str:
    """What the picture shows, for those who do not see it."""
    return " ".join((say("Backups over time."), *(_sentence(trend) for trend in trends)))


def _sentence(trend: Trend) -> str:
    first, last = trend.points[0], trend.points[-1]
    seconds = [point.seconds for point in trend.points]
    return say(
        "{source}: {number} backups from {since:%Y-%m-%d} to {until:%Y-%m-%d}, {first} at first and {last} at last; "
        "they took {shortest} to {longest}.",
        source=trend.source,
        number=len(trend.points),
        since=first.at,
        until=last.at,
        first=words.size(first.size_bytes),
        last=words.size(last.size_bytes),
        shortest=words.duration(min(seconds)),
        longest=words.duration(max(seconds)),
    )
