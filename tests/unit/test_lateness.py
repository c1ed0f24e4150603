"""What to do about due times that are behind: one run at most, every other one missed, whatever the distance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.times.lateness import MOST_COUNTED, MOST_LISTED, behind, spread
from bot.times.when import by_cron, by_interval

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
HOURLY = by_cron("0 * * * *", "UTC")
EVERY_MINUTE = by_cron("* * * * *", "UTC")


def test_nothing_is_behind_before_it_is_due() -> None:
    """Half an hour after the last due time there is nothing to do."""
    late = behind(HOURLY, NOW - timedelta(minutes=30), NOW, DAY)
    assert (late.run, late.missed, late.newest, late.listed) == (None, 0, None, ())


def test_of_three_days_the_newest_runs_and_the_others_are_missed() -> None:
    """72 due times: 71 missed, in order, and the newest one is run."""
    late = behind(HOURLY, NOW - 3 * DAY, NOW, DAY)
    assert late.run == late.newest == datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert late.missed == len(late.listed) == 71
    assert late.missed_first == late.listed[0] == datetime(2026, 11, 25, 13, tzinfo=UTC)
    assert late.missed_last == datetime(2026, 11, 28, 11, tzinfo=UTC)


def test_what_is_older_than_the_grace_time_is_not_run() -> None:
    """Exactly the grace time late is still in time."""
    in_time = behind(HOURLY, NOW - timedelta(hours=1), NOW, timedelta(minutes=30))
    too_late = behind(HOURLY, NOW - timedelta(hours=1), NOW, timedelta(minutes=29))
    assert (in_time.run is not None, in_time.missed) == (True, 0)
    assert (too_late.run, too_late.missed) == (None, 1)
    assert too_late.newest == too_late.missed_last == NOW.replace(minute=0)


def test_only_the_newest_are_listed_but_all_are_counted() -> None:
    """Two days of every minute: 2,880 due times, of which the newest 500 that were missed are named."""
    late = behind(EVERY_MINUTE, NOW - 2 * DAY, NOW, DAY)
    assert (late.run, late.missed, late.is_more) == (NOW, 2879, False)
    assert len(late.listed) == MOST_LISTED
    assert late.missed_last == NOW - timedelta(minutes=1)


def test_years_of_every_minute_end_at_the_newest() -> None:
    """A clock that began in 1970: not all are counted, but the newest one is run all the same."""
    every = by_interval(timedelta(minutes=1), datetime(1970, 1, 1, tzinfo=UTC), "UTC", text="every 1m")
    late = behind(every, datetime(1970, 1, 1, tzinfo=UTC), NOW, DAY)
    assert (late.run, late.is_more) == (NOW, True)
    assert late.missed == MOST_COUNTED - 1
    assert late.listed == tuple(NOW - timedelta(minutes=n) for n in range(MOST_LISTED, 0, -1))


def test_jitter_is_the_same_for_everybody_and_stays_in_its_bounds() -> None:
    """By name and due time, not by chance; spread over all of it."""
    hour = timedelta(hours=1)
    drawn = [spread(f"schedule:nightly:{number}", hour) for number in range(1000)]
    assert drawn == [spread(f"schedule:nightly:{number}", hour) for number in range(1000)]
    assert timedelta(0) <= min(drawn) < timedelta(minutes=2)
    assert timedelta(minutes=58) < max(drawn) < hour
    assert spread("schedule:nightly:0", timedelta(0)) == timedelta(0)
