"""When something is due: against an independent cron library, in words, and where it can never be."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from bot.errors import UsageError
from bot.times.when import by_cron, zone_named
from bot.times.words import found
from tests.support.effort import IS_CAMPAIGN

_START = datetime(2027, 1, 1, tzinfo=UTC)
_DAYS = timedelta(days=400)
_NOW = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)

ZONES = (
    "UTC",
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",  # twice a year around Ramadan
)
_WHERE_CLOCKS_ARE_ODD = ("Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca")
_DENSE = ("*/20 0-3 * * *", "0 * * * *")
"""Most of all times are theirs: outside of the campaign they are only compared where clocks are odd."""

EXPRESSIONS = (
    "0 3 * * *",
    "30 2 * * *",
    "30 1 * * *",
    "*/20 0-3 * * *",
    "0 * * * *",
    "0 */6 * * *",
    "0 0 1 * *",
    "0 9 * * 1-5",
    "15 2 * * 0",
    "0 0 13 * 5",
    "59 23 31 12 *",
    "5 4 29 2 *",
)


def _ours(cron: str, zone: str) -> list[datetime]:
    return list(takewhile(lambda due: due <= _START + _DAYS, by_cron(cron, zone).due(_START)))


def _is_of_every_hour(cron: str) -> bool:
    """Debian's cron follows the clock for these, and else runs once for a time that comes twice, or not (cron(8))."""
    return any(field.startswith("*") for field in cron.split(" ")[:2])


def _theirs(cron: str, zone: str) -> list[datetime]:
    """What croniter says, but where cron(8) differs from it: times that come twice fire once.

    On the days when clocks change it is mistaken where they do so by half an hour: those are counted minute by minute.
    """
    place = ZoneInfo(zone)
    times = croniter(cron, _START.astimezone(place))
    changing = _days_of_change(place) if _is_of_every_hour(cron) else set()
    found = {due.astimezone(UTC) for day in changing for due in _minute_by_minute(cron, day, place)}
    shown = set()
    while (due := times.get_next(datetime)).astimezone(UTC) <= _START + _DAYS:
        wall = due.astimezone(UTC) if _is_of_every_hour(cron) else due.replace(tzinfo=None)
        if wall not in shown and due.date() not in changing:
            found.add(due.astimezone(UTC))
        shown.add(wall)
    return sorted(found)


@cache
def _days_of_change(place: ZoneInfo) -> set[date]:
    noons = [_START + timedelta(days=day, hours=12) for day in range(-1, _DAYS.days + 1)]
    return {
        (before + timedelta(hours=hour)).astimezone(place).date()
        for before in noons
        for hour in range(24)
        if (before + timedelta(hours=hour)).astimezone(place).utcoffset()
        != (before + timedelta(hours=hour + 1)).astimezone(place).utcoffset()
    }


def _minute_by_minute(cron: str, day: date, place: ZoneInfo) -> Iterator[datetime]:
    """Every minute of that day on the clock there, against the sets of minutes and hours that are meant."""
    minutes, hours = (_meant(field, size) for field, size in zip(cron.split(" ")[:2], (60, 24), strict=True))
    start = datetime.combine(day, time(), place).astimezone(UTC) - timedelta(hours=2)
    for number in range(30 * 60):
        local = (start + timedelta(minutes=number)).astimezone(place)
        if local.date() == day and local.minute in minutes and local.hour in hours:
            yield local


def _meant(field: str, size: int) -> set[int]:
    span, _, step = field.partition("/")
    first, _, last = span.partition("-")
    bounds = range(size) if span == "*" else range(int(first), int(last or first) + 1)
    return set(bounds[:: int(step or 1)])


@pytest.mark.parametrize("zone", ZONES)
def test_four_hundred_days_are_those_of_another_cron_library(zone: str) -> None:
    """Twelve expressions, due exactly when croniter says, on the nights when clocks change, too."""
    skipped = () if IS_CAMPAIGN or zone in _WHERE_CLOCKS_ARE_ODD else _DENSE
    for cron in (one for one in EXPRESSIONS if one not in skipped):
        assert _ours(cron, zone) == _theirs(cron, zone), cron


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", "2027-03-28", ["01:00"]),  # skipped: at once when the clock has jumped
        ("30 2 * * *", "2027-10-31", ["00:30"]),  # twice on the clock: once
        ("*/30 2 * * *", "2027-10-31", ["00:00", "00:30", "01:00", "01:30"]),
        ("*/30 2 * * *", "2027-03-28", []),
        ("0 * * * *", "2027-10-31", [f"{hour:02}:00" for hour in range(24)]),
        ("0 3 * * *", "2027-03-28", ["01:00"]),
    ],
)
def test_the_nights_when_clocks_change(cron: str, day: str, expected: list[str]) -> None:
    """In Berlin, written out by hand, in UTC."""
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(seconds=1)
    due = takewhile(lambda one: one < start + timedelta(days=1), by_cron(cron, "Europe/Berlin").due(start))
    assert [f"{one:%H:%M}" for one in due] == expected


@pytest.mark.parametrize(
    ("cron", "zone", "asked", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2027-10-31T00:10", "2027-10-31T00:30"),  # the first 02:10
        ("30 2 * * *", "Europe/Berlin", "2027-10-31T01:10", "2027-11-01T01:30"),  # the second
        ("0,30 2 * * 0", "Europe/Berlin", "2027-10-31T01:29", "2027-11-07T01:00"),
        ("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T14:40", "2027-04-03T14:45"),  # the first 01:40
        ("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T15:10", "2027-04-04T15:15"),  # the second
    ],
)
def test_nothing_is_due_in_the_past_when_an_hour_comes_twice(
    cron: str, zone: str, asked: str, expected: str
) -> None:
    """What was due in the first pass is over in the second: the next time is tomorrow's. All in UTC."""
    moment = datetime.fromisoformat(f"{asked}+00:00")
    assert by_cron(cron, zone).after(moment) == datetime.fromisoformat(f"{expected}+00:00")


@pytest.mark.parametrize(
    ("line", "cron"),
    [
        ("daily at 03:00", "0 3 * * *"),
        ("every day at 3pm", "0 15 * * *"),
        ("nightly at 12am", "0 0 * * *"),
        ("daily", "0 0 * * *"),
        ("mondays at 02:30", "30 2 * * 1"),
        ("mon, thu at 2:30", "30 2 * * 1,4"),
        ("every sunday and wednesday", "0 0 * * 0,3"),
        ("weekdays at 9am", "0 9 * * 1-5"),
        ("weekends at 12:30 pm", "30 12 * * 0,6"),
        ("weekly at 4", "0 4 * * 1"),
        ("monthly on the 1st at 04:00", "0 4 1 * *"),
        ("hourly", "0 * * * *"),
        ("every hour at :15", "15 * * * *"),
        ("매일 03:00", "0 3 * * *"),
        ("매일 오후 3시 30분에", "30 15 * * *"),
        ("매일 새벽 2시 반", "30 2 * * *"),
        ("매일 정오", "0 12 * * *"),
        ("매일 자정", "0 0 * * *"),
        ("매일 밤 12시", "0 0 * * *"),
        ("매주 월요일 02:30", "30 2 * * 1"),
        ("매주 월·수요일 오전 9시", "0 9 * * 1,3"),
        ("금요일마다 18:00", "0 18 * * 5"),
        ("평일 09:00", "0 9 * * 1-5"),
        ("주말 10시", "0 10 * * 0,6"),
        ("매월 15일 04:00", "0 4 15 * *"),
        ("매시간 30분", "30 * * * *"),
        ("*/5 1-3 * * mon", "*/5 1-3 * * mon"),
        ("'30 2 * * *'", "30 2 * * *"),
        ("'Daily at 03:00'", "0 3 * * *"),
    ],
)
def test_words_mean_what_cron_would(line: str, cron: str) -> None:
    """English and Korean, with and without quotes; what stands behind them is the command."""
    when, rest = found([*shlex.split(line), "backup", "pgdata"], "Asia/Seoul", _NOW)
    assert (when.cron, rest) == (cron, ("backup", "pgdata"))


@pytest.mark.parametrize(
    ("line", "every"),
    [
        ("every 6h", timedelta(hours=6)),
        ("every 90 minutes", timedelta(minutes=90)),
        ("every 2 days", timedelta(days=2)),
        ("every week", timedelta(weeks=1)),
        ("6시간마다", timedelta(hours=6)),
        ("30분마다", timedelta(minutes=30)),
    ],
)
def test_intervals_are_counted_from_when_they_were_asked_for(line: str, every: timedelta) -> None:
    """The first comes one interval later, and none is forgotten however late one looks."""
    when, rest = found([*line.split(), "backup", "pgdata"], "Asia/Seoul", _NOW)
    assert rest == ("backup", "pgdata")
    assert when.first(_NOW, 2) == (_NOW + every, _NOW + 2 * every)
    late = _NOW + 1_000 * every + timedelta(seconds=1)
    assert when.after(late) == _NOW + 1_001 * every
    assert when.after(_NOW - timedelta(seconds=1)) == _NOW


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0 31 2 *", "no such day is in that month"),
        ("'0 0 30 2 *'", "no such day is in that month"),
        ("'0 0 */29 2 1#5'", "no such day is in that month"),
        ("61 * * * *", "the minute is wrong"),
        ("daily at 25:00", "“daily at 25:00” is not possible: the hour is wrong"),
        ("daily at 13pm", "the hour is wrong"),
        ("hourly at 70", "the minute is wrong"),
        ("'0 3 * *'", "has 4 fields, and cron has five"),
        ("every 0h", "an interval is 1 minute to 366 days"),
        ("every 999999d", "an interval is 1 minute to 366 days"),
        ("fortnightly", "is no time that something could be due at"),
        ("backup pgdata", "is no time that something could be due at"),
        ("", "is no time that something could be due at"),
    ],
)
def test_what_can_never_be_due_is_refused_with_a_sentence(line: str, said: str) -> None:
    """It says what is wrong, in the words that were typed."""
    with pytest.raises(UsageError) as refused:
        found(shlex.split(line), "Asia/Seoul", _NOW)
    assert said in str(refused.value)
    assert "Nothing was changed." in str(refused.value)


def test_a_zone_has_ianas_name() -> None:
    """However its letters are written; an unknown one is answered with the nearest."""
    assert zone_named("asia/seoul") == "Asia/Seoul"
    with pytest.raises(UsageError, match="did you mean Asia/Seoul"):
        zone_named("Asia/Soul")
    with pytest.raises(UsageError, match="did you mean Europe/Berlin"):
        zone_named("berlin")
    with pytest.raises(UsageError, match="such as Asia/Seoul"):
        zone_named("xyzzy")
    with pytest.raises(UsageError, match="There is no time zone"):
        found(["daily"], "Mars/Base", _NOW)
