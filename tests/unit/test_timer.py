"""The timer: equal to the table, awake at due times and after steps of the clock, and known to be dead when it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import StoreError
from bot.schedules import timer as room
from bot.schedules.timer import Timer
from bot.stores.audit import Audit
from bot.stores.database import Database
from bot.stores.schedules import Schedule, Schedules
from bot.times.when import When, by_cron
from tests.support.house import wait_for
from tests.support.migrated import put_database
from tests.support.scheduling import SHELL, a_schedule, event_of

YEARLY = by_cron("0 0 1 1 *", "UTC")


class Bench:
    """A table of schedules, a timer over it, and which schedules it had looked at."""

    def __init__(self, path: Path) -> None:
        put_database(path)
        self.database = Database(f"sqlite:///{path}")
        self.schedules = Schedules(self.database, Audit(self.database), lambda: datetime.now(UTC))
        self.shift = timedelta(0)
        self.looked: Counter[str] = Counter()
        self.answer: Callable[[str], bool] = lambda _name: False
        self.timer = Timer(self.schedules, self.look, lambda: datetime.now(UTC) + self.shift)

    def look(self, name: str) -> bool:
        """Count it, and answer as the test says."""
        self.looked[name] += 1
        return self.answer(name)

    def add(self, name: str, when: When = YEARLY, **changes: object) -> Schedule:
        """Store a schedule, all of whose due times so far are dealt with."""
        now = datetime.now(UTC)
        made = a_schedule(name, when, **{"created_at": now, "dealt_with_at": now, **changes})
        self.schedules.add(made, event_of(made))
        return made


OFTEN = When(text="often", zone="UTC", every=timedelta(seconds=1), anchor=datetime(2026, 1, 1, tzinfo=UTC))
"""More often than people may ask for."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A timer that compares itself with the table ten times a second."""
    monkeypatch.setattr(room, "_COMPARE_SECONDS", 0.1)
    made = Bench(tmp_path / "shipkeeper.db")
    yield made
    made.timer.stop()
    made.database.close()


def test_at_the_start_only_what_is_behind_is_looked_at(bench: Bench) -> None:
    """A schedule with nothing due is not read again, and one that is paused not at all."""
    long_ago = datetime.now(UTC) - timedelta(days=800)
    bench.add("idle")
    bench.add("behind", dealt_with_at=long_ago)
    bench.add("paused", dealt_with_at=long_ago, paused_by="ann")
    beats = threading.Semaphore(0)
    bench.timer.on_beat.append(beats.release)
    bench.timer.start()
    assert all(beats.acquire(timeout=10) for _ in range(3))
    assert bench.looked == {"behind": 1}


def test_it_wakes_at_due_times(bench: Bench) -> None:
    """Once each, within a second."""
    bench.add("often", OFTEN)
    bench.timer.start()
    wait_for(lambda: bench.looked["often"] >= 3, seconds=10, saying="three due times")


def test_it_follows_every_change_of_the_table(bench: Bench) -> None:
    """Added, changed, paused, resumed and removed by whatever process, without being told."""
    bench.timer.start()
    made = bench.add("often", OFTEN)
    wait_for(lambda: bench.looked["often"] >= 2, saying="a new schedule's due times")
    bench.schedules.pause("often", SHELL, event_of(made))
    wait_for(lambda: not bench.timer._known, saying="the pause")
    bench.schedules.resume("often", event_of(made))
    seen = bench.looked["often"]
    wait_for(lambda: bench.looked["often"] > seen + 1, saying="due times after resuming")
    bench.schedules.remove("often", event_of(made))
    wait_for(lambda: not bench.timer._known and not bench.timer._scheduler.get_jobs(), saying="the removal")


def test_what_could_not_be_looked_at_is_looked_at_again(bench: Bench) -> None:
    """Because it says so, because the database was away, or because something broke: one schedule harms no other."""
    answers = iter((StoreError("away"), ValueError("broken"), True, False))

    def answer(name: str) -> bool:
        made = next(answers) if name == "ill" else False
        if isinstance(made, Exception):
            raise made
        return bool(made)

    bench.answer = answer
    bench.add("ill", dealt_with_at=datetime.now(UTC) - timedelta(days=800))
    bench.add("well", OFTEN)
    bench.timer.start()
    wait_for(lambda: bench.looked["ill"] == 4 and bench.looked["well"] > 1, saying="four looks")
    assert bench.timer.is_alive


def test_a_schedule_that_cannot_be_reckoned_harms_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A zone that a new release of the zones does not have any more: said in the log, and the others go on."""
    bench.add("ill", When(text="daily", zone="Atlantis/Capital", cron="0 3 * * *"))
    bench.add("well", OFTEN)
    bench.timer.start()
    wait_for(lambda: bench.looked["well"] > 1, saying="the other one's due times")
    assert "schedule ill" in caplog.text


def test_no_wake_up_is_in_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reckoned it: APScheduler would go through the same moment for ever."""
    now = datetime.now(UTC)
    monkeypatch.setattr(When, "after", lambda _when, moment: moment - timedelta(hours=1))
    assert room._Due(YEARLY).get_next_fire_time(None, now) > now


@pytest.mark.parametrize("step", [timedelta(days=400), timedelta(days=-400)], ids=["ahead", "back"])
def test_a_step_of_the_clock_is_noticed(bench: Bench, step: timedelta) -> None:
    """Ahead: what became due is looked at. Back: what is dealt with beyond now is, too."""
    bench.add("yearly")
    bench.timer.start()
    wait_for(lambda: bench.timer._known, saying="the schedule")
    assert not bench.looked
    bench.shift = step
    wait_for(lambda: bench.looked["yearly"], saying="a look after the step")


def test_a_database_that_is_away_does_not_end_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It beats on, also for whoever hooked in, and follows the table again later."""
    beats = threading.Semaphore(0)
    bench.timer.on_beat.append(beats.release)
    bench.timer.start()
    readable = bench.schedules.revisions

    def away() -> dict[str, int]:
        raise StoreError("away")

    monkeypatch.setattr(bench.schedules, "revisions", away)
    assert all(beats.acquire(timeout=10) for _ in range(5))
    assert bench.timer.is_alive
    monkeypatch.setattr(bench.schedules, "revisions", readable)
    bench.add("new", OFTEN)
    wait_for(lambda: bench.looked["new"], saying="the table again")


def test_it_knows_when_it_is_dead(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not started; its loop stuck; its loop broken by something unforeseen; stopped."""
    assert not bench.timer.is_alive
    stuck, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        stuck.set()
        go_on.wait(10)

    bench.timer.on_beat.append(hang)
    bench.timer.start()
    assert bench.timer.is_alive
    assert stuck.wait(10)
    monkeypatch.setattr(room, "_STILL_SECONDS", 0.05)
    wait_for(lambda: not bench.timer.is_alive, saying="the stuck loop")
    monkeypatch.setattr(room, "_STILL_SECONDS", 60.0)
    go_on.set()
    wait_for(lambda: bench.timer.is_alive, saying="life")
    bench.timer.stop()
    bench.timer.stop()
    assert not bench.timer.is_alive


def test_looks_that_hang_count_as_death(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs harms nobody; when all do, nothing is dealt with any more."""
    go_on = threading.Event()
    bench.answer = lambda _name: go_on.wait(20) and False
    for number in range(room._LOOKERS):
        bench.add(f"slow-{number}", dealt_with_at=datetime.now(UTC) - timedelta(days=800))
    bench.timer.start()
    wait_for(lambda: sum(bench.looked.values()) == room._LOOKERS, saying="all looks at once")
    assert bench.timer.is_alive
    monkeypatch.setattr(bench.timer, "_looking", {1: time.monotonic()})
    assert bench.timer.is_alive
    monkeypatch.setattr(bench.timer, "_looking", {n: time.monotonic() - 61 for n in range(room._LOOKERS)})
    assert not bench.timer.is_alive
    monkeypatch.undo()
    go_on.set()
