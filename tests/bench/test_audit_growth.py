"""A million entries of the audit log: how fast it grows, how soon a question is answered, how long verifying takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from bot.model import Actor, Origin
from bot.stores.audit import Audit, AuditEvent
from bot.stores.auditfilter import Filter
from bot.stores.database import Database
from tests.support.migrated import put_database
from tests.support.postgres import cluster

T = TypeVar("T")
pytestmark = pytest.mark.bench

ENTRIES = int(os.environ.get("SHIPKEEPER_BENCH_ENTRIES", "1000000"))
BATCH = 500
SLOWEST_QUESTION = 1.0
SLOWEST_VERIFY = 60.0
SLOWEST_APPEND = 1_000
SINGLE = 300

_KINDS = ("started", "docker", "docker", "succeeded")
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Grown:
    """A full log, and how fast it became so."""

    database: Database
    audit: Audit
    batched_per_second: float


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    """A million entries of 40 people, 300 volumes and three hosts, over a year."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("bench") / "shipkeeper.db"
        put_database(path)
        yield from _grown(f"sqlite:///{path}")
    else:
        with cluster() as server:
            made = Database(server.create("bench"))
            made.migrate()
            made.close()
            yield from _grown(server.create("grown", template="bench"))


def _grown(url: str) -> Iterator[Grown]:
    database = Database(url)
    audit = Audit(database)
    since = time.monotonic()
    for first in range(0, ENTRIES, BATCH):
        audit.record(*map(an_event, range(first, first + BATCH)))
    rate = ENTRIES / (time.monotonic() - since)
    if not database.is_sqlite:
        with database.write() as connection:
            connection.exec_driver_sql("ANALYZE audit")
    yield Grown(database=database, audit=audit, batched_per_second=rate)
    database.close()


def an_event(number: int) -> AuditEvent:
    """One of many; every run has four, of which two are calls to Docker."""
    run, step = divmod(number, 4)
    is_docker = step in (1, 2)
    return AuditEvent(
        run_id=f"{run:08x}",
        kind="denied" if step == 3 and run % 50 == 0 else _KINDS[step],
        at=_DAY + timedelta(seconds=31 * number),
        actor=Actor(id=f"U0{run % 40:04d}", name=f"person{run % 40}"),
        origin=Origin.SLACK,
        channel="C0OPS",
        command=("backup", "verify", "restore")[run % 3],
        line=f"backup volume{run % 300} --quiesce pause",
        host=("alpha", "beta", "gamma")[run % 3],
        targets=() if is_docker else (f"volume:volume{run % 300}", f"container:web{run % 300}"),
        detail="POST /containers/web/pause" if is_docker else "Done, and proven.",
        facts={"took_seconds": 1.25, "plan": "0" * 64} if not is_docker else {},
    )


def test_it_grows_fast_enough(grown: Grown, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand entries a second with batches; and what one transaction for each costs."""
    since = time.monotonic()
    for number in range(SINGLE):
        grown.audit.record(an_event(ENTRIES + number))
    single = SINGLE / (time.monotonic() - since)
    _say(capsys, grown, f"{grown.batched_per_second:.0f}/s in batches of {BATCH}, {single:.0f}/s one by one")
    assert grown.batched_per_second >= SLOWEST_APPEND


FILTERS = {
    "newest": Filter(),
    "by id": Filter(by="U00007"),
    "by name": Filter(by="person7"),
    "nobody": Filter(by="eve"),
    "command": Filter(command="restore"),
    "target": Filter(target="volume:volume17"),
    "target without kind": Filter(target="volume17"),
    "no such target": Filter(target="volume:none"),
    "host": Filter(host="beta"),
    "a day": Filter(since=_DAY + timedelta(days=100), until=_DAY + timedelta(days=101)),
    "ending": Filter(ending="denied"),
    "run": Filter(run_id="00000fff"),
    "all at once": Filter(
        by="person7",
        command="verify",
        target="volume:volume7",
        host="beta",
        ending="succeeded",
        since=_DAY + timedelta(days=30),
        until=_DAY + timedelta(days=300),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_question_is_answered_soon(grown: Grown, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first page with its count, of each filter, takes less than a second."""
    wanted = FILTERS[name]

    def ask() -> tuple[int, int]:
        return grown.audit.count(wanted), len(grown.audit.found(wanted, limit=20))

    took, (count, shown) = _timed(ask)
    _say(capsys, grown, f"{name}: {count} found, {shown} shown in {took * 1000:.0f} ms")
    assert took < SLOWEST_QUESTION


def test_verifying_takes_less_than_a_minute(grown: Grown, capsys: pytest.CaptureFixture[str]) -> None:
    """Every seal of the million is made anew."""
    took, verdict = _timed(grown.audit.verify)
    _say(capsys, grown, f"{verdict.entries} verified in {took:.1f} s")
    assert verdict.problem is None
    assert took < SLOWEST_VERIFY


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    since = time.monotonic()
    answer = call()
    return time.monotonic() - since, answer


def _say(capsys: pytest.CaptureFixture[str], grown: Grown, figures: str) -> None:
    with capsys.disabled():
        print(f"\n{'SQLite' if grown.database.is_sqlite else 'PostgreSQL'}: {figures}")
