"""Every Docker call that may change something is in the audit log before the daemon hears of it."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.engine import Container, Volume
from bot.engine.real import DockerEngine
from bot.engine.witness import changing
from bot.errors import StoreError
from bot.language import Thread
from bot.stores.audit import Audit, AuditEvent
from bot.stores.database import Database
from bot.stores.runs import Runs
from bot.witnessing import Witnessing, on_behalf_of, taking_back
from tests.support.house import from_slack
from tests.support.migrated import put_database
from tests.support.scripted_http import Asked, Said, ScriptedHttp

VERSION = {"ApiVersion": "1.41", "Version": "20.10.24", "Components": [{"Name": "Engine"}]}

PAUSED = {"Id": "1", "Name": "/db", "Config": {}, "State": {"Status": "paused", "StartedAt": "then"}}


@dataclass
class Site:
    """A daemon that says yes, the engine over it, and the log."""

    path: Path
    audit: Audit
    runs: Runs
    engine: DockerEngine
    asked: list[Asked]
    known_then: list[list[str]] = field(default_factory=list)
    """What the log held, as another process sees it, when each changing call arrived."""

    def details(self) -> list[str]:
        """What calls are in the log, oldest first."""
        return [line.event.detail for line in reversed(self.audit.lines(limit=100))]

    def changes(self) -> list[str]:
        """The changing calls that the daemon got."""
        return [f"{one.method} {one.path}" for one in self.asked if one.method != "GET"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """All of it, over a database of its own."""
    with _site(tmp_path) as made:
        yield made


@contextmanager
def _site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "shipkeeper.db"
    put_database(path)
    database = Database(f"sqlite:///{path}")
    known: list[list[str]] = []

    def answer(asked: Asked) -> Said:
        if asked.method != "GET":
            with sqlite3.connect(path) as other:
                known.append([row[0] for row in other.execute("SELECT detail FROM audit ORDER BY seq")])
        bodies = {"version": VERSION, "json": PAUSED, "create": {"Name": "copy", "Driver": "local"}}
        body = bodies.get(asked.path.rsplit("/", 1)[-1], {"message": "no such thing"})
        return Said(
            status=404 if "/volumes/copy" in asked.path else 200,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )

    witness = Witnessing()
    audit = Audit(database)
    witness.bind(audit, lambda: datetime.now(UTC))
    with ScriptedHttp(answer) as daemon:
        engine = DockerEngine("local", base_url=f"tcp://{daemon.host}")
        engine.tell(witness)
        runs = Runs(database, lambda: datetime.now(UTC), lambda *_: None)
        yield Site(path=path, audit=audit, runs=runs, engine=engine, asked=daemon.asked, known_then=known)
        engine.close()
        database.close()


DATABASE = Container(id="1", name="db", state="running", started_at="then")


def test_a_call_is_in_the_log_before_the_daemon_hears_of_it(site: Site) -> None:
    """When the daemon gets it, another process can read it in the log; looks are not in there."""
    run, _ = site.runs.submit(from_slack("backup pgdata"), host="local", released=True)
    with on_behalf_of(run):
        site.engine.create_volume(Volume(name="copy", driver="local"))
    assert site.known_then == [["POST /volumes/create"]]
    (line,) = site.audit.lines(limit=9)
    assert (line.event.kind, line.event.run_id, line.event.host) == ("docker", run.id, "local")
    assert (line.event.actor.id, line.event.channel, line.event.line) == ("U0ANN", "C0OPS", "backup pgdata")
    assert any(one.method == "GET" for one in site.asked)


def test_a_thread_of_a_run_speaks_for_it(site: Site) -> None:
    """What a run does on a thread of its own is written down as its deed, too."""
    run, _ = site.runs.submit(from_slack("backup pgdata"), host="local", released=True)
    with on_behalf_of(run):
        thread = Thread(lambda: site.engine.create_volume(Volume(name="copy", driver="local")), name="t")
        thread.start()
        thread.join(10)
    assert [line.event.run_id for line in site.audit.lines(limit=9)] == [run.id]


def test_without_the_entry_there_is_no_call(site: Site) -> None:
    """A log that cannot be written keeps the daemon from hearing anything but looks."""
    _refuse_inserts(site.path)
    with pytest.raises(StoreError, match="Nothing was changed"):
        site.engine.create_volume(Volume(name="copy", driver="local"))
    assert site.changes() == []


def test_taking_back_goes_on_without_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """What takes something back is made all the same, and the bot's own log tells of it."""
    _refuse_inserts(site.path)
    with taking_back("7f3a2c1b"), caplog.at_level(logging.CRITICAL):
        site.engine.unpause(DATABASE)
    assert len(site.changes()) == 1
    assert "run 7f3a2c1b takes back by POST /containers/1/unpause" in caplog.text


def test_what_takes_back_is_marked_in_the_log(site: Site) -> None:
    """An undo tells of itself, and of the run whose deed it takes back."""
    with taking_back("7f3a2c1b"):
        site.engine.unpause(DATABASE)
    (line,) = site.audit.lines(limit=9)
    assert (line.event.run_id, line.event.facts["undo"]) == ("7f3a2c1b", True)


@pytest.mark.parametrize(
    ("method", "url", "told"),
    [
        ("GET", "http://x/v1.41/containers/json", None),
        ("HEAD", "http://x/v1.41/containers/1/archive", None),
        ("POST", "http://x/v1.41/auth", None),
        ("POST", "http://x/v1.41/containers/db/wait?condition=removed", None),
        ("POST", "http://x/v1.41/containers/db/pause", "POST /containers/db/pause"),
        ("POST", "http://x/v1.41/exec/7/start", "POST /exec/7/start"),
        ("DELETE", "http://x/v1.41/volumes/pgdata?force=False", "DELETE /volumes/pgdata?force=False"),
        ("PUT", "http://x/containers/1/archive?path=/&x=1", "PUT /containers/1/archive?path=/"),
        (
            "POST",
            "http://x/v1.41/build?buildargs=%7B%22TOKEN%22%3A%22s3cret%22%7D&t=a:b",
            "POST /build?t=a:b",
        ),
    ],
)
def test_what_changes_nothing_is_not_told(method: str, url: str, told: str | None) -> None:
    """Looks, log-ins and waiting are no changes; of the parameters only those are told that say what is changed."""
    call = changing("local", method, url)
    assert (f"{call.method} {call.path}" if call else None) == told


def _refuse_inserts(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'disk full'); END")


def test_many_events_are_one_transaction(site: Site) -> None:
    """Who has several to write gets all or none, in order."""
    event = AuditEvent(
        run_id="",
        kind="head",
        at=datetime.now(UTC),
        actor=from_slack("x").actor,
        origin=from_slack("x").origin,
        channel=None,
        command=None,
        line="",
        host="local",
    )
    site.audit.record(event, event, event)
    assert [line.seq for line in site.audit.lines(limit=9)] == [3, 2, 1]
    assert site.audit.verify().problem is None
