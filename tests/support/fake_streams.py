"""The bytes of the fake engine: entries, the tar made of them, streams in and out, and the faults of both.

It must not know volumes or containers.
"""

from __future__ import annotations

import copy
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, cast

from bot.errors import EngineError, StreamCut

_BLOCK = 512
_END = bytes(2 * _BLOCK)


@dataclass(kw_only=True)
class Faults:
    """What is to go wrong from now on; every field may be set and unset at any time."""

    down: bool = False
    """Every call fails, and so does the next read of an open stream."""

    failing: dict[str, EngineError] = field(default_factory=dict)
    """Name of an engine method -> what it raises, before it has done anything."""

    cut_at_byte: int | None = None
    """Reads end after this many bytes."""

    cut_after_entries: int | None = None
    """Reads end after this many whole entries; the end marker is missing."""

    cut_silently: bool = False
    """A cut looks like an ordinary end (engine fact 1) instead of raising StreamCut."""

    shrinking_file: str | None = None
    """This file shrinks to half while it is read: its entry is cut, and all that follows is missing, silently."""

    stall_at_byte: int | None = None
    """Reads say nothing after this many bytes until `go_on` is set, or the stall limit has passed."""

    go_on: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set by the engine as soon as a read stalls."""

    write_fails_at_byte: int | None = None
    """Writes fail after this many bytes; the entries that were whole by then stay."""


@dataclass(frozen=True)
class File:
    """One entry: its header and, of a regular file, its bytes."""

    info: tarfile.TarInfo
    data: bytes


def make_tar(files: Mapping[str, File], faults: Faults) -> bytes:
    """The tar that the archive API would send now, with the faults that change its bytes."""
    out = io.BytesIO()
    for count, path in enumerate(sorted(files)):
        if count == faults.cut_after_entries:
            return out.getvalue()
        file = files[path]
        out.write(_header(file.info))
        if path == faults.shrinking_file:
            out.write(file.data[: len(file.data) // 2])
            return out.getvalue()
        out.write(file.data + bytes(-len(file.data) % _BLOCK))
    out.write(_END)
    return out.getvalue()


def unpack(tar: Iterator[bytes], faults: Faults) -> Iterator[File]:
    """Each entry as soon as it is whole; raises EngineError for a bad tar, and what `tar` raises, unchanged."""
    source = _Pipe(tar, faults)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", errorlevel=2) as unpacked:
            for info in unpacked:
                held = unpacked.extractfile(info) if info.isreg() else None
                yield File(info, held.read() if held else b"")
        while source.read(_BLOCK * 20):
            pass  # as the daemon does: what follows the end marker is read and dropped
    except tarfile.TarError as error:
        if source.count:  # of no bytes at all Docker makes nothing, without an error (engine fact 12)
            raise EngineError(
                f"The engine could not unpack the tar: {error}; what came before stays."
            ) from error


class FakeStream:
    """An answer in progress; obeys the faults of the moment."""

    def __init__(self, data: bytes, faults: Faults, stall: timedelta, *, cut: bool) -> None:
        self._data = data
        self._faults = faults
        self._stall = stall
        self._cut = cut
        self._at = 0

    def read(self, size: int) -> bytes:
        faults = self._faults
        if faults.down:
            raise StreamCut(f"The engine broke off after {self._at} bytes. The volume was not changed.")
        end = len(self._data) if faults.cut_at_byte is None else min(len(self._data), faults.cut_at_byte)
        if faults.stall_at_byte is not None and not faults.go_on.is_set():
            if self._at >= faults.stall_at_byte:
                self._wait()
            else:
                end = min(end, faults.stall_at_byte)
        data = self._data[self._at : min(self._at + size, end)]
        self._at += len(data)
        if not data and size and not faults.cut_silently and (self._cut or self._at < len(self._data)):
            raise StreamCut(f"The engine broke off after {self._at} bytes. The volume was not changed.")
        return data

    def _wait(self) -> None:
        self._faults.stalled.set()
        if not self._faults.go_on.wait(self._stall.total_seconds()):
            raise EngineError(f"The engine sent nothing for {self._stall.total_seconds():g} seconds.")


class _Pipe:
    """A file made of an iterator, for tarfile; what the iterator raises passes through."""

    def __init__(self, source: Iterator[bytes], faults: Faults) -> None:
        self._source = source
        self._faults = faults
        self._held = b""
        self.count = 0

    def read(self, size: int) -> bytes:
        limit = self._faults.write_fails_at_byte
        if limit is not None and self.count >= limit:
            raise EngineError(f"The engine failed after {self.count} bytes; what came before stays.")
        wanted = size if limit is None else min(size, limit - self.count)
        while len(self._held) < wanted:
            piece = next(self._source, None)
            if piece is None:
                break
            self._held += piece
        data, self._held = self._held[:wanted], self._held[wanted:]
        self.count += len(data)
        return data


def directory(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    """As the archive API writes it: PAX, whole seconds, xattrs dropped (engine fact 10)."""
    bare = copy.copy(info)
    bare.mtime = int(info.mtime)
    bare.pax_headers = {
        key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.sec")
    }
    return bare.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
