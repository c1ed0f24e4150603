"""What a message says of a backup while it grows, and how soon a cancel ends it: measured against the true bytes."""

from __future__ import annotations

import os
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest

from bot.playground import Message
from tests.support.cutting_proxy import CuttingProxy
from tests.support.process import Site, until
from tests.support.yard import Yard, refuse_anything_untrue

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slack]

MEBIBYTES = int(os.environ.get("SHIPKEEPER_PROGRESS_MIB", "60"))
HELD_AT = tuple(MEBIBYTES * share // 100 for share in (35, 70))
CANCELLED_WITHIN_SECONDS = 5.0 if "PYTEST_XDIST_WORKER" not in os.environ else 20.0
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
SHOWN = re.compile(r"copying · ([\d.e+]+) (B|kB|MB|GB) of ([\d.e+]+) (B|kB|MB|GB)")


@pytest.fixture
def large(yard: Yard) -> str:
    """A volume of so many MiB that cannot be compressed."""
    return yard.volume("large", f"dd if=/dev/urandom of=big bs=1048576 count={MEBIBYTES} 2>/dev/null")


def shown_in(message: Message) -> tuple[float, float]:
    """The bytes that the message says are done, and how many it says there are; zeros while it says nothing."""
    found = SHOWN.search(str(message.blocks))
    if found is None:
        return 0.0, 0.0
    done, done_unit, total, total_unit = found.groups()
    return float(done) * UNITS[done_unit], float(total) * UNITS[total_unit]


def test_progress_is_true_and_a_cancel_ends_it_soon(
    site: Site, yard: Yard, large: str, short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held back at known bytes, the message shows them within 2 %; edits are 2 s apart; a cancel takes seconds."""
    assert site.slack is not None
    user = yard.user("user", large)
    worst = 0.0
    with CuttingProxy(yard.url, short_path / "docker.sock") as proxy:
        site.environment["DOCKER_HOST"] = proxy.url
        proxy.hold_at = HELD_AT[0] << 20
        bot = site.serve().connected()
        run_id = bot.backing_up(f"{large} --quiesce pause")
        for place in HELD_AT:
            proxy.hold_at = place << 20
            until(lambda place=place: proxy.passed >= place << 20, seconds=120, saying="the bytes")
            true = proxy.passed
            until(
                lambda true=true: abs(shown_in(site.messages_of(run_id)[0])[0] / true - 1) < 0.02,
                seconds=30,
                saying=f"{true} bytes in the message",
            )
            done, total = shown_in(site.messages_of(run_id)[0])
            worst = max(worst, abs(done / true - 1), abs(total / (MEBIBYTES << 20) - 1))
        (message,) = site.messages_of(run_id)
        began = time.monotonic()
        site.slack.press(message, "Cancel")
        until(lambda: site.has_ended(run_id), seconds=60, saying="the ending")
        took = time.monotonic() - began
        until(lambda: site.told(run_id), seconds=30, saying="the telling")
        assert bot.stop() == 0
    assert (site.status_of(run_id), yard.state(user)) == ("cancelled", "running")
    calls = [one for one in site.slack.world.calls() if one.method in ("chat.update", "chat.postMessage")]
    gaps = [later.at - earlier.at for earlier, later in pairwise(calls)]
    site.refuse_told_twice(run_id)
    site.refuse_loose_ends()
    refuse_anything_untrue(site, yard)
    with capsys.disabled():
        print(
            f"\n{MEBIBYTES} MiB: shown at most {worst:.1%} off, edits at least {min(gaps):.1f} s apart, "
            f"cancelled after {took:.1f} s"
        )
    assert worst < 0.02
    assert min(gaps) >= 1.9
    assert took < CANCELLED_WITHIN_SECONDS
