"""Compressed files on their way to the disk: counted, hashed, synced, and readable while they still grow.

Must not know what is inside the files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import zstandard

from bot.language import say
from bot.stores.archive.disk import create_file, disk_errors, forget_cached, write_all
from bot.stores.archive.facts import Content
from bot.stores.archive.reading import parse_lines, read_growing, split_lines

LEVEL = 3

_T = TypeVar("_T")


class CompressedFile:
    """One file that is compressed, counted and hashed as it is written. Methods raise OSError, where not said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw_bytes = self.stored_bytes = 0
        self._raw, self._stored = hashlib.sha256(), hashlib.sha256()
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        self._descriptor: int | None = create_file(path)
        self._is_finished = False

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._raw.update(data)
        self.raw_bytes += len(data)
        self._store(self._zstd.compress(data))

    def finish(self) -> None:
        """Write what is left, sync, close, and let the kernel forget it, so that reading means the disk."""
        self._store(self._zstd.flush())
        self._is_finished = True
        if self._descriptor is not None:
            os.fsync(self._descriptor)
        self.close()
        forget_cached(self.path)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def read_so_far(self) -> Iterator[bytes]:
        """What was written until now; raises ArchiveError when the disk gives back anything else."""
        if not self._is_finished and self._descriptor is not None:
            with disk_errors(say("Writing {file}", file=self.path.name), self.path.parent, self.stored_bytes):
                self._store(self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        return read_growing(self.path, self.raw())

    def raw(self) -> Content:
        """What was given."""
        return Content(bytes=self.raw_bytes, sha256=self._raw.hexdigest())

    def stored(self) -> Content:
        """What was written to the disk."""
        return Content(bytes=self.stored_bytes, sha256=self._stored.hexdigest())

    def _store(self, data: bytes) -> None:
        if data and self._descriptor is not None:
            write_all(self._descriptor, data)
            self._stored.update(data)
            self.stored_bytes += len(data)


class Spool:
    """A compressed temporary file beside a draft, for bytes whose size must be known before they are stored."""

    def __init__(self, path: Path) -> None:
        with disk_errors(say("Starting {file}", file=path.name), path.parent):
            self._file = CompressedFile(path)

    @property
    def path(self) -> Path:
        """Where it is, as long as the draft is no backup."""
        return self._file.path

    @property
    def raw_bytes(self) -> int:
        """So many were taken."""
        return self._file.raw_bytes

    @property
    def sha256(self) -> str:
        """Of what was taken."""
        return self._file.raw().sha256

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises ArchiveError when the disk does not take them."""
        with disk_errors(
            say("Writing {file}", file=self.path.name), self.path.parent, self._file.stored_bytes
        ):
            self._file.write(data)

    def read(self) -> Iterator[bytes]:
        """All that was taken, in chunks, as often as wanted; raises ArchiveError, at the end, when damaged."""
        return self._file.read_so_far()

    def remove(self) -> None:
        """Give the room back early; the draft does it anyway. May be called twice."""
        self.close()
        with disk_errors(say("Removing {file}", file=self.path.name), self.path.parent):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, which stays; may be called twice."""
        self._file.close()


class Lines:
    """A compressed file of lines that is made with its first one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.file: CompressedFile | None = None

    def start(self) -> CompressedFile:
        """Make the file, unless it is there."""
        if self.file is None:
            self.file = CompressedFile(self.path)
        return self.file

    def add(self, line: str) -> None:
        """Put a line, which ends in a line feed and is ASCII, at its end."""
        self.start().write(line.encode("ascii"))
        self.count += 1

    def read_so_far(self, make: Callable[[bytes], _T]) -> Iterator[_T]:
        """What `make` makes of each line until now; raises ArchiveError as reading does."""
        if self.file is None:
            return iter(())
        return parse_lines(self.path, split_lines(self.file.read_so_far()), make)
