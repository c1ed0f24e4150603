"""Compressed files on their way to the disk: counted, hashed, synced, and readable while they still grow.

Must not know what is inside the files.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import zstandard

from bot.language import say
from bot.overlap import Behind
from bot.stores.archive.disk import begin_to_store, create_file, disk_errors, forget_cached, write_all
from bot.stores.archive.facts import Content
from bot.stores.archive.level import SAMPLE_BYTES, SMALL, level_for
from bot.stores.archive.reading import parse_lines, read_growing, split_lines

WORKERS = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 4)
"""So many threads compress a tar."""

_HELD_PIECES = 12
_PIECE_BYTES = 1 << 16
_EARLY_BYTES = 8 << 20

_T = TypeVar("_T")


class CompressedFile:
    """One file that is compressed, counted and hashed as it is written. Methods raise OSError, where not said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw_bytes = self.stored_bytes = 0
        self._raw, self._stored = hashlib.sha256(), hashlib.sha256()
        self._descriptor: int | None = create_file(path)
        self._is_finished = False
        self._early_bytes = 0
        self.compress_with(SMALL)

    def compress_with(self, level: int, workers: int = 0) -> None:
        """To be said before the first byte: how hard, and how many threads of its own help whoever writes."""
        made = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=workers).compressobj()
        self._zstd: zstandard.ZstdCompressionObj | None = made

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._raw.update(data)
        self.raw_bytes += len(data)
        if self._zstd is not None:
            self._store(self._zstd.compress(data))

    def finish(self) -> None:
        """Write what is left, sync, close, and let the kernel forget it, so that reading means the disk."""
        if self._zstd is not None:
            self._store(self._zstd.flush())
        self._is_finished = True
        if self._descriptor is not None:
            os.fsync(self._descriptor)
        self.close()
        forget_cached(self.path)

    def close(self) -> None:
        """Let go of the file, and of what compresses it, threads and all; may be called twice."""
        self._zstd = None
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def errors(self, doing: str) -> AbstractContextManager[None]:
        """What goes wrong with the file, as an ArchiveError that says how much of it had been written."""
        return disk_errors(doing, self.path.parent, lambda: self.stored_bytes)

    def read_so_far(self) -> Iterator[bytes]:
        """What was written until now; raises ArchiveError when the disk gives back anything else."""
        if not self._is_finished and self._zstd is not None:
            with self.errors(say("Writing {file}", file=self.path.name)):
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
            if self.stored_bytes - self._early_bytes >= _EARLY_BYTES:
                self._early_bytes = self.stored_bytes
                begin_to_store(self._descriptor)


class TarFile:
    """The tar of a draft: hashed, compressed and written behind whoever hands it over, as hard as costs no time.

    Methods raise OSError, `write` perhaps that of an earlier piece.
    """

    def __init__(self, path: Path) -> None:
        self._file = CompressedFile(path)
        self._behind = Behind(self._take, name=f"writing {path.name}", held=_HELD_PIECES)
        self._sample: list[bytes] | None = []
        self._sample_bytes = 0
        self._began: float | None = None
        self._sample_seconds = 0.0
        self.raw_bytes = 0

    @property
    def path(self) -> Path:
        """Where it is, as long as the draft is no backup."""
        return self._file.path

    def errors(self, doing: str) -> AbstractContextManager[None]:
        """As `CompressedFile.errors`."""
        return self._file.errors(doing)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        now = time.monotonic()
        self._began = self._began or now
        if self.raw_bytes < SAMPLE_BYTES:
            self._sample_seconds = now - self._began
        self.raw_bytes += len(data)
        self._behind.put(data)

    def finish(self) -> None:
        """Write what is left, and sync, as `CompressedFile.finish`."""
        self._behind.finish()
        self._write_sample(SMALL)
        self._file.finish()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._behind.stop()
        self._sample = None
        self._file.close()

    def raw(self) -> Content:
        """What was given, once it is finished."""
        return self._file.raw()

    def stored(self) -> Content:
        """What was written to the disk, once it is finished."""
        return self._file.stored()

    def _take(self, data: bytes) -> None:
        if self._sample is None:
            self._file.write(data)
            return
        self._sample.append(data)
        self._sample_bytes += len(data)
        if self._sample_bytes >= SAMPLE_BYTES:
            self._write_sample(level_for(b"".join(self._sample), self._sample_seconds), WORKERS)

    def _write_sample(self, level: int, workers: int = 0) -> None:
        held, self._sample = self._sample or [], None
        if held:
            self._file.compress_with(level, workers)
        for data in held:
            self._file.write(data)


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
        with self._file.errors(say("Writing {file}", file=self.path.name)):
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
        self._held: list[str] = []
        self._held_bytes = 0

    def start(self) -> CompressedFile:
        """Make the file, unless it is there."""
        if self.file is None:
            self.file = CompressedFile(self.path)
        return self.file

    def add(self, line: str) -> bool:
        """Put a line, which ends in a line feed and is ASCII, at its end; True when it is time to `flush`."""
        self._held.append(line)
        self._held_bytes += len(line)
        self.count += 1
        return self._held_bytes >= _PIECE_BYTES

    def flush(self) -> None:
        """Write the lines that are held: one by one they would cost more than what they say."""
        if self._held:
            self.start().write("".join(self._held).encode("ascii"))
            self._held.clear()
            self._held_bytes = 0

    def finish(self) -> None:
        """Write all that is held, and sync; raises OSError."""
        self.flush()
        if self.file is not None:
            self.file.finish()

    def read_so_far(self, make: Callable[[bytes], _T]) -> Iterator[_T]:
        """What `make` makes of each line that was written; raises ArchiveError as reading does."""
        if self.file is None:
            return iter(())
        return parse_lines(self.path, split_lines(self.file.read_so_far()), make)
