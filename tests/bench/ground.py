"""Where benches of backups stand: volumes in a real engine, a place for what is kept, and clocks that are fair to all.

It must not know who runs here.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.bench.data import Content, content
from tests.support.yard import Yard

MOUNTED = "/volume"
_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6)
"""Fields of /proc/stat that are work: user, nice, system, interrupts (proc(5))."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A volume of the bench, what was put into it, and a container, never started, that has it at /volume."""

    volume: str
    place: Path
    content: Content
    holder: str


class Ground:
    """Volumes, containers and directories; everything goes away with `close`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.yard = Yard(url)
        self.kept = Path(tempfile.mkdtemp(prefix="skb-", dir="/var/tmp"))
        """Where everybody's backups go: on one file system, never one in memory."""
        self._api: Any = docker.APIClient(base_url=url, version="auto", timeout=900)
        self._holders: dict[str, str] = {}

    def volume(self, name: str, fill: Callable[[Path], None] = lambda _: None) -> Filled:
        """A new volume, filled from outside."""
        volume = self.yard.volume(name)
        place = self.yard.mountpoint(volume)
        fill(place)
        holder = f"holder-{volume}"
        mounts = [docker.types.Mount(MOUNTED, volume, type="volume")]
        self._api.create_container(
            self.yard.bench.image,
            command=["/bin/true"],
            name=holder,
            host_config=self._api.create_host_config(mounts=mounts, network_mode="none"),
        )
        self._holders[volume] = holder
        os.sync()
        return Filled(volume=volume, place=place, content=content(place), holder=holder)

    def adopt(self, volume: str) -> Path:
        """A volume that somebody else made: where it is; it is removed with the others."""
        self.yard.volumes.append(volume)
        return self.yard.mountpoint(volume)

    def remove(self, volume: str) -> None:
        """A volume and its container; its files first, for Docker may need longer for those than one waits."""
        if holder := self._holders.pop(volume, None):
            self._api.remove_container(holder, force=True)
        place = self.yard.mountpoint(volume)
        subprocess.run(["find", place, "-mindepth", "1", "-delete"], check=True)
        self._api.remove_volume(volume)
        self.yard.volumes.remove(volume)

    def discard(self, name: str) -> None:
        """What somebody kept under a name that begins so."""
        for path in self.kept.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    @property
    def machine(self) -> str:
        """A sentence of the machine and of every program that takes part."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        engine = self._api.version()
        return (
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores ({_processor()}), "
            f"{memory:.0f} GiB of memory, Linux {os.uname().release}; Docker engine {engine['Version']}, "
            + ", ".join(filter(None, map(_version, ("docker", "zstd", "gzip", "restic", "borg"))))
            + f". Other work on it took {_others():.0%} of its processors."
        )

    def close(self) -> None:
        """Remove everything."""
        for volume in [*self.yard.volumes]:
            self.remove(volume)
        shutil.rmtree(self.kept)
        self._api.close()
        self.yard.close()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else os.uname().machine


def _version(program: str) -> str:
    """The first number in what the program says of itself."""
    if shutil.which(program) is None:
        return ""
    words = "version" if program == "restic" else "--version"
    said = subprocess.run([program, words], capture_output=True, text=True, check=True).stdout
    number = next(word for word in said.split() if word.lstrip("v")[:1].isdigit())
    return f"{program} {number.strip('v,')}"


# ---- clocks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds by the wall clock, and seconds of work of all processors, the engine's included."""

    wall: float
    work: float


@dataclass(kw_only=True)
class Times:
    """What one contestant took, round by round, and how many bytes it kept in the last."""

    took: list[Took] = field(default_factory=list)
    kept: int = 0

    @property
    def wall(self) -> float:
        """The median."""
        return statistics.median(one.wall for one in self.took)

    @property
    def work(self) -> float:
        """The median."""
        return statistics.median(one.work for one in self.took)

    @property
    def spread(self) -> str:
        """The median, the least and the most, in words."""
        walls = [one.wall for one in self.took]
        return f"{self.wall:.2f} ({min(walls):.2f}–{max(walls):.2f})"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Somebody who does the work: `ready` makes what it needs, gives what is timed, and cleans up after it."""

    name: str
    ready: Callable[[], AbstractContextManager[Callable[[], None]]]
    kept: Callable[[], int] = lambda: 0
    """Bytes that it has kept; asked after the work."""


def rounds(contestants: Sequence[Contestant], number: int) -> dict[str, Times]:
    """Everybody once a round, each round begun by the next of them; what was written before is on the disk."""
    times = {one.name: Times() for one in contestants}
    for turn in range(number):
        first = turn % len(contestants)
        for one in (*contestants[first:], *contestants[:first]):
            with one.ready() as work:
                times[one.name].took.append(timed(work))
                times[one.name].kept = one.kept()
    return times


def timed(work: Callable[[], None]) -> Took:
    """Do it, once nothing waits to be written."""
    os.sync()
    busy, began = _busy(), time.monotonic()
    work()
    return Took(wall=time.monotonic() - began, work=_busy() - busy)


def _busy() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[place]) for place in _BUSY) / _TICKS


def _others() -> float:
    """The share of all processors that was at work for one second, in which the bench did nothing."""
    busy = _busy()
    threading.Event().wait(1)
    return min(1.0, (_busy() - busy) / (os.cpu_count() or 1))


class Work:
    """Seconds of work of single processes, from one look to the next."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._before = [_worked(pid) for pid in pids]

    def since(self) -> list[float]:
        """Of each since the last look."""
        now = [_worked(pid) for pid in self._pids]
        done = [after - before for after, before in zip(now, self._before, strict=True)]
        self._before = now
        return done


def _worked(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def daemon_of(url: str) -> int:
    """The process that listens at the other end of Docker's socket (SO_PEERCRED, unix(7)); for an engine here only."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(url.removeprefix("unix://"))
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[0])


@contextmanager
def empty(directory: Path) -> Iterator[Path]:
    """A directory that is new, and gone afterwards."""
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def size_of(directory: Path) -> int:
    """The bytes of all files below it."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
