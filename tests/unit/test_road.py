"""The road from end to end over the fake engine: what one command does, and what is left of it."""

from __future__ import annotations

from bot.model import Status
from tests.fakes import FakeEngine
from tests.support.house import House, from_slack


def test_a_backup_is_stored_and_proven(house: House) -> None:
    """`backup VOLUME` ends in success with a backup in the archive that proves whole."""
    outcome = house.say("backup pgdata --quiesce pause")
    assert outcome.status is Status.SUCCEEDED
    assert [backup.volume for backup in house.app.services.archive.backups()] == ["pgdata"]


def test_a_cut_stream_is_a_failure(house: House, fake_engine: FakeEngine) -> None:
    """A stream without the end of the archive never becomes a backup, however well it ended."""
    fake_engine.faults.shrinking_file = "PG_VERSION"
    outcome = house.say("backup pgdata --quiesce pause")
    assert outcome.status is Status.FAILED
    assert not house.app.services.archive.backups()
    assert fake_engine.container("db").state == "running"


def test_strangers_may_only_ask_for_help(house: House) -> None:
    """Somebody without a role gets `help` and `whoami`, and is denied everything else."""
    assert house.say(from_slack("help", user="U0EVE")).status is Status.SUCCEEDED
    assert house.say(from_slack("whoami", user="U0EVE")).status is Status.SUCCEEDED
    assert house.say(from_slack("backup pgdata", user="U0EVE")).status is Status.DENIED
