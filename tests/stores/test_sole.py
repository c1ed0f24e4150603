"""The right to execute: one process has it, and death gives it back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

import handlers
from bot.errors import StoreError
from bot.serve import Bot
from bot.stores.database import Database
from bot.stores.sole import HolderProcess, Sole, serving
from tests.fakes import FakeEngine
from tests.support.house import settings, wait_for

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
    # A server frees a lock just after it has noticed that a connection ended.
    wait_for(lambda: second.take("serve"), saying="the other's turn")
    second.free()
    wait_for(lambda: first.take("serve"), saying="having it again")
    first.free()


def test_one_postgresql_is_executed_from_one_place(
    tmp_path: Path, database: Database, database_url: str, dialect: str
) -> None:
    """Two state directories on one PostgreSQL still make one holder, known to both; kill -9 hands it to the other."""
    if dialect == "sqlite":
        pytest.skip("an SQLite database is in its state directory")
    ours = tmp_path / "ours"
    ours.mkdir()
    sole = Sole(ours, database)
    # What a bot of this directory left that was killed here before.
    (ours / "shipkeeper.lock").write_text('{"pid": 1, "role": "serve"}')
    with _holder(tmp_path, database_url) as other:
        assert not sole.take("serve")
        machine = os.uname().nodename
        assert sole.holder() == HolderProcess(pid=other.pid, role="serve", machine=machine)
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=10)
        wait_for(lambda: sole.take("serve"), saying="taking over")
    sole.free()


def test_a_second_bot_of_a_postgresql_is_refused(tmp_path: Path, database_url: str, dialect: str) -> None:
    """With a state directory of its own, too: it says which process has the database, and where."""
    if dialect == "sqlite":
        pytest.skip("an SQLite database is in its state directory")
    tokens = {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
    }
    ours = settings(tmp_path / "ours", **tokens, SHIPKEEPER_DATABASE_URL=database_url)
    bot = Bot(ours, handlers.load(), engines={"local": FakeEngine()})
    try:
        with _holder(tmp_path, database_url) as other, pytest.raises(StoreError) as refused:
            bot.start(threading.Event())
    finally:
        bot.stop()
    said = f"with this database already (process {other.pid} on {os.uname().nodename})"
    assert said in str(refused.value)


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
