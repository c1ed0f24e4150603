"""The digest: what came of some days, as far as whoever asks may see it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import EngineError
from bot.model import Outcome, Status
from bot.operations import digest as operation
from tests.fakes import FakeEngine
from tests.support.house import ROLES, House, at_work, from_slack, invocation, refuse_untrue, settings
from tests.support.schedules import due, missed, put, scheduled

TOML = (
    ROLES
    + """
[roles.databases]
members = ["U0CAT"]
right = "view"
targets = ["volume:pg*"]
[retention]
last = 1
floor = 1
"""
)
HOSTS = """
[hosts.local]
address = "unix:///var/run/docker.sock"
[hosts.far]
address = "tcp://10.0.0.2:2375"
"""


@pytest.fixture
def keeper(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """A house with rules for what to keep, and two volumes."""
    fake_engine.add_volume("logs", {"a": b"1"})
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as made:
        yield made
        refuse_untrue(made.app)


def _digest(house: House, line: str = "digest", **who: str) -> Outcome:
    outcome = house.say(from_slack(line, **who) if who else line)
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    return outcome


def _rows(outcome: Outcome) -> dict[str, dict[str, object]]:
    table = outcome.reply.table
    assert table is not None
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {str(row["volume"]): row for row in rows}


def _ended(house: House, line: str, status: Status) -> None:
    outcome = house.say(line)
    assert outcome.status is status, outcome.reply.text


def test_a_house_where_nothing_happened(keeper: House) -> None:
    """Nothing is claimed, and every volume is said to be unprotected."""
    outcome = _digest(keeper)
    assert "In the last 7 days no backup was taken." in outcome.reply.text
    assert "2 volumes have no verified backup: logs; pgdata." in outcome.reply.text
    assert "Nothing failed, nothing was missed." in outcome.reply.text
    assert outcome.reply.attachments == ()
    assert {row["unprotected"] for row in _rows(outcome).values()} == {True}


def test_what_was_done_is_counted(keeper: House) -> None:
    """Backups with their bytes, what was proven, and what pruning removed, each volume in a row."""
    for _ in range(3):
        _ended(keeper, "backup pgdata", Status.SUCCEEDED)
    _ended(keeper, "drill pgdata", Status.SUCCEEDED)
    _ended(keeper, "verify --oldest", Status.SUCCEEDED)
    _ended(keeper, "prune pgdata --dry-run", Status.SUCCEEDED)
    _ended(keeper, "prune pgdata", Status.SUCCEEDED)
    outcome = _digest(keeper)
    facts = outcome.reply.facts
    assert (facts["verified"], facts["proven_restorable"], facts["pruned"]) == (1, 1, 2)
    assert facts["freed_bytes"] > 0  # type: ignore[operator]
    (left,) = keeper.app.services.archive.backups()
    row = _rows(outcome)["pgdata"]
    assert (row["backups"], row["stored_bytes"], row["unprotected"]) == (1, left.manifest.stored.bytes, False)
    assert row["newest_backup_at"] == left.manifest.started_at.isoformat()
    assert "2 backups that no rule keeps were pruned" in outcome.reply.text
    assert "1 volume has no verified backup: logs." in outcome.reply.text


def test_what_went_wrong_is_told_by_schedule_and_command(keeper: House, fake_engine: FakeEngine) -> None:
    """A schedule's failures and missed due times, failures by hand, how often schedules succeeded, which are off."""
    app, of_shell = keeper.app, {"owner": invocation("").actor, "channel": None}
    nightly = put(app, scheduled("nightly", "backup pgdata", quiet=True, **of_shell))
    bad = put(app, scheduled("bad", "backup nosuch", **of_shell))
    put(app, scheduled("resting", "backup logs", paused_by="ann"))
    put(app, scheduled("gone", "backup logs", suspended="ann is not there any more"))
    now = datetime.now(UTC)
    for hours in (3, 2):
        keeper.say(due(nightly, now - timedelta(hours=hours)))
    fake_engine.faults.failing["read_volume"] = EngineError("Docker is not well.")
    failed = keeper.say(due(nightly, now - timedelta(hours=1)))
    keeper.say("backup pgdata")
    fake_engine.faults.failing.clear()
    missed(app, nightly, now)
    refused = keeper.say(due(bad, now))
    keeper.say("backup nosuch")  # who types that is told so, and learns nothing from a digest
    text = _digest(keeper).reply.text
    assert "schedule nightly: 1 failed, 1 missed (newest: " in text
    assert f"schedule bad: 1 rejected (newest: {refused.run_id})" in text
    assert "by hand backup: 1 failed" in text
    assert failed.status is Status.FAILED
    assert "Schedules that succeeded: nightly 2×, quietly." in text
    assert "gone (suspended: ann is not there any more); resting (paused by ann)" in text


def test_the_days_are_those_asked_for(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """What is older stands in no count, but still protects."""
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as house:
        house.say("backup pgdata")
        (backup,) = house.app.services.archive.backups()
        later = operation.Sources(
            archive=house.app.services.archive,
            engines=house.app.services.engines,
            runs=house.app.services.runs.ended_since(datetime.now(UTC) + timedelta(days=1), 10),
            schedules=(),
            since=backup.manifest.started_at + timedelta(seconds=1),
        )
        made = operation.digest(later, lambda _host, _targets: True)
        (row,) = made.volumes
        assert (row.whole, row.stored_bytes, row.is_protected) == (0, 0, True)
        assert made.unprotected == ()


def test_people_see_what_they_reach(keeper: House) -> None:
    """Neither volumes, nor runs, nor schedules of others are told to somebody whose role has only some targets."""
    put(keeper.app, scheduled("resting", "backup logs", paused_by="ann"))
    _ended(keeper, "backup logs", Status.SUCCEEDED)
    _ended(keeper, "drill logs", Status.SUCCEEDED)
    _ended(keeper, "backup pgdata", Status.SUCCEEDED)
    outcome = _digest(keeper, user="U0CAT")
    assert set(_rows(outcome)) == {"pgdata"}
    assert "logs" not in outcome.reply.text
    assert "resting" not in outcome.reply.text
    assert outcome.reply.facts["proven_restorable"] == 0
    assert set(_rows(_digest(keeper, user="U0ANN"))) == {"logs", "pgdata"}


def test_a_host_that_does_not_answer_is_named(
    tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the archive has of it is told, and of the others everything."""
    monkeypatch.setattr(operation, "LOOK_LIMIT", timedelta(seconds=0.3))
    far, go_on = FakeEngine("far"), threading.Event()
    far.faults.before["volumes"] = [lambda _: go_on.wait(20)]
    made = settings(tmp_path / "state", toml=TOML + HOSTS)
    with at_work(made, {"local": fake_engine, "far": far}) as house:
        outcome = _digest(house)
        go_on.set()
        assert "Host far did not answer within 0.3 seconds" in outcome.reply.text
        assert "1 volume has no verified backup: pgdata." in outcome.reply.text
        assert "far" not in _digest(house, "digest --host local").reply.text
        assert house.say("digest --host nowhere").status is Status.REJECTED


def test_the_only_host_is_away(keeper: House, fake_engine: FakeEngine) -> None:
    """The digest is made all the same."""
    _ended(keeper, "backup pgdata", Status.SUCCEEDED)
    fake_engine.faults.failing["volumes"] = EngineError("Host local does not answer.")
    outcome = _digest(keeper)
    assert "Host local does not answer." in outcome.reply.text
    assert set(_rows(outcome)) == {"pgdata"}


def test_a_shell_gets_no_picture_unasked(keeper: House) -> None:
    """It would only lie about in the directory where somebody looks; `--chart` is for whoever wants it."""
    for _ in range(2):
        _ended(keeper, "backup pgdata", Status.SUCCEEDED)
    assert _digest(keeper).reply.attachments == ()
    outcome = _digest(keeper, user="U0ANN")
    (file,) = outcome.reply.attachments
    with keeper.app.services.outgoing.open(outcome.run_id, file) as picture:
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
    assert file.name in outcome.reply.text
    assert invocation("digest").place is None
