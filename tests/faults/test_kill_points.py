"""kill -9 at named points of backups and restores: everybody who ran runs again, nothing is half done, no lie is told.

Every call that changes something is a point before and a point after. `make campaign` takes all of them, `make test`
a part, spread evenly from a random beginning.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import Status
from tests.support.corpus import Seen, differences, walk
from tests.support.dying import Nursery
from tests.support.effort import drawn_seed
from tests.support.house import House, at_work
from tests.support.process import Site, until
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

POINTS = int(os.environ.get("SHIPKEEPER_POINTS", "2"))
"""How many points of each command line; 0 for all."""
AWAKE_WITHIN_SECONDS = 30.0
Tree = dict[bytes, Seen]


class Workload:
    """A volume with one content in a backup and another one now, two containers that run and one that does not."""

    def __init__(self, site: Site, yard: Yard) -> None:
        self.site, self.yard = site, yard
        self.volume = yard.volume(
            "points", "mkdir d && echo old > d/a && ln d/a b && chown 70:70 . && chmod 2750 ."
        )
        self.running = [yard.user(name, self.volume) for name in ("db", "web")]
        self.idle = yard.user("idle", self.volume)
        yard.bench.api.stop(self.idle, timeout=0)
        done = site.say("backup", self.volume, "--quiesce", "stop", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        (manifest,) = site.files(".manifest.json")
        self.backup = manifest.name.removesuffix(".manifest.json")
        self.saved = self.tree()
        self.change()

    def tree(self) -> Tree:
        """What the volume holds."""
        return walk(self.yard.mountpoint(self.volume))

    def change(self) -> None:
        """Give the volume the content that is in no backup, whatever it holds."""
        place = self.yard.mountpoint(self.volume)
        for name in ("d/a", "b", "d/c", "new"):
            (place / name).unlink(missing_ok=True)
        (place / "d").mkdir(exist_ok=True)
        (place / "new").write_text("in no backup")
        (place / "d/c").write_text("nor this")
        place.chmod(0o755)
        self.present = self.tree()

    def refuse_half(self) -> None:
        """Fail unless the volume holds one content or the other, wholly, and its own directory nothing more."""
        found = self.tree()
        wrong = [differences(one, found) for one in (self.present, self.saved)]
        assert {} in wrong, f"neither the old content nor the new one: {wrong}"
        beside = sorted(path.name for path in self.yard.mountpoint(self.volume).parent.iterdir())
        assert beside == ["_data"], f"left beside the volume's files: {beside}"

    def refuse_asleep(self) -> None:
        """Fail unless the running ones run again in time, and the idle one was left alone."""
        until(
            lambda: {self.yard.state(one) for one in self.running} == {"running"},
            seconds=AWAKE_WITHIN_SECONDS,
            saying="the return of those that ran",
        )
        assert self.yard.state(self.idle) == "exited"


@pytest.fixture
def workload(site: Site, yard: Yard) -> Workload:
    """The workload, in a site of its own."""
    return Workload(site, yard)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Where the processes come from that die."""
    with Nursery() as made:
        yield made


def come_back(workload: Workload) -> Status:
    """Start the product on what the dead process left; how its run ended."""
    with at_work(workload.site.settings(), {}) as house:
        began = time.monotonic()
        run = until(lambda: _ended(house), seconds=60, saying="the ending of the killed run")
        workload.refuse_asleep()
        assert time.monotonic() - began < AWAKE_WITHIN_SECONDS
        refuse_untrue_of(house.app, workload.yard)
        listed = {backup.manifest.run_id for backup in house.app.services.archive.backups()}
        if run.status is Status.INTERRUPTED and run.command == "backup":
            assert run.id not in listed
        return run.status


def _ended(house: House):  # type: ignore[no-untyped-def]
    (run,) = house.app.services.runs.newest(limit=1)
    return run if run.outcome is not None else None


@pytest.mark.parametrize(
    "words",
    [
        "backup VOLUME --quiesce pause",
        "backup VOLUME --quiesce stop",
        "restore BACKUP",
        "restore BACKUP --replace",
    ],
)
def test_killed_at_named_points(
    workload: Workload, nursery: Nursery, tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was the last thing it did, the next start makes it whole, and the run's ending is true."""
    line = words.replace("VOLUME", workload.volume).replace("BACKUP", workload.backup).split()
    environment = workload.site.environment
    _, names = nursery.carry_out(environment, tmp_path, *line)
    seed = drawn_seed()
    step = max(1, len(names) // POINTS) if POINTS else 1
    numbers = range(1 + random.Random(seed).randrange(step), len(names) + 1, step)
    endings: Counter[str] = Counter()
    for number in numbers:
        _forget_restored(workload)
        workload.change()
        killed, passed = nursery.carry_out(environment, tmp_path, *line, die_at=number)
        assert killed, f"point {number} of {len(names)} was not reached; passed {passed}"
        ending = come_back(workload)
        endings[ending.value] += 1
        where = f"killed {passed[-1]} (point {number} of {len(names)}, seed {seed}), ended {ending.value}"
        try:
            workload.refuse_half()
            is_done = ending is Status.SUCCEEDED
            if "--replace" in line:
                assert is_done == (not differences(workload.saved, workload.tree())), "the ending is not true"
            else:
                assert not differences(workload.present, workload.tree()), "a volume was touched"
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error
    with capsys.disabled():
        print(f"\n{words}: {len(numbers)} of {len(names)} points (seed {seed}): {dict(endings)}")
    assert endings.keys() <= {"interrupted", "succeeded"}


def _forget_restored(workload: Workload) -> None:
    """Restored copies of earlier rounds are not part of what is tested."""
    api = workload.yard.bench.api
    for raw in api.volumes(filters={"name": f"{workload.volume}-restored"})["Volumes"] or ():
        api.remove_volume(raw["Name"])
