"""Where the audit log cannot be written, nothing that changes anything begins, and whoever asked is told."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

import handlers
from bot.app import build
from bot.errors import StoreError
from bot.model import Status
from tests.fakes import FakeEngine
from tests.support.disks import fill, small_disk
from tests.support.house import House, at_work, refuse_untrue, settings, wait_for
from tests.support.migrated import put_database

pytestmark = pytest.mark.faults

CHANGES = ("create_helper", "create_tool", "pause", "stop", "create_volume", "remove_volume", "write_volume")


class Watched(FakeEngine):
    """An engine that remembers what was to be changed on it."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: list[str] = []
        self.add_volume("pgdata", {"table": b"rows" * 1000})
        self.add_container("db", ["pgdata"])

    def _enter(self, verb: str) -> None:
        if verb in CHANGES:
            self.changed.append(verb)
        super()._enter(verb)


@pytest.fixture
def engine() -> Watched:
    """One with a volume that is in use."""
    return Watched()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Room for the database, and little more."""
    with small_disk(tmp_path / "disk", 4) as place:
        yield place


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left."""
    ballast = fill(disk)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def locked(disk: Path) -> Iterator[None]:
    """Another program holds the right to write, and does not give it back."""
    with closing(sqlite3.connect(disk / "state" / "shipkeeper.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


@contextmanager
def refusing(disk: Path) -> Iterator[None]:
    """Only the audit log takes nothing: everything else can be stored."""
    with closing(sqlite3.connect(disk / "state" / "shipkeeper.db", timeout=10)) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'no room'); END")
        other.commit()
        try:
            yield
        finally:
            other.execute("DROP TRIGGER full")
            other.commit()


@pytest.mark.parametrize("harm", [full, locked], ids=["full", "locked"])
def test_what_cannot_be_stored_is_not_begun(
    harm: Callable[[Path], AbstractContextManager[None]], disk: Path, engine: Watched
) -> None:
    """A full disk and a locked database: the sentence says that nothing was changed, and later it works again."""
    with at_work(settings(disk / "state"), {"local": engine}) as house:
        with harm(disk):
            told = _refused(house, engine)
        assert "Nothing was changed" in told
        assert engine.changed == []
        assert house.say("backup pgdata").status is Status.SUCCEEDED
        refuse_untrue(house.app)


def _refused(house: House, engine: Watched) -> str:
    """What was said when it was asked for; what fitted into the room that was left has not begun either."""
    for _ in range(50):
        try:
            run_id = house.accept("backup pgdata --quiesce pause")
        except StoreError as error:
            return str(error)
        wait_for(lambda run_id=run_id: house.run(run_id).status is not Status.QUEUED, saying="a worker")
        assert "started" in _kinds(house, run_id) or engine.changed == []
    raise AssertionError("everything could be stored")


def _kinds(house: House, run_id: str) -> list[str]:
    return [line.event.kind for line in house.app.services.audit.lines(limit=10, run_id=run_id)]


def test_a_read_only_database_stops_everything(tmp_path: Path, disk: Path, engine: Watched) -> None:
    """A bot at work whose database becomes read-only begins nothing, says so, and goes on afterwards."""
    put_database(disk / "shipkeeper.db")
    made = settings(tmp_path / "state", SHIPKEEPER_DATABASE_URL=f"sqlite:///{disk / 'shipkeeper.db'}")
    with at_work(made, {"local": engine}) as house:

        def remounted(how: str) -> bool:
            house.app.database.close()  # what is open for writing keeps a disk from becoming read-only
            mount = ["mount", "-o", f"remount,{how}", str(disk)]
            return subprocess.run(mount, capture_output=True, check=False).returncode == 0

        wait_for(lambda: remounted("ro"), saying="a read-only disk")
        try:
            with pytest.raises(StoreError, match="Nothing was changed"):
                house.accept("backup pgdata")
        finally:
            wait_for(lambda: remounted("rw"), saying="a writable disk")
        assert engine.changed == []
        assert house.say("backup pgdata").status is Status.SUCCEEDED
        refuse_untrue(house.app)


def test_a_log_that_takes_nothing_keeps_a_run_from_beginning(
    disk: Path, engine: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """What was accepted fails before anything is touched; its ending is told once it can be written."""
    with at_work(settings(disk / "state"), {"local": engine}) as house:
        with refusing(disk):
            run_id = house.accept("backup pgdata --quiesce pause")
            wait_for(lambda: house.run(run_id).command == "backup", saying="its turn")
            wait_for(
                lambda: "ending cannot be written yet" in caplog.text, saying="a try to write its ending"
            )
            assert engine.changed == []
        outcome = house.ending(run_id, seconds=40)
        assert outcome.status is Status.FAILED
        assert "Nothing was changed" in outcome.reply.text
        assert engine.changed == []
        assert _kinds(house, run_id) == ["failed"]
        assert house.say("backup pgdata").status is Status.SUCCEEDED
        refuse_untrue(house.app)


def test_a_key_that_is_missing_keeps_everything_from_beginning(tmp_path: Path, engine: Watched) -> None:
    """A log that was sealed with a key is not gone on with without it, and the sentence names the variable."""
    with at_work(
        settings(tmp_path / "state", SHIPKEEPER_AUDIT_KEY="a key of some length"), {"local": engine}
    ) as house:
        assert house.say("backup pgdata").status is Status.SUCCEEDED
    begun = len(engine.changed)
    with pytest.raises(StoreError, match="SHIPKEEPER_AUDIT_KEY is not set"):
        build(settings(tmp_path / "state"), handlers.load(), engines={"local": engine})
    assert len(engine.changed) == begun
