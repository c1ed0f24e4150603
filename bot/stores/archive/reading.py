"""Reads a backup's files back: its tar and its lists, each against the hash that was recorded of it.

Must not know engines; it changes nothing on disk.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import zstandard

from bot.entry import Entry, Item
from bot.errors import ArchiveError
from bot.language import say
from bot.overlap import ahead
from bot.reasons import Reason
from bot.stores.archive.disk import CHUNK_BYTES, BackupFiles
from bot.stores.archive.facts import Content, EntriesFile
from bot.stores.archive.manifest import OUTCOME_OK, Manifest
from bot.words import size

_PIECE_BYTES = 1 << 14
_SLICE_BYTES = 256
"""So much is decompressed at a time: of zeros it becomes 32,000 times as much, which is 8 MiB."""

_LOST = (errno.ENOENT, errno.EIO)
"""What a disk says that has lost a file, or a part of one; all else may pass, and tells nothing of the file."""

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


class _Pieces:
    """Pieces as a file of which zstandard uses `read` alone, and `close` unless told otherwise."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        """The next piece, of its own size."""
        del size
        return next(self._pieces, b"")


def read_stored(path: Path, sha256: str) -> Iterator[bytes]:
    """The file as it is, in chunks; raises ArchiveError, at the end, for a file with another SHA-256."""
    hashed = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                hashed.update(chunk)
                yield chunk
    except OSError as error:
        raise _unreadable(path, error) from error
    if hashed.hexdigest() != sha256:
        raise damaged(
            path,
            say("its SHA-256 is {found} and should be {wanted}", found=hashed.hexdigest(), wanted=sha256),
        )


def decompress(path: Path, sha256: str) -> Iterator[bytes]:
    """What was compressed, in chunks; raises ArchiveError, at the end, for a file with another SHA-256."""
    try:
        with closing(ahead(read_stored(path, sha256), name=f"reading {path.name}")) as stored:
            source = cast(BinaryIO, _Pieces(stored))
            decompressor = zstandard.ZstdDecompressor()
            with decompressor.stream_reader(source, read_size=CHUNK_BYTES, closefd=False) as reader:
                while chunk := reader.read(CHUNK_BYTES):
                    yield chunk
            for _ in stored:
                pass  # to its end, where its hash is compared
    except zstandard.ZstdError as error:
        raise damaged(path, say("it cannot be decompressed ({reason})", reason=error)) from error


def _unreadable(path: Path, error: OSError) -> ArchiveError:
    reason = error.strerror or error
    if error.errno in _LOST:
        return damaged(path, say("it cannot be read ({reason})", reason=reason))
    return ArchiveError(
        say(
            "{file} could not be read ({reason}). Nothing is known of the backup, and nothing was changed. "
            "Make sure that the bot may read below {directory}, then run it again.",
            file=path.name,
            reason=reason,
            directory=path.parent,
        )
    )


def read_raw(path: Path, stored_sha256: str, raw: Content) -> Generator[bytes, None, None]:
    """The tar in chunks; raises ArchiveError, at the end, when stored or raw bytes are not those recorded."""
    hashed, count = hashlib.sha256(), 0
    with closing(ahead(decompress(path, stored_sha256), name=f"reading {path.name}")) as chunks:
        for chunk in chunks:
            hashed.update(chunk)
            count += len(chunk)
            yield chunk
    if (count, hashed.hexdigest()) != (raw.bytes, raw.sha256):
        raise _other_content(path, count, raw.bytes)


def _other_content(path: Path, count: int, saved: int) -> ArchiveError:
    return damaged(
        path,
        say(
            "it holds {found} of another content than the {saved} that were saved",
            found=size(count),
            saved=size(saved),
        ),
    )


def read_back(path: Path, stored: Content, raw_bytes: int) -> Iterator[bytes]:
    """What was compressed into a file just now; raises ArchiveError, at the end, when the disk gives back another.

    The stored bytes are compared by SHA-256. That they can be decompressed into what was given is told by the frame's
    own checksum, XXH64 of the raw bytes (RFC 8878, section 3.1.1), which the decompressor compares: of an honest
    disk and memory it is as good as hashing all of it once more.
    """
    count = 0
    for chunk in decompress(path, stored.sha256):
        count += len(chunk)
        yield chunk
    if count != raw_bytes:
        raise _other_content(path, count, raw_bytes)


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
                for made in _decoded(decoder, piece):
                    chunk = made[:left]
                    hashed.update(chunk)
                    left -= len(chunk)
                    yield chunk
                    if not left:
                        break
    except zstandard.ZstdError as error:
        raise damaged(path, say("it cannot be decompressed ({reason})", reason=error)) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if left or hashed.hexdigest() != raw.sha256:
        raise damaged(path, say("the disk did not give back what was written"))


def _decoded(decoder: zstandard.ZstdDecompressionObj, piece: bytes) -> Iterator[bytes]:
    """What a piece holds, little by little, but not less at a time than is worth the trouble."""
    held: list[bytes] = []
    held_bytes = 0
    for at in range(0, len(piece), _SLICE_BYTES):
        made = decoder.decompress(piece[at : at + _SLICE_BYTES])
        held.append(made)
        held_bytes += len(made)
        if held_bytes >= CHUNK_BYTES:
            yield b"".join(held)
            held.clear()
            held_bytes = 0
    if held_bytes:
        yield b"".join(held)


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
    return read_list(backup.files.entries, backup.manifest.entries, Entry.from_line)


def read_items(backup: Backup) -> Iterator[Item]:
    """What the walk found, in its order; nothing when there was none. Raises ArchiveError as `read_entries`."""
    if backup.manifest.inventory is None:
        return iter(())
    return read_list(backup.files.inventory, backup.manifest.inventory, Item.from_line)


def parse_lines(path: Path, lines: Iterator[bytes], make: Callable[[bytes], _T]) -> Iterator[_T]:
    """What `make` makes of each line; raises ArchiveError for one of which it makes nothing."""
    try:
        yield from map(make, lines)
    except ValueError as error:
        raise damaged(path, say("a line of it is not what should be there")) from error


def read_list(path: Path, recorded: EntriesFile, make: Callable[[bytes], _T]) -> Generator[_T, None, None]:
    """What `make` makes of each line; raises ArchiveError, at the end at the latest, when the list is damaged.

    It works ahead, so close it.
    """
    count = 0
    for thing in parse_lines(path, split_lines(decompress(path, recorded.sha256)), make):
        count += 1
        yield thing
    if count != recorded.count:
        raise damaged(
            path,
            say("it lists {found} things and should list {wanted}", found=count, wanted=recorded.count),
        )


def damaged(path: Path, what: str) -> ArchiveError:
    """What to raise when a file of a backup is not as it should be."""
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
