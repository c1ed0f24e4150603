"""A restore that is verified, beside putting the bytes back unseen, in turn from backups of the same data."""

from __future__ import annotations

import os

import pytest

from tests.bench.contestants import typed, unpacking
from tests.bench.data import content
from tests.bench.ground import MOUNTED, Filled, Ground, rounds
from tests.bench.ours import RESTORED, open_house
from tests.bench.report import record

pytestmark = [pytest.mark.bench, pytest.mark.engine]

ROUNDS = int(os.environ.get("SHIPKEEPER_BENCH_ROUNDS", "5"))
HEADS = (
    "",
    "seconds: median (least–most)",
    "MB/s",
    "shipkeeper ÷ it",
    "CPU seconds",
    "steps of the last run, s",
)
MB = 1e6


def test_restoring_a_mix(ground: Ground, mixed: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    """Into new volumes; what we put back is what was there, by a hash of our own over every file."""
    archive = ground.kept / "to-restore.tar.zst"
    typed(ground, f"docker cp {mixed.holder}:{MOUNTED} - | zstd -q -1 -T0 > {archive}", ground.kept)
    there = content(mixed.place, hashed=True)
    seen = []
    with open_house(ground) as ours:
        ours.done(f"backup {mixed.volume}")
        mine = ours.restoring(ours.newest(mixed), lambda place: seen.append(content(place, hashed=not seen)))
        times = rounds([unpacking(ground, archive), mine], ROUNDS)
        profile = ours.last
        ours.forget(mixed)
    assert seen[0] == there
    assert {(one.entries, one.bytes) for one in seen} == {(there.entries, there.bytes)}
    archive.unlink()
    rows = [
        [
            name,
            one.spread,
            f"{mixed.content.bytes / MB / one.wall:.0f}",
            f"{times[RESTORED].wall / one.wall:.2f}",
            f"{one.work:.1f}",
            profile.told if name == RESTORED else "",
        ]
        for name, one in times.items()
    ]
    size = f"{mixed.content.bytes / MB:.0f} MB, {mixed.content.entries:,} entries"
    table = record("restore", HEADS, rows, [f"The mix, {size}; {ROUNDS} rounds. {ground.machine}"])
    with capsys.disabled():
        print(f"\n{table}")
