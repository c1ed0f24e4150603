"""Confirmations off the road of acknowledgements: together, once nobody waits at the door, and none is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bot.confirming import Confirmations, Told
from bot.crowd import Crowd
from bot.errors import StoreError
from bot.model import Status
from tests.support.house import House, from_slack, wait_for

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WAITED = timedelta(milliseconds=20)


class Desk:
    """A thread of confirmations, and what it confirmed each time."""

    def __init__(self) -> None:
        self.crowd = Crowd()
        self.confirmed: list[list[str]] = []
        self.error: StoreError | None = None
        self.thread = Confirmations(self._confirm, lambda: NOW, self.crowd)

    def _confirm(self, told: Sequence[Told]) -> None:
        self.confirmed.append([one.run_id for one in told])
        if self.error is not None:
            raise self.error


@pytest.fixture
def desk() -> Iterator[Desk]:
    """One at work."""
    made = Desk()
    made.thread.start()
    yield made
    made.thread.stop()


def test_everybody_at_the_door_is_told_before_anything_begins(desk: Desk) -> None:
    """What was told while others waited is confirmed at once, together, when they have been told."""
    desk.crowd.arrived()
    for name in ("a", "b", "c"):
        desk.thread.note(name, WAITED)
    assert desk.confirmed == []
    desk.crowd.left()
    wait_for(lambda: desk.confirmed, saying="the confirmation")
    assert [name for batch in desk.confirmed for name in batch] == ["a", "b", "c"]


def test_a_crowd_that_does_not_end_keeps_no_work_from_beginning(desk: Desk) -> None:
    """After a moment what was told is confirmed, whoever still waits."""
    desk.crowd.arrived()
    began = time.monotonic()
    desk.thread.note("a", WAITED)
    wait_for(lambda: desk.confirmed, saying="the confirmation")
    assert time.monotonic() - began < 2


def test_what_was_told_is_confirmed_before_the_end(desk: Desk) -> None:
    """A bot that stops has confirmed everything that it acknowledged."""
    desk.crowd.arrived()
    for place in range(50):
        desk.thread.note(str(place), WAITED)
    desk.thread.stop()
    assert sorted(int(name) for batch in desk.confirmed for name in batch) == list(range(50))
    desk.thread.stop()


def test_a_database_that_is_away_ends_nothing(desk: Desk) -> None:
    """Runs that cannot be confirmed stay so, and the next ones are confirmed."""
    desk.error = StoreError("away")
    desk.thread.note("a", WAITED)
    wait_for(lambda: desk.confirmed, saying="the vain confirmation")
    desk.error = None
    desk.thread.note("b", WAITED)
    wait_for(lambda: ["b"] in desk.confirmed, saying="the next confirmation")


def test_a_repeat_counts_from_the_first_delivery_on() -> None:
    """How late somebody was told is the longer of what this delivery took and how old the run is."""
    told = Told(run_id="a", waited=WAITED, at=NOW)
    assert told.after(NOW) == WAITED
    assert told.after(NOW - timedelta(seconds=3)) == timedelta(seconds=3)


def test_of_several_words_about_one_run_the_first_counts(house: House) -> None:
    """Many runs are confirmed at once: in time, too late, and one twice, whose first word was in time."""
    accept = house.app.dispatcher.accept
    ids = [accept(from_slack("whoami", key=f"k{place}")).run_id for place in range(3)]
    now = house.app.services.clock()
    words = [
        Told(run_id=ids[0], waited=WAITED, at=now),
        Told(run_id=ids[1], waited=timedelta(seconds=2.6), at=now),
        Told(run_id=ids[2], waited=WAITED, at=now),
        Told(run_id=ids[2], waited=timedelta(seconds=9), at=now),
    ]
    house.app.dispatcher.confirm_all(words)
    endings = [house.ending(run_id).status for run_id in ids]
    assert endings == [Status.SUCCEEDED, Status.EXPIRED, Status.SUCCEEDED]
