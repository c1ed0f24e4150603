"""Reads a backup back: its tar, its lists, and the proof that they and the manifest agree.

Must not know engines; it changes nothing on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import zstandard

from bot.entry import Entry, Item, printable
from bot.errors import ArchiveError, EngineError
from bot.language import say
from bot.overlap import ahead
from bot.reasons import Reason
from bot.stores.archive.disk import CHUNK_BYTES, BackupFiles
from bot.stores.archive.facts import Content, EntriesFile
from bot.stores.archive.manifest import OUTCOME_OK, Manifest
from bot.tarstream import TarReader
from bot.words import size

SHOWN_DIFFERENCES = 5
_PIECE_BYTES = 1 << 14
"""A piece may hold a thousand times as many zeros: small ones keep the memory small."""

_ITEMS_A_TICK = 1_000
_T = TypeVar("_T")

Tick = Callable[[int], None]
"""Called with the bytes done so far, once a chunk; may raise to end the work."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup in the archive: what its manifest says and where its files are."""

    manifest: Manifest
    files: BackupFiles

    @property
    def id(self) -> str:
        """Time and run id: unique within its volume."""
        return self.manifest.id

    @property
    def host(self) -> str:
        """The host it was taken on."""
        return self.manifest.host

    @property
    def volume(self) -> str:
        """The volume, or other source, that it was taken of."""
        return self.manifest.volume.name

    @property
    def is_ok(self) -> bool:
        """Whether everything is in it as it should be; a partial backup names what is not."""
        return self.manifest.outcome == OUTCOME_OK


class _HashingFile:
    """A file that remembers how much was read of it, and the hash of that."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def rest(self) -> Content:
        """What the whole file holds."""
        while self.read(CHUNK_BYTES):
            pass
        return Content(bytes=self.bytes, sha256=self._hash.hexdigest())


def _decompressor(source: _HashingFile) -> zstandard.ZstdDecompressionReader:
    # Of the file it is given zstandard uses `read` alone, and `close` unless told otherwise.
    file = cast(BinaryIO, source)
    return zstandard.ZstdDecompressor().stream_reader(file, read_size=CHUNK_BYTES, closefd=False)


def decompress(path: Path, sha256: str) -> Iterator[bytes]:
    """What was compressed, in chunks; raises ArchiveError, at the end, for a file with another SHA-256."""
    try:
        with path.open("rb", buffering=0) as file:
            source = _HashingFile(file)
            with _decompressor(source) as reader:
                while chunk := reader.read(CHUNK_BYTES):
                    yield chunk
            found = source.rest()
    except zstandard.ZstdError as error:
        raise _damaged(path, say("it cannot be decompressed ({reason})", reason=error)) from error
    except OSError as error:
        raise _damaged(path, say("it cannot be read ({reason})", reason=error.strerror or error)) from error
    if found.sha256 != sha256:
        raise _damaged(
            path,
            say("its SHA-256 is {found} and should be {wanted}", found=found.sha256, wanted=sha256),
        )


def read_raw(path: Path, stored_sha256: str, raw: Content) -> Iterator[bytes]:
    """The tar in chunks; raises ArchiveError, at the end, when stored or raw bytes are not those recorded."""
    hashed, count = hashlib.sha256(), 0
    with closing(ahead(decompress(path, stored_sha256), name=f"reading {path.name}")) as chunks:
        for chunk in chunks:
            hashed.update(chunk)
            count += len(chunk)
            yield chunk
    if (count, hashed.hexdigest()) != (raw.bytes, raw.sha256):
        raise _damaged(
            path,
            say(
                "it holds {found} of another content than the {saved} that were saved",
                found=size(count),
                saved=size(raw.bytes),
            ),
        )


def read_growing(path: Path, raw: Content) -> Iterator[bytes]:
    """The beginning of what was compressed into a file that may have no end yet.

    Raises ArchiveError, at the end, when it is not what `raw` says.
    """
    hashed, left = hashlib.sha256(), raw.bytes
    try:
        with path.open("rb", buffering=0) as file:
            # Of a frame without an end, zstandard's stream reader may keep back what its decoder still holds.
            decoder = zstandard.ZstdDecompressor().decompressobj()
            while left and (piece := file.read(_PIECE_BYTES)):
                chunk = decoder.decompress(piece)[:left]
                hashed.update(chunk)
                left -= len(chunk)
                yield chunk
    except zstandard.ZstdError as error:
        raise _damaged(path, say("it cannot be decompressed ({reason})", reason=error)) from error
    except OSError as error:
        raise _damaged(path, say("it cannot be read ({reason})", reason=error.strerror or error)) from error
    if left or hashed.hexdigest() != raw.sha256:
        raise _damaged(path, say("the disk did not give back what was written"))


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines without their line feeds; raises ValueError, at the end, when the last has none."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        raise ValueError("the last line has no end")


def read_entries(backup: Backup) -> Iterator[Entry]:
    """Every entry in the tar's order; raises ArchiveError, at the end at the latest, when damaged."""
    return _read_list(backup.files.entries, backup.manifest.entries, Entry.from_line)


def read_items(backup: Backup) -> Iterator[Item]:
    """What the walk found, in its order; nothing when there was none. Raises ArchiveError as `read_entries`."""
    if backup.manifest.inventory is None:
        return iter(())
    return _read_list(backup.files.inventory, backup.manifest.inventory, Item.from_line)


def parse_lines(path: Path, lines: Iterator[bytes], make: Callable[[bytes], _T]) -> Iterator[_T]:
    """What `make` makes of each line; raises ArchiveError for one of which it makes nothing."""
    try:
        yield from map(make, lines)
    except ValueError as error:
        raise _damaged(path, say("a line of it is not what should be there")) from error


def _read_list(path: Path, recorded: EntriesFile, make: Callable[[bytes], _T]) -> Iterator[_T]:
    count = 0
    for thing in parse_lines(path, split_lines(decompress(path, recorded.sha256)), make):
        count += 1
        yield thing
    if count != recorded.count:
        raise _damaged(
            path,
            say("it lists {found} things and should list {wanted}", found=count, wanted=recorded.count),
        )


def prove(backup: Backup, tick: Tick) -> None:
    """Re-read and compare everything: stored bytes, raw bytes, tar structure, each entry against the list, the walk.

    Raises ArchiveError with what differs, the first five of it.
    """
    _prove_tar(backup, tick)
    for place, _ in enumerate(read_items(backup)):
        if place % _ITEMS_A_TICK == 0:
            tick(backup.manifest.raw.bytes)


def _prove_tar(backup: Backup, tick: Tick) -> None:
    recorded = read_entries(backup)
    differences: list[str] = []

    def compare(entry: Entry) -> None:
        wanted = next(recorded, None)
        if wanted != entry:
            differences.append(_difference(wanted, entry))

    reader = TarReader(compare, backup.manifest.source.root)
    done = 0
    try:
        for chunk in read_raw(backup.files.tar, backup.manifest.stored.sha256, backup.manifest.raw):
            reader.feed(chunk)
            done += len(chunk)
            tick(done)
            if len(differences) >= SHOWN_DIFFERENCES:
                break
        else:
            reader.close()
            # Read to its end, for only there the list's own hash is known.
            for wanted in recorded:
                if len(differences) < SHOWN_DIFFERENCES:
                    differences.append(_difference(wanted, None))
    except EngineError as error:
        raise _damaged(
            backup.files.tar, say("what it holds is not a whole tar of what was backed up")
        ) from error
    if differences:
        raise _damaged(backup.files.tar, "; ".join(differences[:SHOWN_DIFFERENCES]))


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


def _damaged(path: Path, what: str) -> ArchiveError:
    return ArchiveError(
        say(
            "{file} is damaged: {reason}. Nothing was changed. Do not rely on this backup; "
            "take a new one, and look after the disk under {directory}.",
            file=path.name,
            reason=what,
            directory=path.parent,
        ),
        reason=Reason.DAMAGED,
    )
