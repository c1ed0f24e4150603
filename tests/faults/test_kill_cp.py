"""kill -9 in the middle of a `cp` into a container: the file is wholly old or wholly new, and the ending is true."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import Status
from tests.contracts.bench import Wanted
from tests.support.dying import Nursery
from tests.support.effort import drawn_seed
from tests.support.house import at_work
from tests.support.process import Site, until
from tests.support.tars import contents
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

POINTS = int(os.environ.get("SHIPKEEPER_POINTS", "2"))
"""How many points of each command line; 0 for all."""
OLD, NEW = b"old\n" * 100, b"new\n" * 50_000


@pytest.fixture
def web(yard: Yard) -> Iterator[str]:
    """A running container with a file in its own layer, and one in a volume."""
    name, volume = f"web-{uuid.uuid4().hex[:8]}", yard.volume("conf", "true")
    (yard.mountpoint(volume) / "app.conf").write_bytes(OLD)
    yard.bench.make(name, Wanted(volumes={volume: "/data"}, files={"/etc/app/app.conf": OLD}))
    yield name
    yard.bench.remove(name)


def in_directory(yard: Yard, container: str, directory: str) -> dict[str, bytes]:
    """The files of a directory in the container, as Docker's own archive has them."""
    chunks, _ = yard.bench.api.get_archive(container, directory)
    return {name.rpartition("/")[2]: data for name, data in contents(b"".join(chunks)).items()}


@pytest.mark.parametrize("place", ["/etc/app/app.conf", "/data/new.conf"])
def test_killed_in_a_copy(
    site: Site, yard: Yard, web: str, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was the last thing it did, the next start leaves one content, and nothing beside it."""
    source = tmp_path / "source"
    source.write_bytes(NEW)
    directory, _, name = place.rpartition("/")
    before = in_directory(yard, web, directory)
    after, endings = {**before, name: NEW}, Counter[str]()
    seed = drawn_seed()
    line = ("cp", str(source), f"{web}:{place}")
    with Nursery() as nursery:
        _, names = nursery.carry_out(site.environment, tmp_path, *line)
        step = max(1, len(names) // POINTS) if POINTS else 1
        numbers = range(1 + random.Random(seed).randrange(step), len(names) + 1, step)
        for number in numbers:
            _undo_newest(site)
            assert in_directory(yard, web, directory) == before
            killed, passed = nursery.carry_out(site.environment, tmp_path, *line, die_at=number)
            assert killed, f"point {number} of {len(names)} was not reached"
            status = _ended(site, yard)
            endings[status.value] += 1
            where = f"killed {passed[-1]} (point {number} of {len(names)}, seed {seed}), ended {status.value}"
            wanted = after if status is Status.SUCCEEDED else before
            assert in_directory(yard, web, directory) == wanted, where
    with capsys.disabled():
        print(f"\ncp to {place}: {len(numbers)} of {len(names)} points (seed {seed}): {dict(endings)}")
    assert endings.keys() <= {"interrupted", "succeeded"}


def _ended(site: Site, yard: Yard) -> Status:
    """Start the product on what the dead process left; how its run ended."""
    with at_work(site.settings(), {}) as house:
        newest = lambda: house.app.services.runs.newest(limit=1)[0]  # noqa: E731
        until(lambda: newest().outcome, seconds=60, saying="the ending of the killed run")
        refuse_untrue_of(house.app, yard)
        return newest().status


def _undo_newest(site: Site) -> None:
    """Take back the newest copy, if it was done."""
    with at_work(site.settings(), {}) as house:
        (run,) = house.app.services.runs.newest(limit=1)
        if run.status is Status.SUCCEEDED and run.command == "cp":
            assert house.say(f"undo {run.id}").status is Status.SUCCEEDED
