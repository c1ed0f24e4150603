"""The whole road on each database: what holds on SQLite holds on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import Status
from bot.stores.journal import Entry
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, built, from_slack, refuse_untrue, settings


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine, empty_url: str) -> Iterator[House]:
    """A house on the database in turn; afterwards nothing may be left half done."""
    made = settings(tmp_path / "state", SHIPKEEPER_DATABASE_URL=empty_url)
    with at_work(made, {"local": fake_engine}) as house:
        yield house
        refuse_untrue(house.app)


def test_a_day_of_work(house: House, fake_engine: FakeEngine) -> None:
    """Backup, verify, restore, a refusal, a denial and the record of it all."""
    made = house.say(from_slack("backup pgdata --quiesce pause", key="slack:1"))
    assert made.status is Status.SUCCEEDED, made.reply.text
    assert house.say(from_slack("backup pgdata --quiesce pause", key="slack:1")).run_id == made.run_id
    assert house.say(f"verify {made.run_id}").status is Status.SUCCEEDED
    assert house.say(f"restore {made.run_id} --into copy").status is Status.SUCCEEDED
    assert fake_engine.files("copy") == fake_engine.files("pgdata")
    assert house.say("backup gpdata").status is Status.REJECTED
    assert house.say(from_slack("backup pgdata", user="U0EVE")).status is Status.DENIED
    assert house.say("backup a\0b").status is Status.REJECTED
    told = house.say("audit --volume pgdata")
    assert told.status is Status.SUCCEEDED
    assert told.reply.table is not None


def test_a_failure_is_taken_back(house: House, fake_engine: FakeEngine) -> None:
    """A cut stream fails, and everything it touched is as it was."""
    fake_engine.faults.cut_at_byte = 2000
    assert house.say("backup pgdata --quiesce pause").status is Status.FAILED
    assert fake_engine.container("db").state == "running"


def test_a_dead_process_is_taken_back(tmp_path: Path, fake_engine: FakeEngine, empty_url: str) -> None:
    """What a holder left that died is taken back by the next start, whichever database remembers it."""
    made = settings(tmp_path / "state", SHIPKEEPER_DATABASE_URL=empty_url)
    with built(made, {"local": fake_engine}) as dead:
        run_id = dead.dispatcher.accept(from_slack("backup pgdata --quiesce pause"), told=True).run_id
        claims, journal = dead.dispatcher._ledger.claims, dead.dispatcher._ledger.journal
        claim = claims.claim(dead.services.runs.get(run_id), "dead")
        assert claim is not None
        database = fake_engine.container("db")
        life = {"container": database.id, "started_at": database.started_at, "name": "db"}
        entry = Entry(id=0, run_id=run_id, host="local", verb="unpause", arguments=life)
        journal.write(entry, epoch=claim.epoch, at=dead.services.clock())
        fake_engine.pause(database)
    with at_work(made, {"local": fake_engine}) as house:
        assert house.ending(run_id).status is Status.INTERRUPTED
        assert fake_engine.container("db").state == "running"
        refuse_untrue(house.app)
