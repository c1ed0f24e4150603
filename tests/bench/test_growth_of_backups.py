"""Backup, restore and verify against the size of a volume and the number of its entries: time, work and memory.

Each command is a process of its own on a real engine. `SHIPKEEPER_GROWTH_BYTES` and `SHIPKEEPER_GROWTH_ENTRIES` say at
which sizes, with commas between. Volumes are filled from outside, so it needs root on the engine's machine.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.child import Took, carried_out
from tests.bench.growth import Axis, Grown, count, gigabytes, kept, megabytes, seconds, sizes_of
from tests.support.engine_available import require_engine
from tests.support.process import Site
from tests.support.yard import Yard

pytestmark = pytest.mark.bench

BYTES = sizes_of("SHIPKEEPER_GROWTH_BYTES", "1e8,1e9,1e10")
ENTRIES = sizes_of("SHIPKEEPER_GROWTH_ENTRIES", "1e3,1e4,1e5,1e6")
_FILE = 50_000_000
_PIECE = 1 << 20
_A_DIRECTORY = 1_000
_WORDS = b"the quick brown fox jumps over the lazy dog and writes another line of the log 0123456789\n"


class Figures:
    """What is measured, kept and drawn after the last test."""

    def __init__(self) -> None:
        size, entries = Axis(name="size", written=gigabytes), Axis(name="entries", written=count)
        self.time = {axis.name: Grown(axis=axis, unit=seconds) for axis in (size, entries)}
        self.memory = {axis.name: Grown(axis=axis, unit=megabytes) for axis in (size, entries)}

    def note(self, axis: str, size: int, command: str, took: Took) -> None:
        """One command at one size."""
        self.time[axis].note(size, {command: took.wall, f"{command}, processor": took.work})
        self.memory[axis].note(size, {command: took.peak})

    def keep(self) -> str:
        """Both tables, as they will stand on the page."""
        for axis in ("size", "entries"):
            if self.time[axis].points:
                self.time[axis].picture(axis, f"Time against {axis}", ("backup", "restore", "verify"))
                self.memory[axis].picture(f"memory-{axis}", f"Peak of memory (VmHWM) against {axis}")
        told = "Each command was a process of its own; what Docker's daemon worked and took is not counted."
        tables = [
            kept(name, [grown for grown in of.values() if grown.points], (told,))
            for name, of in (("growth", self.time), ("growth-memory", self.memory))
        ]
        return "\n".join(tables)


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    """Collects, and at the end keeps and prints."""
    made = Figures()
    yield made
    print(f"\n{made.keep()}")


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine that answers."""
    if os.geteuid() != 0:
        pytest.skip("filling volumes from outside needs root")
    made = Yard(require_engine())
    yield made
    for volume in made.volumes:
        _empty(made.mountpoint(volume))
    made.close()


@pytest.fixture(scope="module")
def site(yard: Yard) -> Iterator[Site]:
    """A state directory with its archive, on a real file system; both are gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="skg-", dir="/var/tmp"))
    with Site(place / "state", docker_host=yard.url) as made:
        yield made
    shutil.rmtree(place)


def test_time_and_memory_against_size(yard: Yard, site: Site, figures: Figures) -> None:
    """Files of 50 MB, of which half can be compressed."""
    volume = yard.volume("sizes")
    for size in BYTES:
        _grow(figures, "size", size, lambda place, size=size: _to_bytes(place, size), (yard, site, volume))


def test_time_and_memory_against_entries(yard: Yard, site: Site, figures: Figures) -> None:
    """Files of some bytes, a thousand a directory."""
    volume = yard.volume("entries")
    for size in ENTRIES:
        _grow(
            figures, "entries", size, lambda place, size=size: _to_entries(place, size), (yard, site, volume)
        )


def _grow(
    figures: Figures,
    axis: str,
    size: int,
    fill: Callable[[Path], None],
    there: tuple[Yard, Site, str],
) -> None:
    """Fill it further, back it up, verify that, restore it elsewhere and look; only the volume stays."""
    yard, site, volume = there
    fill(yard.mountpoint(volume))
    os.sync()
    made = carried_out(site, "backup", volume)
    assert made.outcome["facts"]["entries"] == _below(yard.mountpoint(volume)) + 1
    run_id = made.outcome["run_id"]
    figures.note(axis, size, "backup", made)
    figures.note(axis, size, "verify", carried_out(site, "verify", run_id))
    into = f"{volume}-{size}"
    yard.volumes.append(into)
    figures.note(axis, size, "restore", carried_out(site, "restore", run_id, "--into", into))
    assert _below(yard.mountpoint(into)) == _below(yard.mountpoint(volume))
    _empty(yard.mountpoint(into))
    shutil.rmtree(site.archive)


def _below(place: Path) -> int:
    return sum(len(directories) + len(files) for _, directories, files in os.walk(place))


def _empty(place: Path) -> None:
    subprocess.run(["find", place, "-mindepth", "1", "-delete"], check=True)


# ---- what is in the volumes ------------------------------------------------------------------------------------------


def _to_bytes(place: Path, size: int) -> None:
    """More files, until they hold so much together."""
    made = random.Random(7)
    noise, text = made.randbytes(_PIECE // 2), (_WORDS * (_PIECE // len(_WORDS)))[: _PIECE // 2]
    for number in range(-(-size // _FILE)):
        path, wanted = place / f"{number:04d}", min(_FILE, size - number * _FILE)
        if path.exists() and path.stat().st_size == wanted:
            continue
        with path.open("wb") as file:
            for piece in range(-(-wanted // _PIECE)):  # no two pieces are alike
                turned = made.randrange(_PIECE // 2)
                file.write(b"%d %d" % (number, piece) + noise[turned:] + text + noise[:turned])
            file.truncate(wanted)


def _to_entries(place: Path, size: int) -> None:
    """More files, until there are so many entries, directories among them."""
    for directory in range(-(-size // (_A_DIRECTORY + 1))):
        path = place / f"{directory:04d}"
        path.mkdir(exist_ok=True)
        there = len(os.listdir(path))
        for number in range(there, min(_A_DIRECTORY, size - directory * (_A_DIRECTORY + 1) - 1)):
            descriptor = os.open(f"{path}/{number:03d}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            os.write(descriptor, b"%d of %d\n" % (number, directory))
            os.close(descriptor)
