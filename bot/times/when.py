"""When something is due: by cron's five fields or by an interval, in a time zone. Pure; knows no schedule and no clock.

Cron's rules, also for the nights when clocks change, are those of Debian's cron (crontab(5), cron(8)), as cronsim has
them: a time that is skipped is made up for at once, one that comes twice counts once, and what has `*` or `*/…` as its
minute or hour is due whenever the clock says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from bot.errors import UsageError
from bot.language import say

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=366)
UNRECKONABLE = (ArithmeticError, LookupError, StopIteration, ValueError)
"""What a due time raises whose row is damaged, or whose zone the machine no longer knows: it must not stop others."""

_LONGEST_CHANGE = timedelta(hours=3)
"""By so much clocks change at most; only in what lies so close before may there be a time that is still to come."""

_FIELDS = 5
_MONTH = 3
_NAMES = 3


@dataclass(frozen=True, kw_only=True)
class When:
    """Due times: either `cron` is set, or `every` and the `anchor` that it is counted from.

    `text` is what people read, such as `daily at 03:00`; `zone` is an IANA name. All times given out are UTC.
    """

    text: str
    zone: str
    cron: str = ""
    every: timedelta | None = None
    anchor: datetime | None = None

    def means(self, other: When) -> bool:
        """Whether both say the same, wherever an interval is counted from."""
        return replace(self, anchor=None) == replace(other, anchor=None)

    def after(self, moment: datetime) -> datetime:
        """The first due time later than the moment."""
        return next(self.due(moment))

    def foreseen(self, moment: datetime) -> datetime | None:
        """The same; None when it cannot be reckoned, so that whoever looks at many still sees the others."""
        try:
            return self.after(moment)
        except UNRECKONABLE:
            return None

    def due(self, moment: datetime) -> Iterator[datetime]:
        """All due times later than the moment, in order, without end."""
        if self.every is not None and self.anchor is not None:
            passed = (moment - self.anchor) // self.every
            while True:
                passed += 1
                yield (self.anchor + passed * self.every).astimezone(UTC)
        zone = ZoneInfo(self.zone)
        if any(field.startswith("*") for field in self.cron.split(" ")[:2]):
            yield from _by_the_clock(self.cron, zone, moment)
        else:
            times = (one.astimezone(UTC) for one in CronSim(self.cron, moment.astimezone(zone)))
            # where an hour comes twice cronsim gives the first one's times, also when it is asked during the second
            yield from (one for one in times if one > moment)

    def first(self, moment: datetime, number: int) -> tuple[datetime, ...]:
        """The first so many due times later than the moment."""
        return tuple(islice(self.due(moment), number))


def _by_the_clock(cron: str, zone: ZoneInfo, moment: datetime) -> Iterator[datetime]:
    """Whenever a clock in the zone shows a time that fits: not at all when it is skipped, twice when it comes twice.

    Counted on a clock without a zone: cronsim 2.8 loses times where clocks change by half an hour (Lord Howe).
    """
    shown: list[datetime] = []
    around = (moment - _LONGEST_CHANGE, moment, moment + _LONGEST_CHANGE)
    changes = len({one.astimezone(zone).utcoffset() for one in around}) > 1
    back = _LONGEST_CHANGE if changes else timedelta(minutes=1)
    for wall in CronSim(cron, moment.astimezone(zone).replace(tzinfo=None) - back):
        instants = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        while shown and shown[0] < min(instants):
            due = heappop(shown)
            if due > moment:
                yield due
        for one in instants:
            if one.astimezone(zone).replace(tzinfo=None) == wall:
                heappush(shown, one)


def by_cron(fields: str, zone: str, *, text: str = "") -> When:
    """Due by cron's five fields; raises UsageError for what is no such thing, or is never due."""
    fields = " ".join(fields.split())
    try:
        times = CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise UsageError(_why_not(fields, str(error), text or fields)) from error
    if (
        next(times, None) is None
    ):  # none in fifty years: Gregorian days of the week come round in forty at most
        raise UsageError(_never(text or fields))
    return When(text=text or fields, zone=zone_named(zone), cron=fields)


def by_interval(every: timedelta, anchor: datetime, zone: str, *, text: str) -> When:
    """Due every so often, counted from the anchor; raises UsageError for an interval under a minute or over a year."""
    if not SHORTEST <= every <= LONGEST:
        raise UsageError(
            say(
                "“{text}” is not possible: an interval is 1 minute to 366 days. Nothing was changed.",
                text=text,
            )
        )
    return When(text=text, zone=zone_named(zone), every=every, anchor=anchor.astimezone(UTC))


def zone_named(zone: str) -> str:
    """The time zone of that IANA name, however its letters are written; raises UsageError with the nearest name."""
    known = {name.lower(): name for name in available_timezones()}
    found = known.get(zone.lower())
    if found is not None:
        return found
    last = {name.rpartition("/")[2]: name for name in known}
    near = difflib.get_close_matches(zone.lower().replace(" ", "_"), [*known, *last], n=_NAMES, cutoff=0.6)
    names = dict.fromkeys(known[last.get(name, name)] for name in near)
    if names:
        raise UsageError(
            say(
                "There is no time zone “{zone}”; did you mean {names}? Nothing was changed.",
                zone=zone,
                names=say(" or ").join(names),
            )
        )
    raise UsageError(
        say(
            "There is no time zone “{zone}”. Nothing was changed. Zones have IANA’s names, such as Asia/Seoul.",
            zone=zone,
        )
    )


def _why_not(fields: str, problem: str, text: str) -> str:
    words = fields.split(" ")
    if len(words) != _FIELDS:
        return say(
            "“{cron}” has {number} fields, and cron has five: minute, hour, day, month, day of the week. "
            "Nothing was changed.",
            cron=fields,
            number=len(words),
        )
    if _is_cron(" ".join((*words[:_MONTH], "*", *words[_MONTH + 1 :]))) and _is_cron(
        f"* * * {words[_MONTH]} *"
    ):
        return _never(text)
    names = {
        "minute": say("the minute"),
        "hour": say("the hour"),
        "day-of-month": say("the day of the month"),
        "month": say("the month"),
        "day-of-week": say("the day of the week"),
    }
    field = problem.rpartition(" ")[2]
    return say(
        "“{text}” is not possible: {field} is wrong. Nothing was changed.",
        text=text,
        field=names.get(field, problem),
    )


def _never(text: str) -> str:
    return say("“{text}” is never due: no such day is in that month. Nothing was changed.", text=text)


def _is_cron(fields: str) -> bool:
    try:
        CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True
