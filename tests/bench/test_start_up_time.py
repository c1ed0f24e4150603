"""How long the program takes to start: what a shell waits for, and a bot with ten thousand runs behind it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from bot.model import Reply
from bot.playground import Playground
from bot.stores.ended import Ended, record_all_ended
from bot.stores.schema import messages
from tests.bench.report import record
from tests.stores.bench import Bench
from tests.support import canaries
from tests.support.house import invocation
from tests.support.process import Site

pytestmark = pytest.mark.bench

RUNS = int(os.environ.get("SHIPKEEPER_START_RUNS", "10000"))
TIMES = int(os.environ.get("SHIPKEEPER_START_TIMES", "10"))
LIMITS = {"--version": 0.3, "--help": 0.3}
"""Seconds, of the median, on a machine that has nothing else to do; asserted with `SHIPKEEPER_START_LIMITS=1` only."""
LONGEST_READY = 2.0
_HOW = f"Whole processes, {TIMES} starts each, five of `serve`. No Docker answers; no bot serves the shell."
_told: dict[str, str] = {}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A state with ten thousand runs, each with its entries and its message; no Docker answers."""
    with (
        Playground(credentials=canaries.SLACK) as slack,
        Site(tmp_path / "state", docker_host=f"unix://{tmp_path}/nobody.sock", slack=slack) as made,
    ):
        bench = Bench(made.settings().database_url)
        with bench.database.write() as connection:
            asked = invocation("backups", at=bench.now - timedelta(days=1))
            ended = [
                Ended(invocation=asked, host="local", reply=Reply(text="These."), command="backups")
            ] * RUNS
            ids = record_all_ended(connection, bench.audit, ended, bench.now)
            connection.execute(
                insert(messages),
                [
                    {"run_id": run_id, "channel": "C0OPS", "user": "U0ANN", "ts": "1.1", "sent_revision": 0}
                    for run_id in ids
                ],
            )
            connection.execute(text("UPDATE messages SET closed = true"))
        bench.close()
        yield made


def test_a_shell_does_not_wait(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The median of some starts each, in processes of their own."""
    told = {}
    for words in ("--version", "--help", "complete -- backup x", "whoami", "runs"):
        told[words] = statistics.median(_took(site, words.split()) for _ in range(TIMES))
    told["python -c pass"] = statistics.median(_python() for _ in range(TIMES))
    _told.update({f"`{words}`": f"{seconds * 1e3:.0f} ms" for words, seconds in told.items()})
    _show(capsys)
    if os.environ.get("SHIPKEEPER_START_LIMITS"):
        assert {words: told[words] for words, limit in LIMITS.items() if told[words] > limit} == {}


def test_a_bot_serves_soon(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """From the start of the process until Slack can send it commands, with the runs there."""
    took = []
    for _ in range(5):
        began = time.monotonic()
        bot = site.serve().connected()
        took.append(time.monotonic() - began)
        bot.stop()
    _told[f"`serve`, until Slack can send it commands, with {RUNS:,} runs"] = (
        f"{statistics.median(took) * 1e3:.0f} ms"
    )
    _show(capsys)
    if os.environ.get("SHIPKEEPER_START_LIMITS"):
        assert statistics.median(took) < LONGEST_READY


def _show(capsys: pytest.CaptureFixture[str]) -> None:
    table = record("start-up", ["what is started", "median"], list(_told.items()), [_HOW])
    with capsys.disabled():
        print(f"\n{table}")


def _took(site: Site, words: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=Path(__file__).parents[2],
        env=site.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return time.monotonic() - began


def _python() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=60)
    return time.monotonic() - began
