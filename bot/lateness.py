"""What to do about due times that are behind: run the newest once if it is not too late, record the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.when import When

MOST_COUNTED = 100_000
"""So many due times are looked at, at most: a schedule of every minute for more than two months."""


@dataclass(frozen=True, kw_only=True)
class Late:
    """Due times that are not dealt with yet: the one to `run`, if any, and how many before it were missed.

    `missed_first` and `missed_last` are the earliest and the latest of those.
    """

    run: datetime | None = None
    missed: int = 0
    missed_first: datetime | None = None
    missed_last: datetime | None = None


def behind(when: When, since: datetime, now: datetime, grace: timedelta) -> Late:
    """What was due after `since` and not after `now`; the newest is run unless it is older than the grace time."""
    due: list[datetime] = []
    for one in when.due(since):
        if one > now or len(due) >= MOST_COUNTED:
            break
        due.append(one)
    if not due:
        return Late()
    is_in_time = now - due[-1] <= grace
    missed = due[:-1] if is_in_time else due
    return Late(
        run=due[-1] if is_in_time else None,
        missed=len(missed),
        missed_first=missed[0] if missed else None,
        missed_last=missed[-1] if missed else None,
    )
