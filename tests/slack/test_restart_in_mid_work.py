"""The bot stops and starts anew while many runs are at work or wait: every message comes to its true end soon."""

from __future__ import annotations

import os
import time

import pytest

from bot.model import Status
from tests.slack.reading import buttons_of, signature_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

RUNS = 20
TRUE_WITHIN_SECONDS = 10.0 if "PYTEST_XDIST_WORKER" not in os.environ else 40.0
"""Alone; beside three other test processes on two cores all takes several times as long."""


def test_a_restart_during_twenty_runs(closed: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """What was at work or waited is told as interrupted, or was carried out; no message stays behind or lies."""
    for number in range(RUNS):
        closed.engine.add_volume(f"many{number}", {"file": b"rows" * 500})
    closed.open()
    with closed.stalled_reads():
        deliveries = [closed.slash("/backup", f"many{number}", channel="C0OPS") for number in range(RUNS)]
        wait_for(lambda: len(closed.world.messages("C0OPS")) >= RUNS, seconds=60, saying="every plan")
        closed.close()
    began = time.monotonic()
    closed.open()
    try:
        closed.wait_until_quiet(seconds=60)
        took = time.monotonic() - began
        endings = [closed.run_of(delivery).status for delivery in deliveries]
        assert set(endings) <= {Status.SUCCEEDED, Status.INTERRUPTED}
        for message in closed.world.messages("C0OPS"):
            assert "Cancel" not in buttons_of(message), signature_of(message)
        closed.refuse_untrue()
        with capsys.disabled():
            counts = {status.value: endings.count(status) for status in set(endings)}
            print(f"\n{RUNS} runs over a restart: {counts}; every message true {took:.1f} s after the start")
        assert took < TRUE_WITHIN_SECONDS
    finally:
        closed.close()
