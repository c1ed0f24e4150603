"""A restore that is verified, beside putting the bytes back unseen, in turn from backups of the same data."""

from __future__ import annotations

import os

import pytest

from tests.bench.contestants import typed, unpacking
from tests.bench.data import content
from tests.bench.ground import MOUNTED, Filled, Ground, rounds
from tests.bench.ours import RESTORED, done, newest, open_house, profiled, restoring
from tests.bench.report import record

pytestmark = [pytest.mark.bench, pytest.mark.engine]

ROUNDS = int(os.environ.get("SHIPKEEPER_BENCH_ROUNDS", "5"))
HEADS = ("", "seconds: median (least–most)", "MB/s", "shipkeeper ÷ it", "CPU seconds", "steps of one run, s")
MB = 1e6


def test_restoring_a_mix(ground: Ground, mixed: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    """Into new volumes; what we put back is what was there, by a hash of our own over every file."""
    archive = ground.kept / "to-restore.tar.zst"
    typed(ground, f"docker cp {mixed.holder}:{MOUNTED} - | zstd -q -1 -T0 > {archive}", ground.kept)
    with open_house(ground) as house:
        done(house, f"backup {mixed.volume}")
        backup = newest(house, mixed)
        times = rounds([unpacking(ground, archive), restoring(house, ground, backup)], ROUNDS)
        profile = profiled(house, ground, f"restore {backup.manifest.run_id} --into looked-at")
        assert content(ground.adopt("looked-at"), hashed=True) == content(mixed.place, hashed=True)
        ground.remove("looked-at")
        house.app.services.archive.remove(backup)
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
