"""Ways to lose protection: the channel is told within five minutes, once, then daily, and once when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.alarms import shelves
from bot.errors import EngineError, StoreError
from bot.model import Invocation, Origin, Status
from bot.operations.holds import failed
from bot.times.when import When
from tests.fakes import FakeEngine
from tests.stores.bench import all_at_once
from tests.support.house import House, refuse_untrue, wait_for
from tests.support.watching import START, TOML, Watch

DAY = timedelta(days=1)
LIMIT = timedelta(hours=26)
IN_TIME = timedelta(minutes=5)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """A house with one volume, which was just backed up."""
    made = Watch(tmp_path / "state")
    made.begin()
    assert made.back_up().status is Status.SUCCEEDED
    yield made
    refuse_untrue(made.app)
    made.app.end()


def _spoil(engine: FakeEngine) -> None:
    """The next backup is PARTIAL: a file is rewritten while it is read."""
    engine.faults.during = [(600, lambda one: one.tree("pgdata").rewrite("b", b"x" * 400))]


# ---- the five ways -----------------------------------------------------------------------------------


def test_a_schedule_was_deleted(watch: Watch) -> None:
    """Nobody backs it up any more: told when the newest backup gets too old, daily, and when there is a new one."""
    watch.schedule()
    watch.app.services.schedules.remove("nightly", watch.event("unschedule", "nightly"))
    watch.later(hours=26, every=60)
    assert watch.said() == []
    watch.later(minutes=10)
    (first,) = watch.said()
    assert timedelta(0) < first.at - (START + LIMIT) <= IN_TIME
    assert "The newest verified backup of pgdata on local was begun 2026-11-02 12:00 UTC" in first.text
    assert first.buttons == 2
    watch.later(hours=71, every=30)
    told = watch.said()
    assert [round((one.at - first.at) / DAY, 1) for one in told] == [0, 1, 2]
    assert all("still, since 2026-11-03 14:01 UTC" in one.text for one in told[1:])
    assert watch.back_up().status is Status.SUCCEEDED
    watch.later(minutes=30)
    over = watch.said()[3:]
    assert [one.is_over for one in over] == [True]
    assert "1 alarm is over" in over[0].text
    assert watch.open() == []


def test_a_host_cannot_be_reached(watch: Watch) -> None:
    """Told after five minutes of silence; what it holds gets old meanwhile, and counts just the same."""
    watch.later(minutes=30)
    watch.engine.faults.down = True
    silent_at = watch.now
    watch.later(minutes=20)
    (first,) = watch.said()
    assert timedelta(0) < first.at - (silent_at + timedelta(minutes=5)) <= IN_TIME
    assert "Host local does not answer since 2026-11-02 12:31 UTC" in first.text
    watch.later(hours=26, every=20)
    told = watch.said()
    assert [("Host local" in one.text, "pgdata" in one.text) for one in told] == [
        (True, False), (True, False), (False, True),
    ] or [("Host local" in one.text, "pgdata" in one.text) for one in told] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip
    watch.engine.faults.down = False
    watch.later(minutes=10)
    assert [one.is_over for one in watch.said()[3:]] == [True]
    assert watch.open() == ["stale:local/pgdata"]


def test_a_short_silence_is_no_alarm(watch: Watch) -> None:
    """A host that is away for four minutes again and again is told of never."""
    for _ in range(20):
        watch.engine.faults.down = True
        watch.later(minutes=4)
        watch.engine.faults.down = False
        watch.later(minutes=2)
    assert watch.said() == []


def test_all_runs_are_partial(watch: Watch) -> None:
    """Backups are made every night, and none of them counts: told of the failures, and of the age."""
    watch.schedule()
    ended = []
    for _ in range(3):
        _spoil(watch.engine)
        ended += watch.days(1)
    assert ended == [Status.PARTIAL] * 3
    told = watch.said()
    assert "Schedule nightly did not succeed twice in a row" in "".join(one.text for one in told)
    stale = [one for one in told if "newest verified backup of pgdata" in one.text]
    assert [one.at - START for one in stale] == [IN_TIME + timedelta(hours=26), IN_TIME + timedelta(hours=50)]
    assert "Newer ones are not complete" in stale[0].text
    assert watch.days(1) == [Status.SUCCEEDED]
    watch.later(minutes=1)
    assert watch.open() == []
    assert [one.is_over for one in watch.said()[-1:]] == [True]
    assert "2 alarms are over" in watch.said()[-1].text


def test_what_fails_is_not_told_once_it_is_paused(watch: Watch) -> None:
    """Somebody looked after it: no run of it can succeed, so it would be told daily for ever."""
    made = watch.schedule()
    watch.take_role()
    watch.days(2)
    assert "failing:nightly" in watch.open()
    watch.app.services.schedules.pause("nightly", made.owner, watch.event("pause", "nightly"))
    watch.later(minutes=1)
    assert "failing:nightly" not in watch.open()
    watch.app.services.schedules.resume("nightly", watch.event("resume", "nightly"))
    watch.later(minutes=1)
    assert "failing:nightly" in watch.open()


def test_the_timer_died(watch: Watch) -> None:
    """Told at the next look, however due times stand; and when it lives again."""
    watch.schedule()
    watch.later(minutes=30)
    watch.timer_lives = False
    died_at = watch.now
    watch.later(minutes=10)
    watch.later(hours=26, every=20)
    told = watch.said()
    assert timedelta(0) < told[0].at - died_at <= IN_TIME
    assert all("The scheduler has stopped" in one.text for one in told[:2])
    assert [round((one.at - told[0].at) / DAY, 1) for one in told if "scheduler" in one.text] == [0, 1]
    watch.timer_lives = True
    watch.due()
    watch.later(minutes=5)
    assert watch.said()[-1].is_over
    assert watch.open() == []


def test_the_owner_is_denied(watch: Watch) -> None:
    """Runs that are denied protect nothing: told after the second, and when the backup gets too old."""
    watch.schedule()
    rules = watch.app.services.policy.rules
    watch.take_role()
    assert watch.days(2) == [Status.DENIED] * 2
    told = watch.said()
    failing = [one for one in told if "Schedule nightly did not succeed twice in a row" in one.text]
    stale = [one for one in told if "newest verified backup of pgdata" in one.text]
    assert [one.at - START for one in failing] == [IN_TIME + timedelta(hours=39)]
    assert [one.at - START for one in stale] == [IN_TIME + timedelta(hours=26)]
    assert "is denied. You may not use `backup` on volume:pgdata" in failing[0].text
    watch.app.services.policy.replace(rules)
    assert watch.days(1) == [Status.SUCCEEDED]
    watch.later(minutes=2)
    assert watch.said()[-1].is_over
    assert watch.open() == []


# ---- once ---------------------------------------------------------------------------------------------


def test_a_restart_tells_nothing_twice(watch: Watch) -> None:
    """A process that knows only the database goes on where the one before stopped, with hosts still silent, too."""
    watch.later(hours=27, every=30)
    watch.engine.faults.down = True
    watch.later(minutes=30)
    before = watch.said()
    assert len(before) == 2
    for _ in range(5):
        watch.restart()
        watch.later(minutes=3)
    assert watch.said() == before
    assert sorted(watch.open()) == ["host:local", "stale:local/pgdata"]
    watch.engine.faults.down = False
    watch.later(minutes=1)
    assert [one.is_over for one in watch.said()[2:]] == [True]


def test_a_restart_while_a_host_is_away_ends_nothing_about_it(watch: Watch) -> None:
    """How old a backup may be only the host's label says, and that is not known again until the host answers."""
    watch.engine.add_volume("fresh", {"a": b"1"}, **{"shipkeeper.max-age": "4h"})
    watch.schedule("monthly on the 1st at 03:00 backup fresh", "fresh")
    watch.later(hours=5, every=60)
    assert watch.open() == ["stale:local/fresh"]
    watch.engine.faults.down = True
    watch.restart()
    watch.later(minutes=3)
    assert watch.open() == ["stale:local/fresh"]
    watch.engine.faults.down = False
    watch.back_up("backup fresh")
    watch.later(minutes=1)
    assert watch.open() == []


def test_what_cannot_be_judged_stays(watch: Watch, tmp_path: Path) -> None:
    """An archive whose disk went away ends no alarm about backups, and is one itself."""
    watch.later(hours=27, every=30)
    (first,) = watch.said()
    archive = tmp_path / "state" / "archive"
    archive.rename(tmp_path / "unmounted")
    archive.mkdir()
    watch.later(minutes=10)
    assert sorted(watch.open()) == ["archive", "stale:local/pgdata"]
    assert "cannot be relied on" in watch.said()[1].text
    watch.restart()
    watch.later(minutes=10)
    assert "stale:local/pgdata" in watch.open()
    archive.rmdir()
    (tmp_path / "unmounted").rename(archive)
    watch.later(minutes=1)
    assert watch.open() == ["stale:local/pgdata"]
    assert len([one for one in watch.said() if one.is_over]) == 1
    assert first == watch.said()[0]


def test_several_processes_tell_once(watch: Watch) -> None:
    """Three that look at the same moment, each with its own view of the host, tell what one would."""
    others = [watch.built() for _ in range(2)]
    every = [watch.app, *others]
    try:
        for hours in (25, 27, 30, 51, 52):
            watch.now = START + timedelta(hours=hours)
            all_at_once([app.alarms.look for app in every])
        watch.back_up()
        watch.now += timedelta(minutes=1)
        all_at_once([app.alarms.look for app in every])
        assert [(one.at - START, one.is_over) for one in watch.said()] == [
            (timedelta(hours=27), False),
            (timedelta(hours=51), False),
            (timedelta(hours=52, minutes=1), True),
        ]
    finally:
        for app in others:
            app.end()


def test_a_host_that_is_silent_from_the_start(tmp_path: Path) -> None:
    """It gets its five minutes, and is told of then; what it holds is not known, so it is no alarm."""
    watch = Watch(tmp_path / "state")
    watch.engine.faults.down = True
    watch.later(minutes=5)
    assert watch.said() == []
    watch.later(minutes=2)
    assert watch.open() == ["host:local"]
    watch.engine.faults.down = False
    watch.later(minutes=1)
    assert watch.open() == ["unprotected:local"]
    watch.app.end()


def test_a_database_that_is_away_changes_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that cannot read says so and tells nothing; the next one goes on where the last one was."""
    watch.later(hours=27, every=60)
    before = watch.said()

    def away(*_: object) -> object:
        raise StoreError("The database does not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(type(watch.app.services.runs), "running", away)
        with pytest.raises(StoreError):
            watch.later(minutes=1)
    watch.later(minutes=5)
    assert watch.said() == before
    assert watch.open() == ["stale:local/pgdata"]


def test_the_archive_is_read_again_only_when_it_changed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new backup, and a mark that one was found bad, are noticed at the next look; nothing is read for nothing."""
    monkeypatch.setattr(shelves, "_UNSETTLED_SECONDS", -60.0)
    archive, reads = watch.app.services.archive, []
    read = type(archive).backups
    monkeypatch.setattr(type(archive), "backups", lambda *given: reads.append(1) or read(*given))
    watch.later(hours=27, every=60)
    assert len(reads) == 1
    assert watch.open() == ["stale:local/pgdata"]
    watch.back_up()
    reads.clear()
    watch.later(minutes=5)
    assert (len(reads), watch.open()) == (1, [])
    archive.mark(read(archive)[0], lambda marks: failed(marks, watch.now, "its bytes are others"))
    watch.later(minutes=5)
    assert (len(reads), watch.open()) == (2, ["stale:local/pgdata"])


# ---- what is an alarm ------------------------------------------------------------------------------------


def test_nobody_protects_a_volume(watch: Watch) -> None:
    """Volumes without a backup and a schedule are one alarm; a schedule that backs one up ends it."""
    for name in ("zeta", "eta"):
        watch.engine.add_volume(name, {"a": b"1"})
    watch.later(minutes=1)
    (first,) = watch.said()
    assert (
        "2 volumes on local have neither a verified backup nor a schedule that makes one: eta, zeta."
        in first.text
    )
    watch.schedule("daily at 03:00 backup zeta", "zeta")
    watch.later(minutes=10)
    assert len(watch.said()) == 1
    assert "1 volume on local" in watch.app.services.alarms.open()[0].text
    watch.schedule("daily at 03:00 backup eta --host local", "eta")
    watch.later(minutes=1)
    assert [one.is_over for one in watch.said()] == [False, True]
    watch.app.services.schedules.pause(
        "eta", watch.app.services.schedules.get("eta").owner, watch.event("pause", "eta")
    )
    watch.later(minutes=1)
    assert watch.open() == ["unprotected:local"]


def test_a_path_that_is_a_volume_is_judged_as_that_volume(watch: Watch) -> None:
    """Its backups lie under the volume's name: they are no news, and their end is told of that name, once."""
    watch.engine.add_volume("fresh", {"a": b"1"})
    watch.engine.add_container("db", {"fresh": "/var/lib/data"})
    watch.schedule("daily at 03:00 backup db:/var/lib/data/")
    watch.later(hours=2, every=60)
    assert watch.open() == ["unprotected:local"]
    assert watch.days(3) == [Status.SUCCEEDED] * 3
    assert watch.open() == ["stale:local/pgdata"]
    watch.timer_lives = False
    watch.later(hours=30, every=60)
    assert [key for key in watch.open() if key.startswith("stale:")] == [
        "stale:local/pgdata",
        "stale:local/fresh",
    ]


def test_a_path_is_judged_by_what_came_of_its_line(watch: Watch) -> None:
    """Of a path that is no volume the backups lie under its own name; another line is not known until it ran."""
    watch.engine.add_container("web", binds={"/srv": "/data"})
    made = watch.schedule("daily at 03:00 backup web:/data")
    assert watch.days(1) == [Status.SUCCEEDED]
    watch.app.services.schedules.put(
        replace(made, line="backup web:/data/other"), watch.event("schedule", "nightly")
    )
    watch.later(hours=30, every=60)
    assert "stale:local/web:/data" in watch.open()
    assert "stale:local/web:/data/other" not in watch.open()


def test_a_schedule_of_what_cannot_be_backed_up_hides_nothing(watch: Watch) -> None:
    """Such a line may be there since before it was refused: all else is judged as ever."""
    for number, source in enumerate(("web:/", "web:/a/../b")):
        watch.schedule(f"daily at 03:00 backup {source}", f"ill-{number}")
    watch.timer_lives = False
    watch.later(hours=27, every=60)
    assert "stale:local/pgdata" in watch.open()


def test_a_schedule_that_never_made_a_backup(watch: Watch) -> None:
    """Nobody waits for ever for the first one: its age counts from the schedule on."""
    watch.engine.add_volume("fresh", {"a": b"1"})
    watch.schedule("daily at 03:00 backup fresh", "fresh")
    watch.later(hours=26, every=30)
    watch.timer_lives = False
    watch.later(minutes=5)
    assert "stale:local/fresh" in watch.open()
    assert "There is no verified backup of fresh on local" in watch.said()[-1].text + watch.said()[-2].text


@pytest.mark.parametrize(
    ("ages", "label", "hours"),
    [
        ("", "", 26),
        ('{ "pg*" = 4 }', "", 4),
        ('{ "local/pgdata" = 5, "pg*" = 4 }', "", 5),
        ('{ "lo*" = 0, "pg*" = 4 }', "", 4),  # the host’s name begins so, which is none of its volumes'
        ('{ "lo*/*" = 5 }', "", 5),
        ('{ "pg*" = 0 }', "", None),
        ('{ "pg*" = 0 }', "7h", 7),
        ("", "2d", 48),
        ("", "0", None),
        ("", "often", 26),
    ],
)
def test_limits(tmp_path: Path, ages: str, label: str, hours: int | None) -> None:
    """The label wins over the first pattern, that over the limit of all; 0 is none; nonsense is not heeded."""
    watch = Watch(tmp_path / "state", toml=TOML + (f"ages = {ages}\n" if ages else ""))
    try:
        labels = {"shipkeeper.max-age": label} if label else {}
        watch.engine.kept_volumes.clear()
        watch.engine.add_volume("pgdata", {"a": b"1"}, **labels)
        watch.begin()
        assert watch.back_up().status is Status.SUCCEEDED
        watch.later(hours=60 if hours is None else hours, every=600)
        assert watch.open() == []
        watch.later(minutes=30, every=30)
        opened = [alarm.opened_at for alarm in watch.app.services.alarms.open()]
        assert opened == ([] if hours is None else [START + timedelta(hours=hours, minutes=30)])
    finally:
        watch.app.end()


def test_what_nobody_need_protect(tmp_path: Path) -> None:
    """A volume whose pattern or label says 0 is not listed as unprotected; an unprotected one may be let be."""
    for number, (more, labels) in enumerate(
        (('ages = { "tmp*" = 0 }', {}), ("", {"shipkeeper.max-age": "0"}), ("unprotected = false", {}))
    ):
        watch = Watch(tmp_path / str(number), toml=f"{TOML}{more}\n")
        watch.engine.kept_volumes.clear()
        watch.engine.add_volume("tmp1", {"a": b"1"}, **labels)
        watch.later(minutes=20)
        assert watch.open() == []
        watch.app.end()


def test_a_due_time_that_nothing_came_of(watch: Watch) -> None:
    """Whatever the reason: a schedule that was due ten minutes ago and is not dealt with is an alarm."""
    watch.schedule("hourly backup pgdata", "hourly")
    watch.later(minutes=69)
    assert watch.open() == []
    watch.later(minutes=5)
    assert watch.open() == ["overdue:due/hourly"]
    watch.due("hourly")
    watch.later(minutes=1)
    assert watch.open() == []


def test_a_schedule_that_cannot_be_reckoned_hides_nothing(watch: Watch) -> None:
    """It is never due, or its zone is none any more; what comes of the others is judged as ever."""
    for name, zone in (("never", "UTC"), ("nowhere", "Atlantis/Capital")):
        made = watch.schedule("hourly backup pgdata", name)
        ill = replace(made, when=When(text="ill", zone=zone, cron="0 0 */29 2 1#5"))
        watch.app.services.schedules.put(ill, watch.event("schedule", name))
    watch.schedule("hourly backup pgdata", "hourly")
    watch.later(minutes=75, every=15)
    assert watch.open() == ["overdue:due/hourly"]


def test_a_scheduled_run_that_does_not_end(watch: Watch) -> None:
    """It is an alarm after twelve hours, and long before that when such runs take a second as a rule."""
    watch.schedule("hourly backup pgdata", "hourly")
    for _ in range(5):
        watch.later(minutes=60, every=60)
        assert watch.due("hourly") is not None
    watch.engine.faults.stall_at_byte = 512
    watch.engine.stall = timedelta(seconds=60)
    watch.later(minutes=60, every=60)
    one = watch.app.services.schedules.get("hourly")
    house = House(watch.app)
    run_id = house.accept(
        Invocation(line=one.line, actor=one.owner, origin=Origin.SCHEDULE, at=watch.now, schedule="hourly")
    )
    wait_for(watch.engine.faults.stalled.is_set, saying="the stall")
    watch.app.services.schedules.pause("hourly", one.owner, watch.event("pause", "hourly"))
    watch.later(minutes=9)
    assert watch.open() == []
    watch.later(minutes=2)
    assert watch.open() == [f"slow:{run_id}"]
    watch.later(hours=12, every=10)
    assert sorted(watch.open()) == [f"overdue:{run_id}", f"slow:{run_id}"]
    watch.engine.faults.stall_at_byte = None
    watch.engine.faults.go_on.set()
    house.ending(run_id)
    watch.later(minutes=1)
    assert watch.open() == []
    assert watch.said()[-1].is_over


def test_a_suspended_schedule(watch: Watch) -> None:
    """It does not fire, so somebody must know; resumed, it is over."""
    one = watch.schedule()
    with watch.app.database.write() as connection:
        assert watch.app.services.schedules.suspend(connection, one, "its owner was deactivated.")
    watch.later(minutes=1)
    assert "does not fire any more: its owner was deactivated." in watch.said()[0].text
    watch.app.services.schedules.resume("nightly", watch.event("resume", "nightly"))
    watch.later(minutes=1)
    assert watch.open() == []


def test_without_a_channel_only_log_and_audit_hear(tmp_path: Path) -> None:
    """No run and no message is made; once there is a channel, it is told of what is open at once."""
    watch = Watch(tmp_path / "state", toml=TOML.replace('channel = "C0ALARM"', ""))
    watch.later(hours=50, every=60)
    kinds = [line.event.kind for line in watch.app.services.audit.lines(limit=100)]
    assert kinds == ["alarm"]
    assert watch.app.services.runs.newest(limit=10) == ()
    rules = watch.app.services.alarm_rules
    rules.replace(replace(rules.rules, channel="C0ALARM"))
    assert watch.app.services.alarm_channel == "C0ALARM"
    watch.later(minutes=3)
    assert [one.text.count("unprotected") + one.text.count("neither") for one in watch.said()] == [1]
    watch.app.end()


def test_the_archive_fills_up(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little free, in percent or for two more backups, is one alarm; around the limit it does not come and go."""
    free = [50.0]
    archive = watch.app.services.archive
    monkeypatch.setattr(type(archive), "room", lambda _: (int(free[0] * 10**9), 100 * 10**9))
    watch.later(minutes=1)
    assert watch.said() == []
    for percent in (9.9, 10.1, 9.9, 10.1, 11.9, 9.9):
        free[0] = percent
        watch.later(minutes=1)
    assert len(watch.said()) == 1
    assert "has 9.9 GB of 100.0 GB free, which is less than 10 %" in watch.said()[0].text
    free[0] = 12.1
    watch.later(minutes=1)
    assert watch.open() == []


def test_alarms_are_listed(watch: Watch) -> None:
    """`alarms` says what, since when, and when people were told."""
    house = House(watch.app)
    assert house.say("alarms").reply.text == "No alarm is open."
    watch.later(hours=27, every=60)
    reply = house.say("alarms").reply
    first, second = reply.text.splitlines()
    assert first == "1 alarm."
    assert second.startswith("• The newest verified backup of pgdata on local was begun 2026-11-02 12:00 UTC")
    assert reply.table is not None
    at = "2026-11-03T15:00:00+00:00"
    assert reply.table.rows == (("backup too old", "local/pgdata", at, at),)


def test_a_mute_host_does_not_hold_up_the_look(watch: Watch) -> None:
    """A host that fails keeps nobody from telling of another one."""
    other = FakeEngine("beta")
    other.add_volume("data", {"a": b"1"})
    watch.engines["beta"] = other
    watch.restart()
    watch.engine.faults.failing["volumes"] = EngineError("no")
    watch.later(minutes=1)
    assert watch.open() == ["unprotected:beta"]
