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
    return say("Backups over time. ") + " ".join(_sentence(trend) for trend in trends)


def _sentence(trend: Trend) -> str:
    first, last = trend.points[0], trend.points[-1]
    seconds = [point.seconds for point in trend.points]
    return say(
        "{source}: {points_count} backups from {at:%Y-%m-%d} to {at_2:%Y-%m-%d}, "
        "{size_bytes} at first and {size_bytes_2} at last; they took "
        "{seconds} to {seconds_2}.",
        source=trend.source,
        points_count=len(trend.points),
        at=first.at,
        at_2=last.at,
        size_bytes=words.size(first.size_bytes),
        size_bytes_2=words.size(last.size_bytes),
        seconds=words.duration(min(seconds)),
        seconds_2=words.duration(max(seconds)),
    )
