"""What narrow roles are shown of other people's runs and schedules: only what they might have asked for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.model import Status
from bot.overview import Overviews
from bot.seen import Overview
from bot.stores.activity import Activity
from bot.stores.alarms import Told
from tests.fakes import FakeEngine
from tests.support.house import ROLES, House, at_work, from_slack, refuse_untrue, settings

TOML = f"""
{ROLES}
[roles.keepers]
members = ["cli:tester"]
right = "admin"

[roles.narrow]
members = ["U0CAT"]
right = "operate"
targets = ["container:db", "runbook:vacuum", "volume:dev*"]

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


def _home(house: House) -> Overview:
    overviews = Overviews(house.app.services, Activity(house.app.database))
    return overviews.of("U0CAT", overviews.survey())


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
