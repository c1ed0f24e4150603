"""What to do about due times that are behind: run the newest once if it is not too late, record the others. Pure."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from bot.times.when import When

MOST_COUNTED = 100_000
"""So many due times are counted, at most: a schedule of every minute for more than two months."""

MOST_LISTED = 500
"""So many of those that were missed are named, the newest."""


@dataclass(frozen=True, kw_only=True)
class Late:
    """Due times that are not dealt with yet: the one to `run`, if any, and how many others were `missed`.

    `missed_first` and `missed_last` are the earliest and the latest of those, `listed` the newest of them, in order.
    Where there are more of them than anybody counts, `is_more`.
    """

    run: datetime | None = None
    missed: int = 0
    missed_first: datetime | None = None
    listed: tuple[datetime, ...] = ()
    is_more: bool = False

    @property
    def missed_last(self) -> datetime | None:
        """The latest of those that were missed."""
        return self.listed[-1] if self.listed else None

    @property
    def newest(self) -> datetime | None:
        """The newest due time of all."""
        return self.run or self.missed_last


def behind(when: When, since: datetime, now: datetime, grace: timedelta) -> Late:
    """What was due after `since` and not after `now`; the newest is run unless it is older than the grace time."""
    newest: deque[datetime] = deque(maxlen=MOST_LISTED + 1)
    first, number = None, 0
    for one in islice(takewhile(lambda due: due <= now, when.due(since)), MOST_COUNTED):
        first, number = first or one, number + 1
        newest.append(one)
    if first is None:
        return Late()
    if number == MOST_COUNTED:
        newest = _newest(when, since, now)
    is_in_time = now - newest[-1] <= grace
    run = newest.pop() if is_in_time else None
    missed = number - 1 if is_in_time else number
    return Late(
        run=run,
        missed=missed,
        missed_first=first if missed else None,
        listed=tuple(newest)[-MOST_LISTED:],
        is_more=number == MOST_COUNTED,
    )


def _newest(when: When, since: datetime, now: datetime) -> deque[datetime]:
    """The newest due times, without a walk through all of them."""
    span = timedelta(hours=1)
    while True:
        begin = max(since, now - span)
        found = deque(takewhile(lambda due: due <= now, when.due(begin)), maxlen=MOST_LISTED + 1)
        if len(found) > MOST_LISTED or begin == since:
            return found
        span *= 4


def spread(key: str, jitter: timedelta) -> timedelta:
    """How long after its due time a run with that key begins: the same in every process, up to the jitter."""
    digest = hashlib.sha256(key.encode()).digest()
    return jitter * (int.from_bytes(digest[:8]) / (1 << 64))
