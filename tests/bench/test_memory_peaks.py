"""How much memory a served bot needs at most: for many bytes, and for many things."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bot.playground import Playground
from tests.bench import data
from tests.bench.ground import Filled, Ground, Work
from tests.bench.merged import keep
from tests.support import canaries
from tests.support.process import Served, Site, finished

pytestmark = [pytest.mark.bench, pytest.mark.engine]

GIBIBYTES = int(os.environ.get("SHIPKEEPER_BENCH_GIB", "10"))
LONGEST = 3600.0
MB = 1e6
HEADS = ("", "seconds", "CPU seconds of the bot", "memory before, MB", "peak, MB", "what it adds, MB")


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    """What the tests of this module have told so far."""
    return []


def test_many_bytes(ground: Ground, rows: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Ten GiB in files of 64 MiB; they go away at once."""
    filled = ground.volume("large", lambda place: data.large(place, GIBIBYTES))
    _there_and_back(ground, filled, f"{GIBIBYTES} GiB", rows)
    ground.remove(filled.volume)
    _tell(ground, rows, capsys)


def test_many_things(
    ground: Ground, tiny: Filled, rows: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A million files of a few bytes."""
    _there_and_back(ground, tiny, f"{tiny.content.entries:,} entries", rows)
    _tell(ground, rows, capsys)


def _there_and_back(ground: Ground, filled: Filled, what: str, rows: list[list[str]]) -> None:
    """Back it up and restore it, each by a bot that was just started; nothing is lost."""
    into = f"{filled.volume}-back"
    with (
        Playground(credentials=canaries.SLACK) as slack,
        Site(ground.kept / "served", docker_host=ground.url, slack=slack) as site,
    ):
        rows.append([f"backup of {what}", *_peak(site, "backup", filled.volume)])
        backup = site.newest_run()
        rows.append([f"restore of {what}, verified", *_peak(site, "restore", backup, "--into", into)])
        site.refuse_loose_ends()
    assert data.content(ground.adopt(into)) == filled.content
    ground.remove(into)
    ground.discard("served")


def _peak(site: Site, *words: str) -> list[str]:
    """Have a served bot carry out what a shell asks for: seconds there, work here, memory before, peak, between."""
    bot = site.serve().connected()
    before, work = _memory(bot, "VmRSS"), Work(bot.process.pid)
    began = time.monotonic()
    done = finished(site.start(*words), seconds=LONGEST)
    took = time.monotonic() - began
    assert done.returncode == 0, done
    assert site.owner_of(site.newest_run()) == bot.process.pid
    peak, (worked,) = _memory(bot, "VmHWM"), work.since()
    assert bot.stop() == 0
    return [f"{took:.1f}", f"{worked:.1f}", *(f"{size / MB:.0f}" for size in (before, peak, peak - before))]


def _memory(bot: Served, name: str) -> int:
    """Bytes that the kernel has counted for it (proc(5)): VmRSS now, VmHWM at most."""
    lines = Path(f"/proc/{bot.process.pid}/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(found) * 1024


def _tell(ground: Ground, rows: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    table = keep("memory", HEADS, rows, [ground.machine])
    with capsys.disabled():
        print(f"\n{table}")
