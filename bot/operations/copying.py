"""Copies a source into a draft in the way that suits it, and says what is not in it as it should be.

Must not know who is kept still meanwhile, nor what becomes of the draft.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.engine import Engine, Storage
from bot.entry import ROOT, Entry, Item
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say
from bot.operations.completeness import Again, Proof, TwiceProof
from bot.operations.context import REMOVE_HELPER, RunContext
from bot.operations.downtime import Downtime
from bot.operations.losses import UNKNOWN
from bot.operations.reading import Reading
from bot.operations.sources import Source
from bot.reasons import Reason
from bot.stores.archive import PROOF, PROOF_INVENTORY, PROOF_READ_TWICE, Draft, Problems

_BLOCK_BYTES = 512
_END_BYTES = 1024
_HEADERS_BYTES = 1024
"""What a thing takes beside its content, in the tar and in the lists; uncompressed."""
_LOOK_EVERY = 1024


class Copy(ABC):
    """One copy of a source into a draft: `ready` before anybody sleeps, `take` meanwhile, the rest afterwards."""

    proof: tuple[str, ...] = PROOF
    lost: tuple[str, ...] = ()

    def __init__(self, engine: Engine, run: RunContext, source: Source, draft: Draft) -> None:
        self._engine = engine
        self._run = run
        self._source = source
        self._draft = draft
        self._root_kind = ""

    @contextmanager
    def ready(self, purpose: str = "read") -> Iterator[None]:
        """While the body runs, all is there that `take` needs; `purpose` names it."""
        del purpose
        yield

    def used_bytes(self) -> int:
        """What the source takes on its disk now, as far as that can be known without reading it; 0 if it cannot."""
        return 0

    @abstractmethod
    def take(self, downtime: Downtime) -> None:
        """Fill the draft. Raises EngineError (StreamCut), ArchiveError, NotFound, or what `run.check` raises."""

    def problems(self) -> Problems:
        """What is not in the draft as it was in the source; nothing means proven. To be asked once, after `take`."""
        return Problems()

    def _tick(self) -> Callable[[], None]:
        """To be called once a thing: looks now and then whether the run must end."""
        seen = 0

        def tick() -> None:
            nonlocal seen
            if seen % _LOOK_EVERY == 0:
                self._run.check()
                self._run.progress(say("comparing"))
            seen += 1

        return tick

    def _refuse_odd_root(self) -> None:
        """A symbolic link, a socket or a device is nothing that could be backed up alone."""
        if self._root_kind not in ("file", "directory"):
            raise Conflict(
                say(
                    "{source} is neither a directory nor a file ({kind}). Nothing was saved. Name what it stands for.",
                    source=self._source.words,
                    kind=self._root_kind or say("unknown"),
                )
            )

    def _gone(self, error: NotFound) -> EngineError:
        return EngineError(
            say(
                "{source} was there when the backup began and is gone now ({error}) Nothing was saved. "
                "Look who removes it, then send the command again.",
                source=self._source.words,
                error=error,
            ),
            reason=Reason.VANISHED,
        )


def copy_of(engine: Engine, run: RunContext, source: Source, draft: Draft) -> Copy:
    """The way that suits the source: with two walks where a tool of ours can mount it, else by reading it twice."""
    if source.storage is None:
        return TwiceRead(engine, run, source, draft)
    return Walked(engine, run, source, draft, source.storage)


class Walked(Copy):
    """Something that can be mounted: a walk, the tar, and the walk once more."""

    proof = (*PROOF, PROOF_INVENTORY)

    def __init__(
        self, engine: Engine, run: RunContext, source: Source, draft: Draft, storage: Storage
    ) -> None:
        super().__init__(engine, run, source, draft)
        self._storage = storage
        self._notes = draft.spool("walk")
        self._proof = Proof(self._notes.write)
        self._helper = self._tool = ""
        self._expected_bytes = _END_BYTES

    @contextmanager
    def ready(self, purpose: str = "read") -> Iterator[None]:
        """A helper that is read and a tool that walks, both journaled."""
        run, run_id = self._run, self._run.run_id
        self._helper, self._tool = f"shipkeeper-{purpose}-{run_id}", f"shipkeeper-{purpose}-walk-{run_id}"
        with run.undoable(REMOVE_HELPER, name=self._helper):
            self._engine.create_helper(self._helper, self._storage, run_id=run_id, read_only=True)
            with run.undoable(REMOVE_HELPER, name=self._tool):
                self._engine.create_tool(self._tool, self._storage, run_id=run_id, read_only=True)
                yield

    def used_bytes(self) -> int:
        """A quick walk, which also warms what the later ones need."""
        total = 0

        def add(item: Item) -> None:
            nonlocal total
            total += _HEADERS_BYTES + (min(item.size, item.used_bytes) if item.kind == "file" else 0)

        self._walk(Reading.undisturbed(self._engine, self._run, self._source), say("measuring"), add)
        return total

    def take(self, downtime: Downtime) -> None:
        """Walk, read, walk."""
        reading = Reading(engine=self._engine, run=self._run, source=self._source, downtime=downtime)
        self._walk(reading, say("listing"), self._before, attributes=True)
        self._refuse_odd_root()
        try:
            reading.tar(self._helper, self._entry, self._write)
            if not downtime.has_begun:  # else nothing may make the walk slower
                self._draft.begin_sealing()
            reading.walk(self._tool, say("listing again"), self._proof.after)
        except NotFound as error:
            raise self._gone(error) from error
        self.lost = self._proof.losses.texts

    def problems(self) -> Problems:
        """By the two walks and the tar."""
        again = Again(items=self._draft.items, entries=self._draft.entries_so_far, notes=self._notes.read)
        return self._proof.problems(again, self._tick())

    def _walk(
        self, reading: Reading, step: str, on_item: Callable[[Item], None], *, attributes: bool = False
    ) -> None:
        try:
            reading.walk(self._tool, step, on_item, attributes=attributes)
        except NotFound as error:
            raise _not_there(self._source, error) from error

    def _before(self, item: Item) -> None:
        if item.path == ROOT:
            self._root_kind = item.kind
        body = item.size if item.kind == "file" else 0
        self._expected_bytes += _BLOCK_BYTES + body + -body % _BLOCK_BYTES
        self._draft.item(item)
        self._proof.before(item)

    def _entry(self, entry: Entry) -> None:
        self._draft.entry(entry)
        self._proof.entry(entry)

    def _write(self, chunk: bytes) -> int:
        self._draft.write(chunk)
        return max(self._expected_bytes, self._draft.raw_bytes)


class TwiceRead(Copy):
    """A path in a container's own layer, which nobody but Docker can read: the tar, and the tar once more."""

    proof = (*PROOF, PROOF_READ_TWICE)
    lost = UNKNOWN

    def __init__(self, engine: Engine, run: RunContext, source: Source, draft: Draft) -> None:
        super().__init__(engine, run, source, draft)
        self._notes = draft.spool("first")
        self._proof = TwiceProof(self._notes.write)

    def take(self, downtime: Downtime) -> None:
        """Read it only to know what is there, then read it to keep it."""
        reading = Reading(engine=self._engine, run=self._run, source=self._source, downtime=downtime)
        holder = "" if self._source.container is None else self._source.container.id
        first_bytes = 0

        def count(chunk: bytes) -> None:
            nonlocal first_bytes
            first_bytes += len(chunk)

        def write(chunk: bytes) -> int:
            self._draft.write(chunk)
            return max(first_bytes, self._draft.raw_bytes)

        try:
            reading.tar(holder, self._before, count)
        except NotFound as error:
            raise _not_there(self._source, error) from error
        self._refuse_odd_root()
        try:
            reading.tar(holder, self._entry, write)
        except NotFound as error:
            raise self._gone(error) from error

    def problems(self) -> Problems:
        """By the two readings."""
        again = Again(items=tuple, entries=self._draft.entries_so_far, notes=self._notes.read)
        return self._proof.problems(again, self._tick())

    def _before(self, entry: Entry) -> None:
        if entry.path == ROOT:
            self._root_kind = entry.kind
        self._proof.before(entry)

    def _entry(self, entry: Entry) -> None:
        self._draft.entry(entry)
        self._proof.entry(entry)


def _not_there(source: Source, error: NotFound) -> NotFound:
    """Whoever named a path in a container is told of that path, in the container's own name."""
    if source.container is None:
        return error
    return NotFound(
        say(
            "There is no {path} in container {container}. Nothing was saved; check the path.",
            path=source.place,
            container=source.container.name,
        )
    )
