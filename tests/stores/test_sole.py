"""The right to execute: one process has it, and death gives it back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.errors import StoreError
from bot.stores.database import Database
from bot.stores.sole import HolderProcess, Sole, serving
from tests.support.house import wait_for

_HOLDER = """
import signal, sys
from pathlib import Path
from bot.stores.database import Database
from bot.stores.sole import Sole
sole = Sole(Path(sys.argv[1]), Database(sys.argv[2]))
print(sole.take("serve"), flush=True)
signal.pause()
"""


@contextmanager
def _holder(state: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the right."""
    words = [sys.executable, "-c", _HOLDER, str(state), url]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with our tables."""
    made = Database(database_url)
    yield made
    made.close()


def test_one_process_has_it_until_it_dies(tmp_path: Path, database: Database, database_url: str) -> None:
    """While another process lives it has the right; kill -9 frees it at once."""
    sole = Sole(tmp_path, database)
    with _holder(tmp_path, database_url) as other:
        assert not sole.take("backup pgdata")
        assert sole.holder() == HolderProcess(pid=other.pid, role="serve")
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=10)
        wait_for(lambda: sole.take("backup pgdata"), saying="taking over")
    assert sole.holder() == HolderProcess(pid=os.getpid(), role="backup pgdata")
    sole.free()


def test_it_can_be_given_back(tmp_path: Path, database: Database) -> None:
    """What was freed, even twice, can be taken by the next one, and by the same one again."""
    first, second = Sole(tmp_path, database), Sole(tmp_path, database)
    assert first.take("serve")
    assert not second.take("serve")
    first.free()
    first.free()
    assert first.holder() is None
    assert second.take("serve")
    second.free()
    assert first.take("serve")
    first.free()


def test_one_postgresql_is_executed_from_one_place(
    tmp_path: Path, database: Database, database_url: str, dialect: str
) -> None:
    """Two state directories on one PostgreSQL still make one holder; another one takes over after kill -9."""
    if dialect == "sqlite":
        pytest.skip("an SQLite database is in its state directory")
    ours = tmp_path / "ours"
    ours.mkdir()
    sole = Sole(ours, database)
    with _holder(tmp_path, database_url) as other:
        assert not sole.take("serve")
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=10)
        wait_for(lambda: sole.take("serve"), saying="taking over")
    sole.free()


def _cut_connections(database: Database) -> None:
    """End every other session of the database, as a restart of the server or a firewall does."""
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with database.write() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))


def test_a_broken_connection_does_not_lose_it(tmp_path: Path, database_url: str, database: Database) -> None:
    """The server freed the lock with the connection; keeping takes it again, and nobody else gets it."""
    ours, elsewhere = tmp_path / "ours", tmp_path / "elsewhere"
    ours.mkdir()
    elsewhere.mkdir()
    sole, other = Sole(ours, database), Sole(elsewhere, Database(database_url))
    assert sole.take("serve")
    assert sole.keep()
    if not database.is_sqlite:
        witness = Database(database_url)
        _cut_connections(witness)
        witness.close()
        wait_for(sole.keep, saying="keeping it")
        assert not other.take("serve")
    sole.free()


def test_what_another_process_took_is_not_kept(tmp_path: Path, database_url: str, dialect: str) -> None:
    """Whoever was faster after a broken connection has it, and the former holder learns so."""
    if dialect == "sqlite":
        pytest.skip("the kernel takes no file lock away")
    ours, database = tmp_path / "ours", Database(database_url)
    ours.mkdir()
    sole, witness = Sole(ours, database), Database(database_url)
    assert sole.take("serve")
    _cut_connections(witness)
    with _holder(tmp_path, database_url):
        assert not sole.keep()
        assert not sole.keep()
    wait_for(sole.keep, saying="having it again")
    sole.free()
    for one in (database, witness):
        one.close()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, database: Database) -> None:
    """Without a state directory the right cannot be taken, and a sentence says why."""
    with pytest.raises(StoreError, match="SHIPKEEPER_STATE"):
        Sole(tmp_path / "missing", database).take("serve")


def test_whether_a_bot_serves_is_seen_without_taking_anything(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    """Yes while one lives; no before and after, and no while only a shell has the right."""
    assert not serving(tmp_path)
    with _holder(tmp_path, database_url) as other:
        assert serving(tmp_path)
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert not serving(tmp_path)
    shell = Sole(tmp_path, database)
    wait_for(lambda: shell.take("check"), saying="the right of the dead one")
    assert not serving(tmp_path)
    assert shell.holder() == HolderProcess(pid=os.getpid(), role="check")
    shell.free()
