"""The product as a contestant: proven backups and restores by its own road, and where the time in them goes.

It must not know the peers. `without_proof` is what is left of a backup once nothing is proven.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import zstandard

from bot.engine.real import DockerEngine
from bot.model import Status
from bot.stores.archive import Backup
from bot.stores.archive.level import FAST
from bot.stores.archive.writing import WORKERS
from tests.bench.ground import Contestant, Filled, Ground, Work, daemon_of, empty, size_of
from tests.support.house import House, at_work, settings
from tests.support.yard import refuse_untrue_of

OURS = "shipkeeper: proven backup"
BARE = "the same pipeline without proof"
RESTORED = "shipkeeper: restore, verified"
LONGEST = 3600.0
_BLOCK = 1 << 20
_WAITING = 8
_STALLED = 120.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Seconds of each step that the run named, in order, and of work: this process, the engine."""

    steps: dict[str, float]
    ours: float
    engine: float

    @property
    def told(self) -> str:
        """The steps in words."""
        return ", ".join(f"{step} {seconds:.1f}" for step, seconds in self.steps.items())


class Ours:
    """A house at work, and what its last run spent its time with."""

    def __init__(self, house: House, ground: Ground) -> None:
        self._house, self._ground = house, ground
        self._archive = house.app.services.archive
        self.last = Profile(steps={}, ours=0, engine=0)

    def done(self, line: str) -> str:
        """Carry a command out to its end, which must be a good one, and keep its profile; the run's id."""
        work, looking = Work(os.getpid(), daemon_of(self._ground.url)), time.thread_time()
        steps: dict[str, float] = {}
        last = time.monotonic()
        run_id = self._house.accept(line)
        for step in self._looks(run_id):
            now = time.monotonic()
            steps[step] = steps.get(step, 0.0) + now - last
            last = now
        ours, engine = work.since()
        self.last = Profile(steps=steps, ours=ours - (time.thread_time() - looking), engine=engine)
        outcome = self._house.run(run_id).outcome
        assert outcome is not None
        assert outcome.status is Status.SUCCEEDED, outcome
        return run_id

    def _looks(self, run_id: str) -> Iterator[str]:
        """The step that the run is at, fifty times a second until it has ended.

        A bare query takes next to nothing from what is measured; the product's own way of asking would.
        """
        pause, deadline = threading.Event(), time.monotonic() + LONGEST
        file = self._house.app.settings.state / "shipkeeper.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)) as database:
            query = "SELECT ended_at IS NOT NULL, progress FROM runs WHERE id = ?"
            while not (row := database.execute(query, (run_id,)).fetchone())[0]:
                yield json.loads(row[1])["step"] if row[1] else "beginning"
                assert time.monotonic() < deadline
                pause.wait(_LOOK_SECONDS)

    def newest(self, filled: Filled) -> Backup:
        """The newest backup of the volume, which must be whole and hold everything that was put into the volume."""
        backup = self._archive.backups("local", filled.volume)[0]
        assert backup.is_ok
        assert backup.manifest.entries.count == filled.content.entries + 1  # and the volume's own directory
        return backup

    def backing_up(self, filled: Filled) -> Contestant:
        """Backs the volume up; the newest backup stays, as there is one before every backup but the first."""

        @contextmanager
        def ready() -> Iterator[Callable[[], None]]:
            before = self._archive.backups("local", filled.volume)
            yield lambda: _ignored(self.done(f"backup {filled.volume}"))
            self.newest(filled)
            for backup in before:
                self._archive.remove(backup)

        return Contestant(name=OURS, ready=ready, kept=lambda: self.newest(filled).manifest.stored.bytes)

    def restoring(self, backup: Backup, look: Callable[[Path], None]) -> Contestant:
        """Restores the backup into a volume that is new every time; `look` is shown where it is."""

        @contextmanager
        def ready() -> Iterator[Callable[[], None]]:
            into = "ours-new"
            yield lambda: _ignored(self.done(f"restore {backup.manifest.run_id} --into {into}"))
            look(self._ground.adopt(into))
            self._ground.remove(into)

        return Contestant(name=RESTORED, ready=ready)

    def forget(self, filled: Filled) -> None:
        """Remove all backups of the volume."""
        for backup in self._archive.backups("local", filled.volume):
            self._archive.remove(backup)


@contextmanager
def open_house(ground: Ground) -> Iterator[Ours]:
    """The whole road over the real engine, its archive beside what the peers keep; at the end nothing is untrue."""
    toml = f'[hosts.local]\naddress = "{ground.url}"\n'
    archive = str(ground.kept / "archive")
    with at_work(settings(ground.kept / "state", toml=toml, SHIPKEEPER_ARCHIVE=archive), {}) as house:
        yield Ours(house, ground)
        refuse_untrue_of(house.app, ground.yard)


def _ignored(_: str) -> None:
    return None


# ---- without proof ---------------------------------------------------------------------------------------------------


def without_proof(ground: Ground, filled: Filled) -> Contestant:
    """The same engine's stream, compressed as the product does it while the next bytes come, and synced."""
    kept = ground.kept / "bare"

    @contextmanager
    def ready() -> Iterator[Callable[[], None]]:
        engine = DockerEngine("local", base_url=ground.url)
        with empty(kept):
            yield lambda: _stream(engine, filled.holder, kept / "volume.tar.zst")
        engine.close()

    return Contestant(name=BARE, ready=ready, kept=lambda: size_of(kept))


def _stream(engine: DockerEngine, holder: str, path: Path) -> None:
    """Read in one thread, compress and write in another, then sync."""
    chunks: Queue[bytes] = Queue(_WAITING)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(_write, chunks, path)
        with engine.read_volume(holder) as stream:
            while chunk := stream.read(_BLOCK):
                chunks.put(chunk, timeout=_STALLED)
        chunks.put(b"", timeout=_STALLED)
        written.result()


def _write(chunks: Queue[bytes], path: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=FAST, write_checksum=True, threads=WORKERS).compressobj()
    with path.open("wb", buffering=0) as file:
        while chunk := chunks.get(timeout=_STALLED):
            file.write(compressor.compress(chunk))
        file.write(compressor.flush())
        os.fsync(file.fileno())
