"""Copies what a database's own program writes, as the one file of a tar, in the place of the volume's files.

Must not know which databases there are.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator

from bot.engine import Engine
from bot.entry import Entry
from bot.errors import ArchiveError
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.copying import Copy
from bot.operations.downtime import Downtime
from bot.operations.dumps import DumpPlan, dump
from bot.operations.sources import Source
from bot.reasons import Reason
from bot.stores.archive import PROOF, Draft, DumpFacts, Spool
from bot.tar.stream import TarReader

PROOF_DUMP = "dump-ended-as-its-program-ends-one"
"""The program's exit code was 0, and what it wrote ends in the mark that its whole dumps end in."""
ROOT_NAME = "volume"
_BLOCK_BYTES = 512
_PIECE_BYTES = 1 << 20
"""No piece is longer: some of them wait in memory until they are compressed."""


class Dumped(Copy):
    """A dump: its size is only known at its end, and a tar says it first, so it is spooled."""

    proof = (*PROOF, PROOF_DUMP)

    def __init__(self, engine: Engine, run: RunContext, source: Source, draft: Draft, plan: DumpPlan) -> None:
        super().__init__(engine, run, source, draft)
        self._plan = plan
        self.facts: DumpFacts | None = None

    def take(self, downtime: Downtime) -> None:
        """Run the program, prove what it wrote, and make the tar of it."""
        del downtime  # the database must run
        spool = self._draft.spool("dump")
        made = dump(self._engine, self._run, self._plan, spool.write)
        hashes: list[str | None] = []

        def on_entry(entry: Entry) -> None:
            hashes.append(entry.sha256)
            self._draft.entry(entry)

        reader = TarReader(on_entry, root=ROOT_NAME)
        for chunk in _tar(self._plan.preset.file_name, spool):
            self._run.check()
            reader.feed(chunk)
            self._draft.write(chunk)
            self._run.progress(say("storing"), self._draft.raw_bytes)
        reader.close()
        if made.facts.sha256 not in hashes:
            raise ArchiveError(
                say(
                    "The archive's disk did not give back the dump that it was given. Nothing was saved. Look after "
                    "the disk, then send the command again."
                ),
                reason=Reason.DAMAGED,
            )
        spool.remove()
        self.facts, self.lost = made.facts, made.lost


def _tar(name: str, spool: Spool) -> Iterator[bytes]:
    now = int(time.time())
    root = tarfile.TarInfo(ROOT_NAME)
    root.type, root.mode, root.mtime = tarfile.DIRTYPE, 0o700, now
    file = tarfile.TarInfo(f"{ROOT_NAME}/{name}")
    file.size, file.mode, file.mtime = spool.raw_bytes, 0o600, now
    for info in (root, file):
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if info is file:
            for chunk in spool.read():
                yield from (chunk[at : at + _PIECE_BYTES] for at in range(0, len(chunk), _PIECE_BYTES))
    yield bytes(-spool.raw_bytes % _BLOCK_BYTES + 2 * _BLOCK_BYTES)
