"""Schedules as people make and see them: what is refused at once, who may change them, and what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model import Origin, Outcome, Status
from bot.schedules.making import ADDED
from bot.stores.runs import Terms
from bot.stores.schedules import Kept
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.house import ROLES, House, at_work, invocation, refuse_untrue, settings

TYPED = canary("typed-schedule")
RUNBOOK = """
[runbooks.vacuum]
command = ["vacuumdb"]
containers = ["db*"]
[runbooks.vacuum.parameters.pw]
secret = true
variable = "VACUUM_PASSWORD"
"""
SHELLS = """
[roles.others]
members = ["cli:eve"]
right = "operate"
targets = ["volume:other*"]
[roles.keepers]
members = ["cli:tester", "cli:ida"]
right = "admin"
[roles.lookers]
members = ["cli:lou"]
right = "view"
"""


@pytest.fixture
def engine() -> FakeEngine:
    """A host with three volumes and a container."""
    made = FakeEngine()
    for name in ("pgdata", "other1", "other2"):
        made.add_volume(name, {"file": name.encode()})
    made.add_container("db", ["pgdata"])
    return made


@pytest.fixture
def house(tmp_path: Path, engine: FakeEngine) -> Iterator[House]:
    """A house whose shells have roles."""
    with at_work(settings(tmp_path, toml=ROLES + SHELLS + RUNBOOK), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def as_user(house: House, name: str, line: str) -> Outcome:
    """What comes of a line that a shell user types."""
    made = invocation(line)
    actor = type(made.actor)(id=f"cli:{name}", name=name)
    return house.say(invocation(line, actor=actor))


def text_of(outcome: Outcome, status: Status) -> str:
    """What it said; it must have ended so."""
    assert outcome.status is status, outcome.reply.text
    return outcome.reply.text


WORDS = [
    ("daily at 03:00", "0 3 * * *"),
    ("mondays at 02:30", "30 2 * * 1"),
    ("hourly", "0 * * * *"),
    ("0 3 * * 1-5", "0 3 * * 1-5"),
    ("매일 03:00", "0 3 * * *"),
    ("매주 월요일 2시 30분", "30 2 * * 1"),
    ('"daily at 03:00"', "0 3 * * *"),
]


@pytest.mark.parametrize(("when", "cron"), WORDS)
def test_it_is_made_however_the_time_is_said(house: House, when: str, cron: str) -> None:
    """Cron, English and Korean words, quoted or not; the rest of the line is the command, flags and all."""
    line = f'schedule --zone Asia/Seoul nightly {when} backup pgdata --quiesce stop --note "two words"'
    outcome = house.say(line)
    text_of(outcome, Status.SUCCEEDED)
    made = house.app.services.schedules.get("nightly")
    assert (made.when.cron, made.when.zone) == (cron, "Asia/Seoul")
    assert made.line == "backup pgdata --quiesce stop --note 'two words'"
    assert (made.owner.id, made.channel, made.grace) == ("cli:tester", None, timedelta(days=1))
    table = outcome.reply.table
    assert table is not None
    assert [row[-1] for row in table.rows] == [
        due.isoformat() for due in made.when.first(made.dealt_with_at, 5)
    ]
    assert all(str(row[0]).endswith("KST") for row in table.rows)


def test_an_interval_and_all_flags(house: House) -> None:
    """Grace, jitter, quiet and prune are kept; a command in quotes is one, too."""
    line = "schedule --grace 2h --jitter 10m --quiet --prune often every 6h 'backup pgdata'"
    text = text_of(house.say(line), Status.SUCCEEDED)
    made = house.app.services.schedules.get("often")
    assert (made.when.every, made.line) == (timedelta(hours=6), "backup pgdata")
    assert (made.grace, made.jitter) == (timedelta(hours=2), timedelta(minutes=10))
    assert made.quiet
    assert made.prune
    assert "UTC" in text
    assert "Nobody is told" in text


REFUSED = [
    ("schedule nightly", "WHEN COMMAND… is missing"),
    ("schedule nightly daily at 03:00", "There is no command behind when it is due"),
    ("schedule nightly sometimes backup pgdata", "is no time that something could be due at"),
    ("schedule nightly daily at 03:00 --quiet backup pgdata", "stands behind when it is due"),
    ("schedule nightly daily at 03:00 backup pgdata --quiet", "“--quiet” stands behind when it is due"),
    ("schedule nightly daily at 03:00 backup pgdata --zone=UTC", "“--zone=UTC” stands behind when it is due"),
    ("schedule nightly daily at 03:00 bakcup pgdata", "Did you mean backup?"),
    ("schedule nightly daily at 03:00 backup", "VOLUME|CONTAINER:/PATH is missing"),
    ("schedule nightly daily at 03:00 backup pgdata --nope", "There is no flag --nope"),
    ("schedule nightly 0 0 31 2 * backup pgdata", "is never due"),
    ("schedule nightly 0 25 * * * backup pgdata", "the hour is wrong"),
    ("schedule nightly daily at 25:00 backup pgdata", "is not possible"),
    ("schedule nightly --zone Asia/Soul daily at 3 backup pgdata", "did you mean Asia/Seoul"),
    ("schedule nightly --zone Nowhere/Else daily at 3 backup pgdata", "There is no time zone"),
    ("schedule nightly daily at 03:00 approve 7f3a2c1b", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 schedule x hourly backup pgdata", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 pause nightly", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 run-now nightly", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 undo 7f3a2c1b", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 cp upload db:/etc/x", "no schedule may carry it out"),
    ("schedule nightly daily at 03:00 cp db:/etc/x /tmp/x", "no schedule may carry it out"),
    ("schedule nightly --prune daily at 03:00 drill pgdata", "goes with schedules of `backup` only"),
    ("schedule nightly --grace 500d daily at 03:00 backup pgdata", "A grace of more than 366 days"),
    ("schedule nightly --jitter 1d daily at 03:00 backup pgdata", "A jitter of"),
    ("schedule nightly daily at 03:00 backup pgdata --host nowhere", "There is no host nowhere"),
    ("schedule nightly daily at 03:00 exec db vakuum", "Did you mean vacuum?"),
    ("schedule under/way daily at 03:00 backup pgdata", "is not the name of a schedule"),
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_what_cannot_be_is_refused_with_a_sentence(house: House, line: str, sentence: str) -> None:
    """At once, with the reason, and nothing is stored."""
    assert sentence in text_of(house.say(line), Status.REJECTED)
    assert house.app.services.schedules.all() == ()


def test_a_name_is_taken_once(house: House) -> None:
    """The second of that name is refused, and the first one stays as it is."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    text = text_of(house.say("schedule nightly daily at 04:00 backup other1"), Status.REJECTED)
    assert "There is a schedule nightly already" in text
    assert house.app.services.schedules.get("nightly").line == "backup pgdata"


def test_a_typed_secret_is_stored_nowhere(house: House, tmp_path: Path) -> None:
    """Neither in the run, nor in a schedule, nor in the audit log, however it was quoted."""
    for line in (
        f"schedule nightly daily at 03:00 exec db vacuum pw={TYPED}",
        f"schedule nightly daily at 03:00 'exec db vacuum pw={TYPED}'",
        f"schedule nightly daily at 03:00 exec db vakuum --host x 'pw={TYPED}'",
    ):
        text_of(house.say(line), Status.REJECTED)
    whole = "schedule nightly daily at 03:00 exec db vacuum pw=x"
    assert "pw is a secret of a runbook" in text_of(house.say(whole), Status.REJECTED)
    assert house.app.services.schedules.all() == ()
    assert not [one for one in tmp_path.rglob("*") if one.is_file() and TYPED.encode() in one.read_bytes()]


def test_the_owner_is_asked_at_once_and_with_what_it_is_about(house: House) -> None:
    """Who may not is denied before anything is stored; who may only look may schedule nothing."""
    assert "pgdata" in text_of(as_user(house, "eve", "schedule x daily at 3:00 backup pgdata"), Status.DENIED)
    text_of(as_user(house, "lou", "schedule x daily at 3:00 backups"), Status.DENIED)
    text_of(as_user(house, "eve", "schedule --prune x daily at 3:00 backup other1"), Status.DENIED)
    assert house.app.services.schedules.all() == ()
    text_of(as_user(house, "eve", "schedule x daily at 3:00 backup other1"), Status.SUCCEEDED)
    assert house.app.services.schedules.get("x").owner.id == "cli:eve"


def test_a_host_that_does_not_answer_is_said(house: House, engine: FakeEngine) -> None:
    """What it is about cannot be asked then: the command alone is, and the answer says so."""
    engine.faults.down = True
    text = text_of(house.say("schedule x daily at 3:00 backup db:/etc"), Status.SUCCEEDED)
    assert "What it is about cannot be told now" in text
    engine.faults.down = False


def test_what_would_fail_now_is_said(house: House) -> None:
    """A volume that is not there may come; but whoever mistyped its name learns so now, and not at night."""
    text = text_of(house.say("schedule x daily at 3:00 backup pgdatta"), Status.SUCCEEDED)
    assert "If it were due now, it would fail: There is no volume “pgdatta”" in text
    assert "would fail" not in house.say("schedule y daily at 3:00 backup pgdata").reply.text


def test_its_flags_stand_before_the_command_in_its_usage(house: House) -> None:
    """Behind it they would be the command's."""
    usage = house.app.services.commands["schedule"].usage
    assert usage.startswith("schedule NAME [--zone ZONE]")
    assert usage.endswith("WHEN COMMAND…")


def test_it_is_written_down_with_what_it_is_about(house: House) -> None:
    """One entry beside the run's own, with the run, the target and what was said; `audit` finds it by the volume."""
    outcome = house.say("schedule nightly daily at 03:00 backup pgdata")
    (event,) = [line.event for line in house.app.services.audit.lines(limit=100, target="volume:pgdata")]
    assert (event.kind, event.run_id, event.targets) == (ADDED, outcome.run_id, ("volume:pgdata",))
    assert event.facts["schedule"] == "nightly"
    assert event.facts["runs"] == "backup pgdata"


def test_it_is_listed_with_what_is_next_and_was_last(house: House) -> None:
    """Name, when, zone, command, owner, next, last, state; each person sees their own and what they may do."""
    as_user(house, "eve", "schedule mine daily at 03:00 backup other1")
    house.say("schedule nightly daily at 03:00 backup pgdata")
    assert house.say("run-now nightly").status is Status.SUCCEEDED
    table = house.say("schedules").reply.table
    assert table is not None
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(rows) == {"mine", "nightly"}
    assert str(rows["nightly"]["last_run"]).endswith(" succeeded")
    assert rows["mine"]["last_run"] is None
    assert rows["mine"]["owner"] == "eve"
    assert rows["nightly"]["state"] == "on"
    eves = as_user(house, "eve", "schedules")
    assert eves.reply.table is not None
    assert [row[0] for row in eves.reply.table.rows] == ["mine"]
    assert "1 more is not shown" in eves.reply.text
    (shown,) = (house.say("schedules mine").reply.table or table).rows
    assert shown[0] == "mine"


def test_pausing_and_resuming(house: House) -> None:
    """Each once; paused it has no next time, and what was due meanwhile is not made up for."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    text_of(house.say("pause nightly"), Status.SUCCEEDED)
    assert "is paused already, by tester" in text_of(house.say("pause nightly"), Status.REJECTED)
    (row,) = _rows(house.say("schedules --off"))
    assert (row[5], row[8]) == (None, "paused by tester")
    text_of(house.say("resume nightly"), Status.SUCCEEDED)
    assert "is not paused" in text_of(house.say("resume nightly"), Status.REJECTED)
    assert house.app.services.schedules.get("nightly").is_on


@pytest.mark.parametrize("verb", ["pause", "unschedule"])
def test_what_has_not_begun_does_not_begin_any_more(house: House, verb: str) -> None:
    """A run that waits for its jitter ends with the schedule, and is named; nothing is said where there is none."""
    house.say("schedule --jitter 55m nightly daily at 03:00 backup pgdata")
    waiting = _due(house, "nightly", begins_in=timedelta(minutes=50))
    text = text_of(house.say(f"{verb} nightly"), Status.SUCCEEDED)
    assert f"Run {waiting} is cancelled; it had not begun." in text
    ended = house.ending(waiting)
    assert (ended.status, ended.started_at) == (Status.CANCELLED, None)
    assert "Cancelled by tester before it began." in ended.reply.text
    house.say("schedule noon daily at 12:00 backup pgdata")
    assert "it had not begun" not in text_of(house.say(f"{verb} noon"), Status.SUCCEEDED)


def test_what_is_at_work_or_was_asked_for_goes_on(house: House, engine: FakeEngine) -> None:
    """A pause is for what the schedule would begin: neither a run at work nor somebody's own `run-now` is ended."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    engine.faults.go_on.clear()
    engine.faults.stall_at_byte = 1
    begun = _due(house, "nightly")
    assert engine.faults.stalled.wait(10)
    assert begun not in text_of(house.say("pause nightly"), Status.SUCCEEDED)
    engine.faults.go_on.set()
    assert house.ending(begun).status is Status.SUCCEEDED
    house.say("resume nightly")
    mine = _due(house, "nightly", begins_in=timedelta(minutes=50), origin=Origin.CLI)
    assert mine not in text_of(house.say("pause nightly"), Status.SUCCEEDED)
    assert house.run(mine).status is Status.QUEUED
    text_of(house.say(f"cancel {mine}"), Status.SUCCEEDED)


def _due(
    house: House, name: str, *, begins_in: timedelta = timedelta(0), origin: Origin = Origin.SCHEDULE
) -> str:
    """What the timer stores at a due time; the id of the run."""
    schedule, now = house.app.services.schedules.get(name), house.app.services.clock()
    begin = now + begins_in
    asked = invocation(
        schedule.line, actor=schedule.owner, origin=origin, schedule=name, key=schedule.key(begin), at=now
    )
    terms = Terms(host="local", released=True, not_before=begin)
    return house.app.services.runs.take_in(asked, terms)[0]


def test_what_is_removed_is_named(house: House) -> None:
    """The answer says what is not done any more, and whether another schedule still does it."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    house.say("schedule noon daily at 12:00 backup pgdata --quiesce pause")
    text = text_of(house.say("unschedule noon"), Status.SUCCEEDED)
    assert "The same is still done by nightly." in text
    text = text_of(house.say("unschedule nightly"), Status.SUCCEEDED)
    assert "`backup pgdata`" in text
    assert "nothing does it now unless somebody asks for it" in text
    assert "There is no schedule nightly" in text_of(house.say("unschedule nightly"), Status.REJECTED)


def test_others_change_only_what_they_may_do(house: House) -> None:
    """Who may not use its command may neither pause, resume, remove nor run it; who may, may all of it."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    for verb in ("pause", "resume", "unschedule", "run-now"):
        text_of(as_user(house, "eve", f"{verb} nightly"), Status.DENIED)
        text_of(as_user(house, "lou", f"{verb} nightly"), Status.DENIED)
    text_of(as_user(house, "ida", "pause nightly"), Status.SUCCEEDED)
    text_of(as_user(house, "ida", "resume nightly"), Status.SUCCEEDED)
    text_of(as_user(house, "ida", "unschedule nightly"), Status.SUCCEEDED)


@pytest.mark.parametrize(("kept", "where"), [(Kept.SETTINGS, "[schedules.nightly]"), (Kept.LABEL, "label")])
def test_what_is_kept_elsewhere_is_changed_there(house: House, kept: Kept, where: str) -> None:
    """It is listed and can be run, but neither paused nor removed in chat; only a suspension can be lifted there."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    _put(house, "nightly", kept=kept)
    for verb in ("pause", "resume", "unschedule"):
        assert where in text_of(house.say(f"{verb} nightly"), Status.REJECTED)
    text_of(house.say("run-now nightly"), Status.SUCCEEDED)
    _put(house, "nightly", suspended="its owner may not")
    text_of(house.say("resume nightly"), Status.SUCCEEDED)
    assert house.app.services.schedules.get("nightly").is_on


def test_run_now_is_the_command_of_whoever_asks(house: House) -> None:
    """Its run is the command's own, as who asked, and says of which schedule it came; of one at work it is refused."""
    as_user(house, "eve", "schedule mine daily at 03:00 backup other1")
    outcome = as_user(house, "ida", "run-now mine")
    run = house.run(outcome.run_id)
    assert (run.command, run.invocation.line, run.invocation.schedule) == ("backup", "backup other1", "mine")
    assert run.invocation.actor.id == "cli:ida"
    (row,) = _rows(house.say("schedules mine"))
    assert str(row[6]).startswith(outcome.run_id)
    facts = house.say(f"details {outcome.run_id}").reply.facts
    assert facts["schedule"] == "mine"


def test_run_now_is_refused_while_a_run_is_under_way(house: House, engine: FakeEngine) -> None:
    """Two at once would only be in each other's way: the second says which run it is."""
    house.say("schedule nightly daily at 03:00 backup pgdata")
    engine.faults.go_on.clear()
    engine.faults.stall_at_byte = 1
    first = house.accept("run-now nightly")
    assert engine.faults.stalled.wait(10)
    assert first in text_of(house.say("run-now nightly"), Status.REJECTED)
    engine.faults.go_on.set()
    assert house.ending(first).status is Status.SUCCEEDED


def test_after_a_crash_it_is_found_that_it_was_made(house: House) -> None:
    """Killed between the effect and the ending, the next process says what was done, with the next times."""
    done = house.say("schedule nightly daily at 03:00 backup pgdata")
    found = _done(house, "schedule", done.run_id)
    assert found is not None
    assert (found.text, found.table) == (done.reply.text, done.reply.table)
    for line in ("pause nightly", "resume nightly", "unschedule nightly"):
        did = house.say(line)
        again = _done(house, line.partition(" ")[0], did.run_id)
        assert again is not None
        assert again.text == did.reply.text
    assert _done(house, "schedule", done.run_id).text == done.reply.text  # type: ignore[union-attr]
    assert _done(house, "pause", done.run_id) is None


def _done(house: House, command: str, run_id: str):  # type: ignore[no-untyped-def]
    found = house.app.services.commands[command].done
    assert found is not None
    return found(run_id, house.app.services)


def _rows(outcome: Outcome) -> tuple[tuple[object, ...], ...]:
    assert outcome.reply.table is not None, outcome.reply.text
    return outcome.reply.table.rows


def test_a_schedule_that_cannot_be_reckoned_hides_no_other(house: House) -> None:
    """A row whose zone this machine does not know any more is listed without its next time, beside the others."""
    for name in ("nightly", "weekly"):
        assert house.say(f'schedule {name} "daily at 03:00" backup pgdata').status is Status.SUCCEEDED
    when = house.app.services.schedules.get("nightly").when
    _put(house, "nightly", when=replace(when, zone="Nowhere/Gone"))
    listed = house.say("schedules")
    assert listed.status is Status.SUCCEEDED
    assert "nightly" in str(listed.reply)
    assert "weekly" in str(listed.reply)


def _put(house: House, name: str, **changes: object) -> None:
    schedules = house.app.services.schedules
    lines = house.app.services.audit.lines(limit=200)
    event = next(one.event for one in lines if one.event.kind == ADDED)
    schedules.put(replace(schedules.get(name), **changes), event)  # type: ignore[arg-type]
