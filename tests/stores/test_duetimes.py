"""Due times dealt with, on both databases: one transaction each, one winner among many, nothing half done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.errors import StoreError
from bot.model import Invocation, Origin, Place, Reply, Status
from bot.stores.duetimes import DueTimes, pruning_key
from bot.stores.ended import Ended
from bot.stores.runs import Terms
from bot.stores.schedules import Schedule, Schedules
from tests.stores.bench import Bench, all_at_once
from tests.support.scheduling import SHELL, a_schedule, event_of

TERMS = Terms(host="local", released=True)


class Stand:
    """The stores of due times over the bench's database, with a schedule."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.schedules = Schedules(bench.database, bench.audit, bench.clock)
        self.due = DueTimes(bench.database, self.schedules, bench.runs, bench.audit)
        made = a_schedule(created_at=bench.now, dealt_with_at=bench.now, prune=True)
        self.schedules.add(made, event_of(made))

    @property
    def schedule(self) -> Schedule:
        """As it is stored now."""
        return self.schedules.get("hourly")

    def asked(self, due: datetime, **changes: object) -> Invocation:
        """What a due time asks for."""
        made = Invocation(
            line="backup pgdata",
            actor=SHELL,
            origin=Origin.SCHEDULE,
            at=self.bench.now,
            key=self.schedule.key(due),
            schedule="hourly",
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def run(self, schedule: Schedule, due: datetime) -> str | None:
        """Let the due time come to a run; None when somebody else dealt with it."""
        with self.due.dealing_with(schedule, due) as dealing:
            return None if dealing is None else dealing.run(self.asked(due), TERMS)


@pytest.fixture
def stand(bench: Bench) -> Stand:
    """One schedule, made now."""
    return Stand(bench)


def test_of_many_that_look_at_once_one_deals_with_it(stand: Stand) -> None:
    """Eight at the same moment with the same row: one run."""
    schedule, due = stand.schedule, stand.bench.now + timedelta(hours=1)
    made = all_at_once([lambda: stand.run(schedule, due) for _ in range(8)])
    assert sum(run_id is not None for run_id in made) == 1
    assert len(stand.bench.runs.newest(limit=10)) == 1
    assert stand.schedule.dealt_with_at == due


def test_a_stale_copy_deals_with_nothing(stand: Stand) -> None:
    """Not after a later due time was dealt with, nor after the schedule was changed, paused or removed."""
    first, hour = stand.schedule, timedelta(hours=1)
    stand.run(first, stand.bench.now + hour)
    assert stand.run(first, stand.bench.now + 2 * hour) is None
    second = stand.schedule
    stand.schedules.put(replace(second, line="volumes"), event_of(second))
    assert stand.run(second, stand.bench.now + 3 * hour) is None
    third = stand.schedule
    stand.schedules.pause("hourly", SHELL, event_of(third))
    assert stand.run(third, stand.bench.now + 3 * hour) is None
    assert len(stand.bench.runs.newest(limit=10)) == 1


def test_what_fails_in_the_middle_leaves_nothing(stand: Stand) -> None:
    """The mark on the schedule, the run and the missed ones are there together or not at all."""
    before, due = stand.schedule, stand.bench.now + timedelta(hours=2)
    reply = Reply(text="It was missed.", status=Status.MISSED)

    def the_same_twice() -> None:
        with stand.due.dealing_with(before, due) as dealing:
            assert dealing is not None
            dealing.run(stand.asked(due), TERMS)
            dealing.record(stand.bench.now, Ended(invocation=stand.asked(due), host="local", reply=reply))

    with pytest.raises(StoreError):
        the_same_twice()
    assert stand.schedule == before
    assert stand.bench.runs.newest(limit=10) == ()


def test_missed_ones_are_known_told_and_written_down(stand: Stand) -> None:
    """A row with its ending, a message where the schedule tells, a line in the audit log."""
    due = stand.bench.now + timedelta(hours=1)
    place = Place(channel="C0OPS", user="U0ANN")
    reply = Reply(text="It was missed.", status=Status.MISSED)
    with stand.due.dealing_with(stand.schedule, due) as dealing:
        assert dealing is not None
        asked = stand.asked(due, place=place)
        dealing.record(stand.bench.now, Ended(invocation=asked, host="local", reply=reply))
        assert dealing.unknown((due, due + timedelta(hours=1))) == (due + timedelta(hours=1),)
    (message,) = stand.bench.outbox.behind(10)
    assert message.run.status is Status.MISSED
    assert [line.event.kind for line in stand.bench.audit.lines(limit=1)] == ["missed"]


def test_what_is_under_way_does_not_count_what_prunes(stand: Stand) -> None:
    """Queued, waiting and running runs of the schedule do, until they end."""
    due = stand.bench.now + timedelta(hours=1)
    run_id = stand.run(stand.schedule, due)
    assert run_id is not None
    key = pruning_key("hourly", run_id)
    assert stand.due.prune(stand.asked(due, key=key), TERMS)
    assert not stand.due.prune(stand.asked(due, key=key), TERMS)
    found = stand.bench.runs.under_way("hourly")
    assert found is not None
    assert found.id == run_id
    stand.bench.finish(stand.bench.claim(stand.bench.runs.get(run_id)))
    assert stand.bench.runs.under_way("hourly") is None


def test_what_is_to_be_pruned_after_is_found_until_it_is_stored(stand: Stand) -> None:
    """And when the oldest run was stored that may still succeed."""
    since = stand.bench.now - timedelta(days=1)
    run_id = stand.run(stand.schedule, stand.bench.now + timedelta(hours=1))
    assert run_id is not None
    assert stand.due.to_prune(since) == ((), stand.bench.now)
    stand.bench.finish(stand.bench.claim(stand.bench.runs.get(run_id)))
    (found,), oldest = stand.due.to_prune(since)
    assert (found.run.id, found.schedule.name, oldest) == (run_id, "hourly", None)
    stand.due.prune(stand.asked(stand.bench.now, key=pruning_key("hourly", run_id)), TERMS)
    assert stand.due.to_prune(since)[0] == ()


def test_a_wrong_clock_is_taken_back(stand: Stand) -> None:
    """The mark returns to now, and what was recorded as missed in the future may still come to a run."""
    true, ahead = stand.bench.now, timedelta(days=9)
    stand.bench.now += ahead
    due = stand.bench.now
    with stand.due.dealing_with(stand.schedule, due) as dealing:
        assert dealing is not None
        reply = Reply(text="It was missed.", status=Status.MISSED)
        dealing.record(stand.bench.now, Ended(invocation=stand.asked(due), host="local", reply=reply))
    stand.due.bring_back(stand.schedule, true)
    assert stand.schedule.dealt_with_at == true
    with stand.due.dealing_with(stand.schedule, due) as dealing:
        assert dealing is not None
        assert dealing.unknown((due,)) == (due,)


def test_suspending_is_part_of_the_same_transaction(stand: Stand) -> None:
    """It fires no more, and a copy read before deals with nothing."""
    before, due = stand.schedule, stand.bench.now + timedelta(hours=1)
    with stand.due.dealing_with(before, due) as dealing:
        assert dealing is not None
        dealing.suspend("nobody is there any more")
    assert stand.schedule.suspended == "nobody is there any more"
    assert stand.run(before, due + timedelta(hours=1)) is None


def test_what_is_asked_at_every_due_time_does_not_grow_with_the_past(stand: Stand) -> None:
    """By index, over what is open and what is new: SQLite would else go through all runs of years."""
    if not stand.bench.database.is_sqlite:
        return
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(stand.bench.database._engine, "before_cursor_execute", note)
    stand.bench.runs.under_way("hourly")
    stand.due.to_prune(stand.bench.now)
    plans = []
    with stand.bench.database.read() as connection:
        for statement, parameters in [one for one in asked if one[0].startswith("SELECT")]:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(" ".join(str(row[3]) for row in rows))
    assert "runs_by_status (status=?)" in plans[0]
    assert "runs_by_time (created_at>?)" in plans[1]
    assert "runs_by_status (status=? AND created_at>?)" in plans[2]
