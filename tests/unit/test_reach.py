"""What narrow roles are shown of other people's runs and schedules: only what they might have asked for themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.completion.looking import look_at_runs
from bot.errors import EngineError
from bot.model import Actor, Status
from bot.overview import Overviews
from bot.seen import Overview
from bot.stores.activity import Activity
from bot.stores.alarms import Told
from tests.fakes import FakeEngine
from tests.support.house import ROLES, House, at_work, from_slack, invocation, refuse_untrue, settings

TOML = f"""
{ROLES}
[roles.keepers]
members = ["cli:tester"]
right = "admin"

[roles.narrow]
members = ["U0CAT", "U0DAN", "cli:eve"]
right = "operate"
targets = ["container:db", "runbook:vacuum", "volume:dev*"]

[roles.lookers]
members = ["U0DAN"]
right = "view"

[runbooks.vacuum]
command = ["vacuumdb"]
containers = ["db"]

[runbooks.rotate]
command = ["rotate", "{{user}}"]
containers = ["db"]
[runbooks.rotate.parameters.user]
pattern = "[a-z]+"
"""


@pytest.fixture
def engine() -> FakeEngine:
    """A host with a container whose runbooks all succeed, and two volumes."""
    made = FakeEngine()
    for name in ("secret", "dev1"):
        made.add_volume(name, {"file": name.encode()})
    made.add_container("db", [])
    made.programs["db"] = lambda _: (b"done", "", 0)
    return made


@pytest.fixture
def house(tmp_path: Path, engine: FakeEngine) -> Iterator[House]:
    """A house with a role that may use one of two runbooks."""
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def _done(house: House, line: str) -> str:
    outcome = house.say(line)
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    return outcome.run_id


def _narrow(house: House, line: str) -> tuple[Status, str]:
    outcome = house.say(from_slack(line, user="U0CAT"))
    return outcome.status, f"{outcome.reply.text} {outcome.reply.table} {outcome.reply.output}"


def _home(house: House, user: str = "U0CAT") -> Overview:
    overviews = Overviews(house.app.services, Activity(house.app.database))
    return overviews.of(user, overviews.survey())


def test_a_schedule_is_for_who_may_do_all_that_its_runs_need(house: House) -> None:
    """Who may use its container but not its runbook neither sees nor changes it, before and after it has run."""
    _done(house, "schedule nightly daily at 03:00 exec db rotate user=payroll")
    _done(house, "schedule tidy daily at 04:00 exec db vacuum")
    for _ in range(2):
        assert "payroll" not in _narrow(house, "schedules")[1]
        for verb in ("pause", "resume", "unschedule"):
            assert _narrow(house, f"{verb} nightly")[0] is Status.DENIED
        _done(house, "run-now nightly")
    _done(house, "run-now tidy")
    assert "exec db vacuum" in _narrow(house, "schedules")[1]
    assert _narrow(house, "pause tidy")[0] is Status.SUCCEEDED


def test_a_name_that_is_used_again_is_judged_anew(house: House) -> None:
    """What a schedule of that name did before tells nothing of one with another line."""
    _done(house, "schedule nightly daily at 03:00 exec db vacuum")
    _done(house, "run-now nightly")
    _done(house, "unschedule nightly")
    _done(house, "schedule nightly daily at 03:00 exec db rotate user=payroll")
    assert "payroll" not in _narrow(house, "schedules")[1]
    assert _narrow(house, "unschedule nightly")[0] is Status.DENIED


def test_what_never_ran_is_not_called_the_same(house: House) -> None:
    """Of two runbooks that no host was asked about yet it is not said that one still does what the other did."""
    _done(house, "schedule nightly daily at 03:00 exec db rotate user=a")
    _done(house, "schedule noon daily at 12:00 exec db vacuum")
    assert "still done" not in house.say("unschedule noon").reply.text


def test_alarms_of_schedules_are_for_who_reaches_what_they_are_about(
    house: House, engine: FakeEngine
) -> None:
    """Their lines and errors are told, in the list and on Home, only where the like of the schedule may be seen."""
    _done(house, "schedule nightly daily at 03:00 exec db rotate user=payroll")
    _done(house, "schedule tidy daily at 04:00 exec db vacuum")
    engine.programs["db"] = lambda _: (b"", "", 7)
    for name in ("nightly", "nightly", "tidy", "tidy"):
        assert house.say(f"run-now {name}").status is Status.FAILED
    house.app.alarms.look()
    keys = {alarm.key for alarm in house.app.services.alarms.open()}
    assert {"failing:nightly", "failing:tidy"} <= keys
    told = _narrow(house, "alarms")[1]
    assert "failing" in told
    assert "tidy" in told
    assert "nightly" not in told
    assert [one.key for one in _home(house).alarms if one.kind is AlarmKind.FAILING] == ["failing:tidy"]


def test_alarms_of_runs_are_for_who_reaches_what_they_are_about(house: House) -> None:
    """A slow run, and a due time that nothing came of, are told to who may see the like; one's own always."""
    others, seen = (_done(house, line) for line in ("exec db rotate user=payroll", "exec db vacuum"))
    own = house.say(from_slack("exec db rotate user=x", user="U0CAT")).run_id
    _done(house, "schedule nightly daily at 03:00 exec db rotate user=payroll")
    keys = [f"{kind}:{run}" for kind in ("slow", "overdue") for run in (others, seen, own, "00000000")]
    keys += ["overdue:due/nightly", "suspended:nightly", "suspended:gone", "space"]
    kinds = {key: AlarmKind(key.partition(":")[0]) for key in keys}
    found = Findings(conditions=tuple(Condition(kind=kinds[key], key=key, text=key) for key in keys))
    house.app.services.alarms.settle(found, lambda _: Told(), is_heard=True)
    expected = {f"slow:{seen}", f"overdue:{seen}", f"slow:{own}", f"overdue:{own}", "space"}
    assert {one.key for one in _home(house).alarms} == expected
    listed = house.say(from_slack("alarms --limit 50", user="U0CAT")).reply.text
    assert {line.removeprefix("• ") for line in listed.splitlines()[1:]} == expected


def test_runs_are_seen_by_who_reaches_what_their_roles_were_asked_for(
    house: House, engine: FakeEngine
) -> None:
    """Home, the digest and what is offered as one types leave out the run of a runbook that is not one's own."""
    engine.programs["db"] = lambda _: (b"", "", 7)
    failed = {house.say(line).run_id: line for line in ("exec db rotate user=payroll", "exec db vacuum")}
    theirs, mine = failed
    assert [one.id for one in _home(house).troubled] == [mine]
    (_, offered), *_ = look_at_runs(house.app.services.runs)
    targets = {one.value: one.targets for one in offered}
    assert targets[theirs] == ("container:db", "runbook:rotate")
    digest = _narrow(house, "digest")[1]
    assert f"exec: 1 failed (newest: {mine})" in digest


def test_a_look_at_a_plan_is_seen_by_who_reaches_it(house: House, engine: FakeEngine) -> None:
    """A restore's dry run, which holds nothing, is as little for everybody as the restore itself."""
    backups = [_done(house, f"backup {name}") for name in ("secret", "dev1")]
    runs = house.app.services.runs

    def fail_once_planned(_: object) -> None:
        if any(run.plan is not None for run in runs.running()):
            raise EngineError("Docker is not well.")

    engine.faults.before["volumes"] = [fail_once_planned] * 40
    for backup in backups:
        assert house.say(f"restore {backup} --replace --dry-run").status is Status.FAILED
    engine.faults.before.clear()
    assert [one.invocation.line for one in _home(house).troubled] == [
        f"restore {backups[1]} --replace --dry-run"
    ]


def test_home_offers_to_cancel_what_may_be_cancelled(house: House, engine: FakeEngine) -> None:
    """Whoever may look at everything sees both runs, but a button only where they could have asked for the same."""
    began, go_on = threading.Event(), threading.Event()

    def program(_: object) -> tuple[bytes, str, int]:
        began.set()
        assert go_on.wait(20)
        return b"", "", 0

    for line, may in (("exec db rotate user=payroll", False), ("exec db vacuum", True)):
        began.clear()
        go_on.clear()
        engine.programs["db"] = program
        run_id = house.accept(line)
        assert began.wait(20)
        (seen,) = _home(house, "U0DAN").at_work
        assert (seen.run.id, seen.cancel is not None) == (run_id, may)
        go_on.set()
        house.ending(run_id)


def test_undoing_what_cannot_be_undone_tells_nothing_of_it(house: House) -> None:
    """Whoever may use `undo` at all learns of another's run neither its line nor how it ended."""
    for line in ("exec db rotate user=payroll", "audit --by ann"):
        status, told = _narrow(house, f"undo {_done(house, line)}")
        assert status is Status.REJECTED
        assert "has replaced nothing" in told
        assert line not in told
        assert "succeeded" not in told


def test_the_audit_log_is_for_who_reaches_what_it_tells_of(house: House) -> None:
    """A narrow role is told how to ask; what they reach, did themselves, and whether the log is whole they may know."""
    secret, own = _done(house, "backup secret"), _done(house, "backup dev1")
    status, text = _narrow(house, "audit")
    assert (status, "with --by U0CAT" in text) == (Status.DENIED, True)
    for line in ("audit export", "audit --volume secret", f"audit --run {secret}", "audit --by tester"):
        status, text = _narrow(house, line)
        assert (status, "secret" in text) == (Status.DENIED, False), line
    for line in ("audit verify", "audit --volume dev1", f"audit --run {own}", "audit --by U0CAT"):
        assert _narrow(house, line)[0] is Status.SUCCEEDED, line


def test_what_may_have_been_meant_is_told_as_far_as_it_may_be_touched(
    house: House, engine: FakeEngine
) -> None:
    """A slip of the hand names what there is to who reaches that, and nothing to others."""
    engine.add_container("payroll-db", ["secret"])
    for line, name in (
        ("snapshot payrol", "payroll-db"),
        ("exec db rotat user=x", "rotate"),
    ):
        status, told = _narrow(house, line)
        assert status is not Status.DENIED, told
        assert name not in told, told
    eve = Actor(id="cli:eve", name="eve")
    scheduled = house.say(invocation("schedule nightly daily at 03:00 snapshot payrol", actor=eve))
    assert "There is no container “payrol”" in scheduled.reply.text
    assert "payroll-db" not in scheduled.reply.text
    for line, name in (("backup dev2", "“dev1”"), ("exec db vacum", "vacuum"), ("exec dbb vacuum", "“db”")):
        assert f"Did you mean {name}?" in _narrow(house, line)[1]
    assert "Did you mean “payroll-db”?" in house.say("snapshot payrol").reply.text
