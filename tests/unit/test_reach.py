"""What narrow roles are shown of other people's runs and schedules: only what they might have asked for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import Status
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
