"""Twenty commands a second for a minute: how soon they are acknowledged and ended, and that nothing grows or lost."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.bench.loading import SLACK_HEADS, Ours, Took, acked, filled, ms, number, shouted
from tests.bench.merged import keep
from tests.support.yard import Yard

pytestmark = pytest.mark.bench

SECONDS = number("SHIPKEEPER_SUSTAINED_SECONDS", 60)
A_SECOND = number("SHIPKEEPER_SUSTAINED_RATE", 20)
_LINES = (
    "runs --mine",
    "volumes",
    "backups",
    "help restore",
    "bakcup pgdata",
    "whoami",
    "containers",
    "audit",
)


def test_twenty_commands_a_second(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All are acknowledged in time, end once and are told; Slack's limits are kept meanwhile."""
    filled(yard, "small", 1)
    commands = [("/docker", _LINES[place % len(_LINES)]) for place in range(SECONDS * A_SECOND)]
    with Ours(tmp_path / "ours", yard) as ours:
        acked(shouted(ours.slack, 1, commands[:A_SECOND]))
        ours.ended()
        ours.told()
        before = ours.rss_mib
        said = shouted(ours.slack, SECONDS, commands)
        took = acked(said)
        last = time.monotonic()
        ours.ended()
        lag = lags(ours)
        ours.told()
        told, after = time.monotonic() - last, ours.rss_mib
        ours.refuse_lost(said)
    what = f"{A_SECOND} commands a second for {SECONDS} s"
    rows = [[f"{what}: acknowledged", *map(ms, took.three)], [f"{what}: ended", *map(ms, lag.three)]]
    note = (
        f"Resident memory before and after {what}: {before:.0f} MiB and {after:.0f} MiB. The last of "
        f"{len(said)} answers was told {told:.1f} s after the last command."
    )
    with capsys.disabled():
        print("\n" + keep("slack", SLACK_HEADS, rows, [note]))


def lags(ours: Ours) -> Took:
    """Seconds from each command's arrival to its ending."""
    ended = ours.site.rows("SELECT created_at, ended_at FROM runs")
    seconds = [
        (datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(row["created_at"])).total_seconds()
        for row in ended
    ]
    return Took(tuple(sorted(seconds)))
