"""Two shells at a time on one volume, some of them killed: their runs never overlap, and nobody holds it in the end."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.dying import Nursery
from tests.support.effort import drawn_seed
from tests.support.house import at_work
from tests.support.process import Site, until
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

ROUNDS = int(os.environ.get("SHIPKEEPER_ROUNDS", "3"))
_LATEST_POINT = 60


@pytest.fixture
def nurseries() -> Iterator[tuple[Nursery, Nursery]]:
    """Where the processes of both sides come from."""
    with Nursery() as one, Nursery() as other:
        yield one, other


def any_line(chance: random.Random, volume: str, backup: str) -> list[str]:
    """A command line on the volume, that may or may not wait for its turn."""
    line = chance.choice(
        [
            ["backup", volume],
            ["backup", volume, "--quiesce", "pause"],
            ["verify", backup],
            ["restore", backup, "--replace"],
            ["prune", volume],
            ["drill", volume],
        ]
    )
    waits = chance.random() < 0.5
    return [*line, "--wait"] if waits else line


def refuse_overlaps(site: Site) -> int:
    """Fail if a run began before the one before it had ended; how many runs began.

    The audit log decides: its lines are written in the transactions that take the targets and free them, in line.
    """
    begun, at_work = 0, ""
    for line in site.rows("SELECT run_id, kind FROM audit ORDER BY seq"):
        if line["kind"] == "started":
            assert not at_work, f"run {line['run_id']} began beside {at_work}"
            begun, at_work = begun + 1, line["run_id"]
        elif line["run_id"] == at_work:
            at_work = ""
    return begun


def test_two_processes_on_one_volume_never_overlap_and_a_killed_one_frees_it(
    site: Site,
    yard: Yard,
    nurseries: tuple[Nursery, Nursery],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the two ask, whoever of them dies, one run follows the other, and each has one true ending."""
    seed = drawn_seed()
    chance = random.Random(seed)
    volume = yard.volume("shared", "mkdir d && echo rows > d/a")
    user = yard.user("user", volume)
    assert site.say("backup", volume).returncode == 0
    (manifest,) = site.files(".manifest.json")
    backup = manifest.name.removesuffix(".manifest.json")
    scratches = [tmp_path / "one", tmp_path / "other"]
    for scratch in scratches:
        scratch.mkdir()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            asked = [
                pool.submit(
                    nursery.carry_out,
                    site.environment,
                    scratch,
                    *any_line(chance, volume, backup),
                    die_at=chance.randrange(_LATEST_POINT) if chance.random() < 0.3 else 0,
                    may_fail=True,
                )
                for nursery, scratch in zip(nurseries, scratches, strict=True)
            ]
            for one in asked:
                one.result(timeout=90)
    with at_work(site.settings(), {}) as house:
        until(lambda: not site.rows("SELECT id FROM runs WHERE ended_at IS NULL"), seconds=60)
        until(lambda: not site.rows("SELECT run_id FROM run_targets"), saying="the freeing of the targets")
        assert yard.state(user) == "running"
        refuse_untrue_of(house.app, yard)
    count = refuse_overlaps(site)
    endings = Counter(row["status"] for row in site.rows("SELECT status FROM runs"))
    assert endings["failed"] == 0, site.rows("SELECT line, reply FROM runs WHERE status = 'failed'")[0][
        "reply"
    ]
    with capsys.disabled():
        print(f"\n{ROUNDS} rounds of two shells (seed {seed}): {count} runs began, {dict(endings)}")
