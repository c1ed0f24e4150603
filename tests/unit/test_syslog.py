"""The copy of the audit log to a syslog server: every entry, in order, after a restart without a gap."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.model import Actor, Origin
from bot.seals import GENESIS, Sealer, verify
from bot.stores.audit import Audit, AuditEvent
from bot.stores.database import Database
from bot.syslog import SyslogCopy
from tests.support.house import wait_for
from tests.support.migrated import put_database

_RFC5424 = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<at>\S+) (?P<host>\S+) shipkeeper \d+ (?P<kind>\S+) - \xef\xbb\xbf(?P<text>\{.*\})",
    re.DOTALL,
)


class Listener:
    """A syslog server on loopback: keeps what it was sent, and can go away."""

    def __init__(self, kind: str, place: Path, port: int = 0) -> None:
        self.kind = kind
        self.got: list[bytes] = []
        family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(str(place / "log") if kind == "unix" else ("127.0.0.1", port))
        self.port = 0 if kind == "unix" else self._socket.getsockname()[1]
        self.address = f"unix://{place / 'log'}" if kind == "unix" else f"{kind}://127.0.0.1:{self.port}"
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        if kind == "tcp":
            self._socket.listen()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Go away."""
        self._over.set()
        self._thread.join(10)
        self._socket.close()
        if self.kind == "unix":
            Path(self.address.removeprefix("unix://")).unlink()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                if self.kind == "tcp":
                    connection, _ = self._socket.accept()
                    with connection:
                        self._read(connection)
                else:
                    self.got.append(self._socket.recv(1 << 17))
            except TimeoutError:
                continue

    def _read(self, connection: socket.socket) -> None:
        connection.settimeout(0.1)
        held = b""
        while not self._over.is_set():
            try:
                piece = connection.recv(1 << 16)
            except TimeoutError:
                continue
            if not piece:
                return
            held += piece
            while found := re.match(rb"(\d+) ", held):
                size, start = int(found[1]), found.end()
                if len(held) < start + size:
                    break
                self.got.append(held[start : start + size])
                held = held[start + size :]

    def entries(self) -> list[dict[str, Any]]:
        """What came, as entries of the log."""
        found = [_RFC5424.fullmatch(one) for one in self.got]
        assert all(found), self.got
        return [json.loads(one["text"]) for one in found if one]

    def numbers(self) -> list[int]:
        """Their numbers, in the order in which they came."""
        return [entry["seq"] for entry in self.entries()]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    """A log over a database of its own."""
    put_database(tmp_path / "shipkeeper.db")
    database = Database(f"sqlite:///{tmp_path / 'shipkeeper.db'}")
    yield Audit(database)
    database.close()


EVENT = AuditEvent(
    run_id="7f3a2c1b",
    kind="succeeded",
    at=datetime(2026, 1, 1, tzinfo=UTC),
    actor=Actor(id="U0ANN", name="Ännchen"),
    origin=Origin.SLACK,
    channel="C0OPS",
    command="backup",
    line="backup pgdata\n--note two lines",
    host="local",
    detail="Done.",
)


@contextmanager
def copying(audit: Audit, address: str, place: Path) -> Iterator[None]:
    """The copy at work."""
    copy = SyslogCopy(audit, address, place / "audit-syslog")
    copy.start()
    try:
        yield
    finally:
        copy.stop()


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix"])
def test_every_entry_is_copied_once_it_is_committed(audit: Audit, kind: str, tmp_path: Path) -> None:
    """What was there before, and what comes then, in order, with seals that verify."""
    listener = Listener(kind, tmp_path)
    audit.record(EVENT, replace(EVENT, kind="denied"))
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: len(listener.got) == 2, saying="the first two")
        audit.record(EVENT)
        wait_for(lambda: len(listener.got) == 3, saying="the third")
    listener.close()
    assert listener.numbers() == [1, 2, 3]
    assert verify(listener.entries(), Sealer()).problem is None
    first, second = (_RFC5424.fullmatch(one) for one in listener.got[:2])
    assert first is not None
    assert second is not None
    assert (first["priority"], second["priority"]) == (b"110", b"108")
    assert (first["at"], first["kind"]) == (b"2026-01-01T00:00:00+00:00", b"succeeded")


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix"])
def test_a_restart_goes_on_where_it_was(audit: Audit, kind: str, tmp_path: Path) -> None:
    """What was written while nobody copied follows, and nothing of before comes again."""
    listener = Listener(kind, tmp_path)
    audit.record(EVENT)
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: listener.got, saying="the first")
    audit.record(EVENT, EVENT)
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: len(listener.got) >= 3, saying="the others")
    listener.close()
    assert listener.numbers() == [1, 2, 3]


def test_a_log_that_became_shorter_is_copied_anew(
    audit: Audit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A restored state ends before what was copied: none of its entries is left out, also after a restart."""
    listener = Listener("unix", tmp_path)
    position = tmp_path / "audit-syslog"
    position.write_text("800")
    audit.record(EVENT, EVENT)
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: len(listener.got) == 2, saying="all there is")
    (critical,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
    assert "entry 800 was copied, and the log ends with entry 2" in critical.getMessage()
    assert position.read_text() == "2"
    audit.record(EVENT)
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: len(listener.got) == 3, saying="the third")
    listener.close()
    assert listener.numbers() == [1, 2, 3]


def test_an_empty_log_behind_a_full_one_is_noticed_once(
    audit: Audit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing is left to copy, it is remembered that nothing was."""
    position = tmp_path / "audit-syslog"
    position.write_text("800")
    for _ in range(2):
        with copying(audit, f"unix://{tmp_path / 'nobody'}", tmp_path):
            wait_for(lambda: position.read_text() == "0", saying="the position")
    assert len([one for one in caplog.records if one.levelname == "CRITICAL"]) == 1


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_server_that_was_away_misses_nothing(audit: Audit, kind: str, tmp_path: Path) -> None:
    """It gets everything once it is back; over TCP perhaps some of it twice, which their numbers show."""
    listener = Listener(kind, tmp_path)
    audit.record(EVENT)
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: listener.got, saying="the first")
        before = listener.numbers()
        listener.close()
        audit.record(*[EVENT] * 50)
        again = Listener(kind, tmp_path, listener.port)
        wait_for(lambda: again.got and again.numbers()[-1] == 51, seconds=20, saying="the others")
        again.close()
    assert sorted({*before, *again.numbers()}) == list(range(1, 52))


def test_nobody_waits_for_a_server_that_is_not_there(audit: Audit, tmp_path: Path) -> None:
    """Entries are written as ever while the copy finds nobody."""
    with copying(audit, f"unix://{tmp_path / 'nobody'}", tmp_path):
        for _ in range(20):
            audit.record(EVENT)
    assert len(audit.lines(limit=100)) == 20


def test_what_is_too_long_for_a_datagram_is_shortened(audit: Audit, tmp_path: Path) -> None:
    """It says so, and keeps its number and seal."""
    listener = Listener("udp", tmp_path)
    audit.record(replace(EVENT, detail="x" * 100_000))
    with copying(audit, listener.address, tmp_path):
        wait_for(lambda: listener.got, saying="the entry")
    listener.close()
    (entry,) = listener.entries()
    assert (entry["seq"], entry["shortened"], len(entry["detail"])) == (1, True, 400)
    head = audit.head()
    assert head is not None
    assert entry["hash"] == head.hash != GENESIS
