"""How long it takes to judge whether somebody was too fast, with a million runs in the database."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.model import Actor, Origin
from bot.pace import Pace
from bot.stores.sent import SentCommands
from tests.stores.bench import Bench
from tests.stores.conftest import database_url, dialect, postgres
from tests.support.house import invocation

__all__ = ["database_url", "dialect", "postgres"]  # fixtures

pytestmark = pytest.mark.bench

OLD = 1_000_000
SLOWEST_MEDIAN = 0.02
_ROWS = """
INSERT INTO runs (id, key, origin, actor_id, actor_name, line, host, lane, status, epoch, revision, created_at)
SELECT {id}, NULL, 'slack', 'U' || n % 50, 'x', 'volumes', 'local', 'front', 'succeeded', 0, 0, {at} FROM ({numbers})
AS numbers
"""
_SQLITE = {
    "id": "printf('%08x', n)",
    "at": "strftime('%Y-%m-%d %H:%M:%f', :now, '-' || n || ' seconds')",
    "numbers": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :old) SELECT n FROM c",
}
_POSTGRESQL = {
    "id": "lpad(to_hex(n), 8, '0')",
    "at": "CAST(:now AS timestamp) - n * interval '1 second'",
    "numbers": "SELECT n FROM generate_series(1, CAST(:old AS integer)) AS n",
}


@pytest.fixture
def bench(database_url: str, dialect: str) -> Iterator[Bench]:
    """A database with a million older runs of fifty people, one a second."""
    made = Bench(database_url)
    words = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    with made.database.write() as connection:
        given = {"now": f"{made.now:%Y-%m-%d %H:%M:%S}", "old": OLD}
        connection.execute(text(_ROWS.format(**words)), given)
    yield made
    made.close()


def test_judging_is_cheap_with_a_million_runs(
    bench: Bench, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A verdict takes milliseconds, also in a minute in which 2,000 commands came."""
    pace = Pace(SentCommands(bench.database), lambda actor: actor.id, 1000)
    for number in range(2000):
        bench.submit(
            invocation(
                "volumes", actor=Actor(id=f"U{number % 50}", name="x"), origin=Origin.SLACK, at=bench.now
            )
        )
        bench.now += timedelta(milliseconds=20)
    run = bench.submit(
        invocation("volumes", actor=Actor(id="U1", name="x"), origin=Origin.SLACK, at=bench.now)
    )
    took = []
    for _ in range(200):
        began = time.perf_counter()
        pace.check(run)
        took.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n{dialect}: median {statistics.median(took) * 1e3:.2f} ms, slowest {max(took) * 1e3:.2f} ms")
    assert statistics.median(took) < SLOWEST_MEDIAN
