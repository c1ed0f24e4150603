"""Proves a backup: that its tar, its lists and its manifest agree, byte for byte and entry by entry.

Must not know engines; it changes nothing on disk.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

from bot.entry import Entry, printable
from bot.errors import EngineError
from bot.language import say
from bot.overlap import ahead
from bot.stores.archive.disk import BackupFiles
from bot.stores.archive.reading import (
    Backup,
    Tick,
    damaged,
    parse_lines,
    read_items,
    read_list,
    read_raw,
    read_stored,
)
from bot.tar.stream import TarReader

SHOWN_DIFFERENCES = 5
_ITEMS_A_CHUNK = 10_000


def prove(backup: Backup, tick: Tick) -> None:
    """Re-read and compare everything: stored bytes, raw bytes, tar structure, each entry against the list, the walk.

    Raises ArchiveError with what differs, the first five of it.
    """
    done = 0
    with closing(proven(backup)) as chunks:
        for chunk in chunks:
            done += len(chunk)
            tick(done)


def prove_stored(backup: Backup, tick: Tick) -> None:
    """The quick part of the proof: the stored tar is, byte for byte, what was written. Raises ArchiveError.

    That finds all that a disk can do to it, before anybody begins to use it.
    """
    done = 0
    for chunk in read_stored(backup.files.tar, backup.manifest.stored.sha256):
        done += len(chunk)
        tick(done)


def proven(backup: Backup) -> Generator[bytes, None, None]:
    """The tar in chunks, all of it compared as by `prove`; nothing of it counts unless the generator ended by itself.

    Raises ArchiveError as `prove` does, at the end at the latest. It works ahead, so close it. While the lists are
    read there come empty chunks.
    """
    return ahead(_proven_tar(backup), name=f"proving {backup.id}")


def _proven_tar(backup: Backup) -> Iterator[bytes]:
    with closing(read_list(backup.files.entries, backup.manifest.entries, bytes)) as lines:
        yield from _compared_tar(backup, _Listed(backup.files, lines))
    for place, _ in enumerate(read_items(backup)):
        if place % _ITEMS_A_CHUNK == 0:
            yield b""


def _compared_tar(backup: Backup, listed: _Listed) -> Iterator[bytes]:
    files, manifest = backup.files, backup.manifest
    reader = TarReader(listed.compare, manifest.source.root)
    hashed = ahead(read_raw(files.tar, manifest.stored.sha256, manifest.raw), name=f"hashing {backup.id}")
    try:
        with closing(hashed) as chunks:
            for chunk in chunks:
                reader.feed(chunk)
                listed.refuse_many()
                yield chunk
        reader.close()
    except EngineError as error:
        raise damaged(files.tar, say("what it holds is not a whole tar of what was backed up")) from error
    listed.refuse_any()


class _Listed:
    """The lines of a backup's list, compared with a tar's entries, which have the same lines."""

    def __init__(self, files: BackupFiles, lines: Iterator[bytes]) -> None:
        self._files = files
        self._lines = lines
        self._differences: list[str] = []

    def compare(self, entry: Entry) -> None:
        """The tar's next entry."""
        line = next(self._lines, None)
        if line != entry.to_line().encode("ascii")[:-1]:
            wanted = self._entry(line)
            if wanted != entry:  # a list may be written in another way and say the same
                self._differences.append(_difference(wanted, entry))

    def refuse_many(self) -> None:
        """Raises ArchiveError once nothing more would be shown."""
        if len(self._differences) >= SHOWN_DIFFERENCES:
            self._refuse()

    def refuse_any(self) -> None:
        """The tar is over; reads the list to its end, for only there its own hash is known."""
        for line in self._lines:
            if len(self._differences) < SHOWN_DIFFERENCES:
                self._differences.append(_difference(self._entry(line), None))
        if self._differences:
            self._refuse()

    def _entry(self, line: bytes | None) -> Entry | None:
        return next(
            parse_lines(self._files.entries, iter([] if line is None else [line]), Entry.from_line), None
        )

    def _refuse(self) -> None:
        raise damaged(self._files.tar, "; ".join(self._differences[:SHOWN_DIFFERENCES]))


def _difference(wanted: Entry | None, found: Entry | None) -> str:
    if wanted is None:
        return say("“{path}” is not in the list", path=printable(found.path if found else ""))
    if found is None:
        return say("“{path}” is not in the tar", path=printable(wanted.path))
    if wanted.path != found.path:
        return say(
            "“{path}” stands where “{wanted}” should",
            path=printable(found.path),
            wanted=printable(wanted.path),
        )
    return say("“{path}” is not as listed", path=printable(found.path))
