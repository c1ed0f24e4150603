"""Fills a place from a backup, with what the tar alone does not carry, and proves that the place holds just that.

Must not know why: a new volume, the stage of a replacement and a drill are filled alike.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from bot.engine import Engine, HostPath, Storage
from bot.entry import Entry
from bot.errors import EngineError
from bot.language import say
from bot.operations.context import REMOVE_HELPER, RunContext
from bot.operations.reading import CHUNK_BYTES, ending, true_cause
from bot.operations.stage import reader, writer
from bot.operations.wanted import Wanted, wanted
from bot.overlap import Beside
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup
from bot.tar.stream import TarReader
from bot.words import size

_SPARE = 1.05
_END = bytes(1024)
_MOUNTED = "/volume"


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a backup's root is to come into being, as our containers see it.

    A helper mounts `storage` at `/<at>`, unpacks at `unpack`, and finds the root at `read` then; a tool, which
    mounts everything at `/volume`, finds it at `walk`.
    """

    storage: Storage
    at: str
    unpack: str
    read: str
    walk: str

    @classmethod
    def volume(cls, name: str, root: str, *, is_directory: bool) -> Spot:
        """A volume that is to be the root, or to hold the root if that is a single file."""
        if is_directory:
            return cls(storage=name, at=root, unpack="/", read=f"/{root}", walk=_MOUNTED)
        inside = f"{_MOUNTED}/{root}"
        return cls(storage=name, at="volume", unpack=_MOUNTED, read=inside, walk=inside)

    @classmethod
    def staged(cls, directory: str, below: str, root: str, *, is_directory: bool) -> Spot:
        """A place `below` a directory of the engine's machine; a root that is a directory must be there already.

        It is mounted itself, for a tar must be unpacked at `/`: a link in it may lead out of it (engine fact 9).
        """
        inside = f"{_MOUNTED}/{below}/{root}"
        if is_directory:
            storage = HostPath(f"{directory}/{below}/{root}")
            return cls(storage=storage, at=root, unpack="/", read=f"/{root}", walk=inside)
        storage = HostPath(f"{directory}/{below}")
        return cls(storage=storage, at="volume", unpack=_MOUNTED, read=f"{_MOUNTED}/{root}", walk=inside)


class Filler:
    """Fills places from one backup, all of it or what is at one path; made by `filling`."""

    def __init__(self, engine: Engine, archive: Archive, run: RunContext, wanted: Wanted) -> None:
        self._engine = engine
        self._archive = archive
        self._run = run
        self._wanted = wanted
        self.losses: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """The first name of everything in the backup's tar."""
        return self._wanted.root

    @property
    def is_directory(self) -> bool:
        """Whether the backup's root is a directory, and not a single file."""
        return self._wanted.is_directory

    @property
    def has_inventory(self) -> bool:
        """Whether more is known than the tar says, so that a walk has something to be compared with."""
        return self._wanted.has_inventory

    @property
    def entries(self) -> int:
        """How many things a place is filled with."""
        return self._wanted.count

    @property
    def raw_bytes(self) -> int:
        """The bytes of all their contents and headers."""
        return self._wanted.raw_bytes

    def refuse_full(self, tool: str, where: str) -> None:
        """Raises EngineError (reason `disk-full`) unless there is room for it, and for a twentieth more."""
        needed, free = int(self.raw_bytes * _SPARE), self._engine.free_bytes(tool)
        if free < needed:
            raise EngineError(
                say(
                    "There is not enough room {where}: what is to be restored needs {needed}, {free} are "
                    "free, {missing} are missing. Nothing was changed. Make room, then send the command "
                    "again.",
                    where=where,
                    needed=size(needed),
                    free=size(free),
                    missing=size(needed - free),
                ),
                reason=Reason.DISK_FULL,
            )

    def stage(self, directory: str, stage: str, below: str) -> Spot:
        """Make a stage in a directory of the engine's machine, closed to everybody else, to be filled `below` it."""
        names = [stage, below, *([f"{below}/{self.root}"] if self.is_directory else [])]
        helper = writer(self._run.run_id)
        with self._helper(helper, HostPath(directory), read_only=False, at="volume"):
            tar = iter([_tar_of_directories(names)])
            self._engine.write_volume(helper, tar, _MOUNTED, check=self._run.check)
        return Spot.staged(directory, below, self.root, is_directory=self.is_directory)

    def fill(self, spot: Spot) -> None:
        """Unpack the backup there; it would be merged with what is there before, so nothing should be.

        It is proven meanwhile, so that no byte is read twice: raises ArchiveError when it is damaged, and then
        nothing of what is there counts.
        """
        helper = writer(self._run.run_id)
        with self._helper(helper, spot.storage, read_only=False, at=spot.at), closing(self._chunks()) as tar:
            self._engine.write_volume(helper, tar, spot.unpack, check=self._run.check)

    def compare(self, spot: Spot, tool: str | None) -> None:
        """Read back what is there and compare it, entry by entry; with a tool, also what only a walk can see.

        Both look at the same time. Raises EngineError (reason `differs`) unless all of it is there and nothing else.
        """
        with ExitStack() as looking:
            if tool is not None and self.has_inventory:
                path = "/".join(part for part in (spot.walk, self._wanted.path) if part)
                walk = partial(self._walk, tool, path, self._run.check)
                end = ending(self._engine, tool)  # else what differs is told only after the whole walk
                looking.enter_context(Beside(walk, name=f"walk-{self._run.run_id}", end=end))
            with closing(self._read_back(spot)) as found:
                self._wanted.refuse_differences(found, self._run.check)

    def compare_exchanged(self, tool: str, path: str, check: Callable[[], None]) -> None:
        """Walk through what is at `path` in the tool's storage now, and compare it with what is wanted.

        Of a backup without an inventory nothing can be compared that way. `check` is called now and then.
        """
        if self.has_inventory:
            self._run.progress(say("looking through it"))
            self._walk(tool, f"{_MOUNTED}/{path}", check)

    def _walk(self, tool: str, path: str, check: Callable[[], None]) -> None:
        with (
            true_cause(self._run.check),
            true_cause(check),
            self._run.watched(ending(self._engine, tool)),
            self._engine.inventory(tool, path, attributes=True) as items,
        ):
            self.losses = self._wanted.refuse_other_items(items, check)

    @contextmanager
    def _helper(self, name: str, storage: Storage, *, read_only: bool, at: str) -> Iterator[None]:
        with self._run.undoable(REMOVE_HELPER, name=name):
            self._engine.create_helper(name, storage, run_id=self._run.run_id, read_only=read_only, at=at)
            yield

    def _chunks(self) -> Generator[bytes, None, None]:
        done = 0

        def tick() -> None:
            self._run.check()
            self._run.progress(say("restoring"), min(done, self.raw_bytes), self.raw_bytes)

        with closing(self._wanted.tar(tick)) as tar:
            for chunk in tar:
                done += len(chunk)
                tick()
                yield chunk

    def _read_back(self, spot: Spot) -> Generator[Entry, None, None]:
        """What is there now; it counts only once the iterator has ended by itself."""
        found: list[Entry] = []
        parser, done = TarReader(found.append, root=self.root), 0
        helper = reader(self._run.run_id)
        with (
            self._helper(helper, spot.storage, read_only=True, at=spot.at),
            true_cause(self._run.check),
            self._engine.read_volume(helper, spot.read, check=self._run.check) as stream,
            self._run.watched(stream.abort),
        ):
            while chunk := stream.read(CHUNK_BYTES):
                self._run.check()
                parser.feed(chunk)
                done += len(chunk)
                self._run.progress(say("comparing"), done, max(done, self.raw_bytes))
                yield from found
                found.clear()
            parser.close()
        yield from found


@contextmanager
def filling(
    engine: Engine, archive: Archive, run: RunContext, backup: Backup, path: str = ""
) -> Iterator[Filler]:
    """What fills places from a backup, or from what is at one path in it.

    First the stored bytes are hashed, which finds what a disk did to them before anything is made; all the rest of
    the proof is made while a place is filled. Raises ArchiveError for a damaged backup, NotFound when it has nothing
    at that path, what `run.check` raises.
    """
    stored = backup.manifest.stored.bytes

    def tick(done_bytes: int) -> None:
        run.check()
        run.progress(say("verifying"), min(done_bytes, stored), stored)

    archive.prove_stored(backup, tick)
    with wanted(archive, backup, path, run.check) as found:
        yield Filler(engine, archive, run, found)


def _tar_of_directories(names: Sequence[str]) -> bytes:
    blocks = []
    for name in names:
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o700
        blocks.append(info.tobuf(tarfile.PAX_FORMAT))
    return b"".join((*blocks, _END))
