"""A scrape after a hundred thousand runs: what the first one costs, which adds everything up, and every other one."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bot.metrics import ACK_SECONDS, Histogram
from bot.metrics.gathering import Known, Metrics
from bot.model import Status
from bot.stores.database import Database
from bot.stores.runrow import Lane
from bot.stores.schema import audit, runs
from bot.stores.tallies import Tallies
from bot.web.exposition import exposed
from tests.support.migrated import put_database

pytestmark = pytest.mark.bench

RUNS = 100_000
COMMANDS = ("backup", "verify", "prune", "volumes", "runs")
ENDINGS = ("succeeded", "succeeded", "succeeded", "failed", "partial")
SLOWEST_FIRST = 8.0
SLOWEST = 0.1
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_scrape_costs_the_same_after_many_runs(tmp_path: Path) -> None:
    """The first may take seconds, the others milliseconds."""
    put_database(tmp_path / "shipkeeper.db")
    database = Database(f"sqlite:///{tmp_path / 'shipkeeper.db'}")
    _fill(database)
    taken = {("local", f"volume-{number:04}"): _DAY for number in range(1_000)}
    acks = Histogram(ACK_SECONDS)
    metrics = Metrics(
        Tallies(database), Known(commands=COMMANDS, taken=lambda: taken, acks=acks, clock=lambda: _DAY)
    )
    first, took, text = 0, [], b""
    for _ in range(20):
        since = time.monotonic()
        text = exposed(dict, metrics.families)
        took.append(time.monotonic() - since)
        first += b"shipkeeper_runs_total" not in text
    caught_up, rest = took[: first + 1], sorted(took[first + 1 :])
    past = f"{len(caught_up)} scrapes, {sum(caught_up):.2f} s, the longest {max(caught_up):.2f} s"
    usual = f"{rest[len(rest) // 2] * 1e3:.1f} ms (slowest {rest[-1] * 1e3:.1f} ms), {len(text)} bytes"
    print(f"\nthe past in {past}; then {usual}")
    counts = [line for line in text.decode().splitlines() if line.startswith("shipkeeper_runs_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counts) == RUNS
    assert max(caught_up) < SLOWEST_FIRST
    assert rest[len(rest) // 2] < SLOWEST
    database.close()


def _fill(database: Database) -> None:
    for first in range(0, RUNS, 5_000):
        numbers = range(first, first + 5_000)
        with database.write() as connection:
            connection.execute(insert(runs), [_run(number) for number in numbers])
            connection.execute(insert(audit), [line for number in numbers for line in _lines(number)])


def _run(number: int) -> dict[str, object]:
    at = _DAY + timedelta(minutes=number)
    reply = {"text": "It is over." * 20, "facts": {"raw_bytes": number * 1_000_003}, "status": "succeeded"}
    return {
        "id": f"{number:08x}",
        "origin": "cli",
        "actor_id": "cli:ann",
        "actor_name": "ann",
        "line": "backup pgdata",
        "command": COMMANDS[number % 5],
        "host": "local",
        "lane": Lane.WORK.value,
        "status": Status.SUCCEEDED.value,
        "epoch": 1,
        "revision": 4,
        "plan": {"text": "Back it up." * 20, "targets": [], "steps": []},
        "reply": reply,
        "created_at": at,
        "started_at": at,
        "ended_at": at + timedelta(seconds=number % 600),
    }


def _lines(number: int) -> list[dict[str, object]]:
    shared: dict[str, object] = {
        "at": _DAY + timedelta(minutes=number),
        "run_id": f"{number:08x}",
        "actor_id": "cli:ann",
        "actor_name": "ann",
        "origin": "cli",
        "command": COMMANDS[number % 5],
        "line": "backup pgdata",
        "host": "local",
        "targets": "[]",
        "detail": "so" * 100,
        "hash": "0" * 64,
        "format": 2,
    }
    facts = json.dumps({"took_seconds": float(number % 600)})
    return [
        {**shared, "seq": 2 * number + 1, "kind": "started", "facts": "{}"},
        {**shared, "seq": 2 * number + 2, "kind": ENDINGS[number // 5 % 5], "facts": facts},
    ]
