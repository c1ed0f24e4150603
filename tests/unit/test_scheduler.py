"""What comes of due times, with a clock that only the test moves: late, overlapping, spread, denied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import App
from bot.model import Origin, Place, Status
from bot.permissions import Policy
from bot.stores.runrow import Lane
from bot.times.lateness import MOST_LISTED
from bot.times.when import by_cron
from tests.fakes import FakeEngine
from tests.support.archives import back_up
from tests.support.house import ROLES
from tests.support.people import FakePeople
from tests.support.scheduling import ANN, NOW, Planned, a_schedule, hourly, planned

DAY = timedelta(days=1)

ALARMS = """
[alarms]
channel = "C0ALARMS"
"""


@pytest.fixture
def people() -> FakePeople:
    """Ann is active, until a test says otherwise."""
    made = FakePeople()
    made.put("U0ANN")
    return made


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine, people: FakePeople) -> Iterator[Planned]:
    """A house that does not execute; alarms go to a channel of their own."""

    def change(app: App) -> App:
        policy = Policy(app.services.policy.rules, people)
        services = replace(app.services, policy=policy, people=people)
        return replace(app, services=services)

    with planned(tmp_path / "state", fake_engine, toml=ROLES + ALARMS, change=change) as made:
        yield made


def test_a_due_time_comes_to_one_run_as_its_owner(house: Planned) -> None:
    """Looked at before, in time and again afterwards: one run, with the key of the due time."""
    made = house.add(a_schedule(line="backup pgdata", owner=ANN, channel="C0OPS", language="ko"))
    assert not house.look()
    assert house.runs() == []
    house.clock.go(minutes=30)
    assert [house.look() for _ in range(3)] == [False] * 3
    (run,) = house.runs()
    asked = run.invocation
    assert asked.key == made.key(datetime(2026, 11, 25, 13, tzinfo=UTC))
    assert (asked.line, asked.actor, asked.origin) == ("backup pgdata", ANN, Origin.SCHEDULE)
    assert (asked.place, asked.language) == (Place(channel="C0OPS", user="U0ANN"), "ko")
    assert (run.status, run.released) == (Status.QUEUED, True)


def test_after_three_days_one_run_each_and_the_rest_missed_told_once(house: Planned) -> None:
    """Hourly: 71 missed and the newest run; daily: 2 missed and 1 run. One message each, and none at another look."""
    house.add(a_schedule(channel="C0OPS"))
    house.add(a_schedule("daily", by_cron("0 3 * * *", "Asia/Seoul"), channel="C0OPS"))
    house.clock.go(days=3)
    for name in ("hourly", "daily", "hourly", "daily"):
        assert not house.look(name)
    assert house.by_status("hourly") == {Status.MISSED: 71, Status.QUEUED: 1}
    assert house.by_status("daily") == {Status.MISSED: 2, Status.QUEUED: 1}
    told = {run.invocation.schedule: run.reply.text for run in house.told() if run.reply}
    assert len(house.told()) == 2
    assert told["hourly"] == (
        "71 due times of `hourly`, from 2026-11-25 13:00 (UTC) to 2026-11-28 11:00 (UTC), were missed: the bot was "
        "not at work, or could not look, at that time. What was due at 2026-11-28 12:00 (UTC) is carried out now."
    )
    assert "2 due times of `daily`, from 2026-11-26 03:00 (Asia/Seoul)" in told["daily"]
    lines = house.app.services.audit.lines(limit=1000)
    assert sum(line.event.kind == Status.MISSED.value for line in lines) == 73


def test_what_is_too_late_for_its_grace_is_only_missed(house: Planned) -> None:
    """Nothing runs; the message says why, and offers to run it now. Without a channel of its own, alarms hear of it."""
    house.add(a_schedule("daily", by_cron("0 3 * * *", "UTC"), grace=timedelta(hours=1)))
    house.clock.go(hours=23)
    house.look("daily")
    (run,) = house.told()
    assert (run.status, house.by_status("daily")) == (Status.MISSED, {Status.MISSED: 1})
    assert run.reply is not None
    assert "too late by more than the schedule’s grace time" in run.reply.text
    assert [button.line for button in run.reply.buttons] == ["run-now daily"]
    assert run.invocation.place == Place(channel="C0ALARMS", user="cli:tester")


def test_more_than_are_recorded_are_counted_and_dealt_with(house: Planned) -> None:
    """Two days of every minute: 500 rows, one message with the true number, one run; then nothing is behind."""
    house.add(a_schedule("often", by_cron("* * * * *", "UTC"), channel="C0OPS"))
    house.clock.go(days=2)
    house.look("often")
    assert house.by_status("often") == {Status.MISSED: MOST_LISTED, Status.QUEUED: 1}
    (run,) = house.told()
    assert run.reply is not None
    assert "2,879" in run.reply.text or "2879" in run.reply.text
    assert "The newest 500 of them are recorded." in run.reply.text
    assert not house.look("often")
    assert len(house.runs("often")) == MOST_LISTED + 1


def test_a_schedule_does_not_overlap_itself(house: Planned) -> None:
    """While its run is not over, further due times are missed; the first one is told and names that run."""
    house.add(a_schedule(channel="C0OPS"))
    house.clock.go(minutes=31)
    house.look()
    for _ in range(3):
        house.clock.go(hours=1)
        house.look()
    assert house.by_status() == {Status.QUEUED: 1, Status.MISSED: 3}
    (told,) = house.told()
    first = house.runs()[0]
    assert told.reply is not None
    assert f"run {first.id} of it is not over yet" in told.reply.text
    house.end(first)
    house.clock.go(hours=1)
    house.look()
    assert house.by_status() == {Status.CANCELLED: 1, Status.MISSED: 3, Status.QUEUED: 1}


def test_a_due_time_waits_half_a_minute_for_the_run_before_it(house: Planned) -> None:
    """One that ends just then costs no due time."""
    house.add(a_schedule())
    house.clock.go(minutes=30)
    house.look()
    house.clock.go(hours=1)
    assert house.look()
    house.clock.go(seconds=29)
    assert house.look()
    assert house.by_status() == {Status.QUEUED: 1}
    house.end(house.runs()[0])
    assert not house.look()
    assert house.by_status() == {Status.CANCELLED: 1, Status.QUEUED: 1}
    house.clock.go(minutes=60, seconds=1)
    assert not house.look()
    assert house.by_status() == {Status.CANCELLED: 1, Status.QUEUED: 1, Status.MISSED: 1}


def test_a_run_that_a_dead_process_left_costs_no_due_time(
    house: Planned, tmp_path: Path, fake_engine: FakeEngine
) -> None:
    """After a restart it is given half a minute, in which what was running is ended as interrupted."""
    house.add(a_schedule())
    house.clock.go(minutes=30)
    house.look()
    house.clock.go(minutes=70)
    with planned(tmp_path / "state", fake_engine, toml=ROLES, clock=house.clock) as other:
        assert other.look()
        house.clock.go(seconds=20)
        other.end(other.runs()[0], Status.INTERRUPTED)
        assert not other.look()
        assert other.by_status() == {Status.INTERRUPTED: 1, Status.QUEUED: 1}


def test_a_run_waits_for_its_jitter_and_quiet_is_passed_on(house: Planned) -> None:
    """It is not claimable at once; in another process it would wait exactly as long."""
    house.add(a_schedule(jitter=timedelta(minutes=30), quiet=True, channel="C0OPS"))
    house.clock.go(minutes=30)
    house.look()
    (run,) = house.runs()
    assert house.app.services.runs.claimable(Lane.FRONT, 10) == ()
    house.clock.go(minutes=30)
    assert house.app.services.runs.claimable(Lane.FRONT, 10) == ((run.id, "local"),)
    with house.app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT quiet FROM messages").scalar_one() == 1


@pytest.mark.parametrize(
    ("night", "due"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]),
    ],
    ids=["skipped", "twice"],
)
def test_both_nights_when_clocks_change(house: Planned, night: datetime, due: list[str]) -> None:
    """02:30 in Berlin, looked at every ten minutes for two days: once each day, as soon as the gap ends."""
    house.clock.now = night
    made = a_schedule(
        "nightly", by_cron("30 2 * * *", "Europe/Berlin"), created_at=night, dealt_with_at=night
    )
    house.add(made)
    for _ in range(6 * 42):
        house.clock.go(minutes=10)
        house.look("nightly")
        for run in house.runs("nightly"):
            if not run.status.is_ending:
                house.end(run)
    keys = [run.invocation.key for run in house.runs("nightly")]
    assert keys == [made.key(datetime.fromisoformat(one)) for one in due]


def test_hourly_is_due_twice_in_the_hour_that_comes_twice(house: Planned) -> None:
    """25 hours of one day are 25 due times; none of them is lost, and none is run twice."""
    house.clock.now = datetime(2026, 10, 24, 22, 5, tzinfo=UTC)
    house.add(
        a_schedule(when=hourly("Europe/Berlin"), created_at=house.clock.now, dealt_with_at=house.clock.now)
    )
    for _ in range(25):
        house.clock.go(hours=1)
        house.look()
        house.look()
        house.end(house.runs()[-1])
    assert house.by_status() == {Status.CANCELLED: 25}


def test_a_clock_that_jumps_ahead_misses_nothing_unsaid(house: Planned) -> None:
    """Five hours at once: the newest due time is run, four are missed."""
    house.add(a_schedule())
    house.clock.go(hours=5)
    house.look()
    assert house.by_status() == {Status.QUEUED: 1, Status.MISSED: 4}


def test_a_clock_that_is_set_back_repeats_nothing(house: Planned) -> None:
    """Three hours are lived through twice: their due times stay one run each."""
    house.add(a_schedule())

    def live(hours: int) -> None:
        for _ in range(hours):
            house.clock.go(hours=1)
            house.look()
            for run in house.runs():
                if not run.status.is_ending:
                    house.end(run)

    live(3)
    house.clock.go(hours=-3)
    live(4)
    assert house.by_status() == {Status.CANCELLED: 4}


def test_a_clock_that_was_a_year_ahead_silences_nothing(house: Planned) -> None:
    """What it recorded as missed runs when it is truly due; the one due time that it let run is not run again."""
    house.add(a_schedule("daily", by_cron("0 3 * * *", "UTC")))
    house.clock.go(days=365)
    house.look("daily")
    house.end(next(run for run in house.runs("daily") if run.status is Status.QUEUED))
    house.clock.go(days=-365)
    house.look("daily")
    for _ in range(3):
        house.clock.go(days=1)
        house.look("daily")
        for run in house.runs("daily"):
            if run.status is Status.QUEUED:
                house.end(run)
    assert house.by_status("daily") == {Status.MISSED: 364, Status.CANCELLED: 4}
    assert house.app.services.schedules.get("daily").dealt_with_at == datetime(2026, 11, 28, 3, tzinfo=UTC)


def test_a_restart_in_the_middle_changes_nothing(
    house: Planned, tmp_path: Path, fake_engine: FakeEngine
) -> None:
    """Another process over the same state finds everything dealt with, and goes on from there."""
    house.add(a_schedule())
    house.clock.go(days=2)
    house.look()
    before = house.by_status()
    with planned(tmp_path / "state", fake_engine, toml=ROLES, clock=house.clock) as other:
        assert not other.look()
        assert other.by_status() == before
        house.clock.go(hours=1)
        other.look()
    house.look()
    assert house.by_status() == {**before, Status.MISSED: before[Status.MISSED] + 1}


def test_the_schedule_of_somebody_barred_is_suspended_and_told(house: Planned, people: FakePeople) -> None:
    """Nothing runs; the schedule's channel and that for alarms are told, once, with a way to resume."""
    house.add(a_schedule(line="backup pgdata", owner=ANN, channel="C0OPS"))
    people.put("U0ANN", why="deleted")
    house.clock.go(hours=3)
    for _ in range(2):
        assert not house.look()
    assert house.by_status() == {Status.DENIED: 1, Status.MISSED: 2}
    told = house.told()
    assert sorted(run.invocation.place.channel for run in told if run.invocation.place) == [
        "C0ALARMS",
        "C0OPS",
        "C0OPS",
    ]
    denied = [run for run in told if run.status is Status.DENIED]
    for run in denied:
        assert run.reply is not None
        assert "The Slack account U0ANN is deactivated. Nothing was changed" in run.reply.text
        assert [button.line for button in run.reply.buttons] == ["resume hourly"]
    stored = house.app.services.schedules.get("hourly")
    assert stored.suspended == "The Slack account U0ANN is deactivated."
    house.clock.go(hours=1)
    house.look()
    assert house.by_status() == {Status.DENIED: 1, Status.MISSED: 2}


def test_while_nobody_says_who_the_owner_is_the_due_time_waits(house: Planned, people: FakePeople) -> None:
    """It is looked at again, and runs as soon as Slack answers."""
    house.add(a_schedule(owner=ANN, channel="C0OPS"))
    del people.people["U0ANN"]
    house.clock.go(minutes=30)
    assert house.look()
    house.clock.go(hours=2)
    assert house.look()
    assert house.runs() == []
    people.put("U0ANN")
    assert not house.look()
    assert house.by_status() == {Status.QUEUED: 1, Status.MISSED: 2}
    (told,) = house.told()
    assert told.reply is not None
    assert "Slack did not say" in told.reply.text


def test_when_its_grace_ends_it_goes_the_road_that_denies_it(house: Planned, people: FakePeople) -> None:
    """Just before it would be missed unseen, it is stored as a run; the policy answers for it."""
    house.add(a_schedule("daily", by_cron("0 13 * * *", "UTC"), owner=ANN, grace=timedelta(hours=1)))
    del people.people["U0ANN"]
    house.clock.go(hours=1)
    assert house.look("daily")
    house.clock.go(minutes=29, seconds=45)
    assert not house.look("daily")
    assert house.by_status("daily") == {Status.QUEUED: 1}


def test_after_a_backup_that_succeeded_old_ones_are_pruned_once(house: Planned) -> None:
    """By a run of its own, known by the backup's; it keeps no due time from being run."""
    house.add(a_schedule(line="backup pgdata", prune=True, channel="C0OPS"))
    house.add(a_schedule("other", line="backup pgdata"))
    house.clock.go(minutes=30)
    for name in ("hourly", "other"):
        house.look(name)
        house.app.scheduler.prune()
        assert len(house.runs(name)) == 1
        house.end(house.runs(name)[0], Status.SUCCEEDED)
    for _ in range(3):
        house.app.scheduler.prune()
        house.clock.go(seconds=5)
    backup, prune = house.runs()
    assert len(house.runs("other")) == 1
    assert prune.invocation.line == "prune pgdata --host local --wait"
    assert prune.invocation.key == f"schedule:hourly:prune:{backup.id}"
    assert prune.invocation.place == backup.invocation.place
    house.clock.go(hours=1)
    house.look()
    assert house.by_status() == {Status.SUCCEEDED: 1, Status.QUEUED: 2}
    house.end(prune, Status.SUCCEEDED)
    house.app.scheduler.prune()
    assert len(house.runs()) == 3


def test_a_backup_that_failed_prunes_nothing(house: Planned) -> None:
    """Only a success is followed by that."""
    house.add(a_schedule(line="backup pgdata", prune=True))
    house.clock.go(minutes=30)
    house.look()
    house.end(house.runs()[0], Status.PARTIAL)
    house.app.scheduler.prune()
    assert len(house.runs()) == 1


def test_what_is_pruned_is_what_the_backup_is_filed_under(house: Planned) -> None:
    """A path at which a volume is mounted is backed up as that volume, and has no backups under its own name."""
    house.add(a_schedule(line="backup db:/v0", prune=True))
    house.clock.go(minutes=30)
    house.look()
    (run,) = house.runs()
    back_up(house.app.services.archive, "pgdata", run.id)
    house.end(run, Status.SUCCEEDED)
    house.app.scheduler.prune()
    assert house.runs()[-1].invocation.line == "prune pgdata --host local --wait"


def test_pruning_is_made_up_for_after_a_crash(
    house: Planned, tmp_path: Path, fake_engine: FakeEngine
) -> None:
    """The backup ended, and the process with it: the next one prunes, and the first, still there, not again."""
    house.add(a_schedule(line="backup pgdata", prune=True))
    house.clock.go(minutes=30)
    house.look()
    house.app.scheduler.prune()
    house.end(house.runs()[0], Status.SUCCEEDED)
    house.clock.go(hours=7)
    with planned(tmp_path / "state", fake_engine, toml=ROLES, clock=house.clock) as other:
        other.app.scheduler.prune()
    house.app.scheduler.prune()
    assert len(house.runs()) == 2


def test_a_paused_schedule_and_one_that_is_gone_come_to_nothing(house: Planned) -> None:
    """A look that comes too late does no harm."""
    made = house.add(a_schedule(paused_by="ann"))
    house.clock.go(hours=5)
    assert not house.look()
    assert not house.look("gone")
    assert house.runs(made.name) == []


def test_the_first_due_time_is_not_before_the_schedule_was_made(house: Planned) -> None:
    """Made at half past: nothing of the hour before."""
    house.add(a_schedule())
    house.clock.now = NOW + timedelta(minutes=29)
    house.look()
    assert house.runs() == []
