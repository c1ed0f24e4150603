"""kill -9 at named points of snapshots and of their restores: nobody stays paused, no stray image or clone is left.

As in test_kill_points.py: `make campaign` takes every point, `make test` a few, spread evenly from a random beginning.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine.snapshot_contract import SNAPSHOT_LABEL
from bot.model import Status
from bot.stores.runrow import Run
from tests.support.dying import Nursery
from tests.support.effort import drawn_seed
from tests.support.house import House, at_work
from tests.support.process import Site, until
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

POINTS = int(os.environ.get("SHIPKEEPER_POINTS", "2"))
"""How many points of each command line; 0 for all."""


class Workload:
    """A running container with a volume, and what the engine has that came of it."""

    def __init__(self, site: Site, yard: Yard) -> None:
        self.site, self.yard, self.api = site, yard, yard.bench.api
        self.volume = yard.volume("snap", "echo in the volume > a")
        self.name = yard.user("web", self.volume)

    def images(self) -> dict[str, list[str]]:
        """The run that committed it -> its names, for every image of a snapshot of the container."""
        found = self.api.images(filters={"label": f"{SNAPSHOT_LABEL}.container={self.name}"})
        return {raw["Labels"][SNAPSHOT_LABEL]: raw["RepoTags"] or [] for raw in found}

    def clones(self) -> list[str]:
        """The containers that were made of its snapshots, in any state."""
        listed = self.api.containers(all=True, filters={"name": f"{self.name}-restored"})
        return [raw["Names"][0].removeprefix("/") for raw in listed]

    def volumes(self) -> list[str]:
        """The volumes that were restored for them."""
        found = self.api.volumes(filters={"name": f"{self.volume}-restored"})["Volumes"] or ()
        return [raw["Name"] for raw in found]

    def forget_clones(self) -> None:
        """Those of earlier rounds are not part of what is tested."""
        for name in self.clones():
            self.api.remove_container(name, force=True)
        for name in self.volumes():
            self.api.remove_volume(name)

    def forget(self) -> None:
        """Remove everything."""
        self.forget_clones()
        for raw in self.api.images(filters={"label": f"{SNAPSHOT_LABEL}.container={self.name}"}):
            self.api.remove_image(raw["Id"], force=True)


@pytest.fixture
def workload(site: Site, yard: Yard) -> Iterator[Workload]:
    """The workload, in a site of its own."""
    made = Workload(site, yard)
    yield made
    made.forget()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Where the processes come from that die."""
    with Nursery() as made:
        yield made


def _come_back(workload: Workload) -> Run:
    """Start the product on what the dead process left; its run, once that has ended, and nothing is left half done."""
    with at_work(workload.site.settings(), {}) as house:
        until(
            lambda: workload.yard.state(workload.name) == "running",
            seconds=30,
            saying="the waking of the container",
        )
        run = until(lambda: _ended(house), seconds=90, saying="the ending of the killed run")
        assert workload.yard.state(workload.name) == "running"
        refuse_untrue_of(house.app, workload.yard)
        return run


_STEPS_SAVED = 2


def _ended(house: House) -> Run | None:
    (run,) = house.app.services.runs.newest(limit=1)
    return run if run.outcome is not None else None


def _refuse_untrue_snapshot(workload: Workload, run: Run, before: set[str]) -> None:
    """An image, with a name, if the run says that it made one; else none."""
    images = workload.images()
    wanted = before | {run.id} if run.status is Status.SUCCEEDED else before
    assert images.keys() == wanted, f"images of the runs {sorted(images)}, and it ended {run.status}"
    assert all(images.values()), f"an image without a name: {images}"
    assert run.outcome is not None
    text = run.outcome.reply.text
    assert ("is now also the image" in text) == (run.status is Status.SUCCEEDED), text


def _refuse_untrue_clone(workload: Workload, run: Run) -> None:
    """A running clone with its volume if the run says so; else neither."""
    wanted = 1 if run.status is Status.SUCCEEDED else 0
    assert (len(workload.clones()), len(workload.volumes())) == (wanted, wanted), f"it ended {run.status}"
    assert {workload.yard.state(name) for name in workload.clones()} <= {"running"}


@pytest.mark.parametrize("words", ["snapshot NAME", "snapshot NAME --with-volumes", "restore SNAPSHOT"])
def test_killed_at_named_points(
    workload: Workload, nursery: Nursery, tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was the last thing it did, the next start wakes the container, and the run's ending is true."""
    environment, is_restore = workload.site.environment, words.startswith("restore")
    if is_restore:
        nursery.carry_out(environment, tmp_path, "snapshot", workload.name, "--with-volumes")
    snapshot = next(iter(workload.images()), "")
    line = words.replace("NAME", workload.name).replace("SNAPSHOT", snapshot).split()
    _, names = nursery.carry_out(environment, tmp_path, *line)
    seed = drawn_seed()
    step = max(1, len(names) // POINTS) if POINTS else 1
    numbers = range(1 + random.Random(seed).randrange(step), len(names) + 1, step)
    endings: Counter[str] = Counter()
    missed: list[int] = []
    for number in numbers:
        workload.forget_clones()
        before = set(workload.images())
        killed, passed = nursery.carry_out(environment, tmp_path, *line, die_at=number)
        if not killed:  # what is there from before may save it a step: then it came to its end
            missed.append(number)
            assert len(names) - len(passed) <= _STEPS_SAVED, (
                f"point {number} was not reached; passed {passed}"
            )
            continue
        run = _come_back(workload)
        endings[run.status.value] += 1
        try:
            if is_restore:
                _refuse_untrue_clone(workload, run)
            else:
                _refuse_untrue_snapshot(workload, run, before)
        except AssertionError as error:
            where = f"killed {passed[-1]} (point {number} of {len(names)}, seed {seed})"
            raise AssertionError(f"{where}: {error}") from error
    with capsys.disabled():
        print(
            f"\n{words}: {len(numbers) - len(missed)} of {len(names)} points (seed {seed}): {dict(endings)}"
        )
    assert endings.keys() <= {"interrupted", "succeeded"}
