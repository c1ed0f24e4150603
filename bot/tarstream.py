"""Reads a tar stream as it arrives and proves that it is whole; hashes every file in it.

Pure bytes: it must not know where they come from, nor write any of them anywhere.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable, Mapping

from bot.entry import ROOT, Entry, printable
from bot.errors import EngineError, StreamCut

BLOCK_BYTES = 512
MAX_EXTENSION_BYTES = 1 << 20

_ZERO_BLOCK = bytes(BLOCK_BYTES)
_PREFIX = "volume"
_TIME = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class TarReader:
    """Takes a tar in pieces of any size and calls `on_entry` for each entry, in order, after its body.

    Holds at most one block or extended header in memory. Whatever was reported proves nothing until `close`
    returned. Understands ustar, PAX and GNU headers (POSIX.1-2017 pax; GNU tar's L, K and base-256 numbers).
    """

    def __init__(self, on_entry: Callable[[Entry], None]) -> None:
        self.entries = 0
        self._on_entry = on_entry
        self._offset = 0
        self._piece = bytearray()
        self._wanted = BLOCK_BYTES
        self._state: Callable[[memoryview], int] = self._collect
        self._take: Callable[[bytes], None] = self._header
        self._left = 0
        self._padding = 0
        self._hash = hashlib.sha256()
        self._info = tarfile.TarInfo()
        self._extended: dict[str, str] = {}
        self._global: dict[str, str] = {}
        self._zero_blocks = 0
        self._ended = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes; raises EngineError when they cannot be part of a volume's tar."""
        view = memoryview(data)
        while view:
            used = self._state(view)
            self._offset += used
            view = view[used:]

    def close(self) -> None:
        """Nothing more comes; raises StreamCut unless the end marker was reached between two entries."""
        if not self._ended:
            where = f" inside “{printable(self._info.name)}”" if self._left else ""
            raise StreamCut(
                f"The tar stream was cut after {self._offset} bytes{where}: its end marker never came, "
                "so files are missing. Nothing of it counts as read; run it again."
            )
        if self._offset % BLOCK_BYTES or not self.entries:
            raise StreamCut(
                f"The tar stream of {self._offset} bytes and {self.entries} entries is not whole. "
                "Nothing of it counts as read; run it again."
            )

    # What follows are the states: each uses up some bytes of the view and says how many.

    def _collect(self, view: memoryview) -> int:
        used = min(self._wanted - len(self._piece), len(view))
        self._piece += view[:used]
        if len(self._piece) == self._wanted:
            piece = bytes(self._piece)
            self._piece.clear()
            self._take(piece)
        return used

    def _body(self, view: memoryview) -> int:
        part = view[: self._left]
        self._hash.update(part)
        self._left -= len(part)
        if not self._left:
            self._finish_entry(self._hash.hexdigest())
        return len(part)

    def _skip(self, view: memoryview) -> int:
        used = min(self._left, len(view))
        self._left -= used
        if not self._left:
            self._expect_header()
        return used

    def _after_end(self, view: memoryview) -> int:
        if bytes(view).strip(b"\0"):
            raise self._malformed("there is data behind the end marker")
        return len(view)

    def _expect_header(self) -> None:
        self._wanted, self._take, self._state = BLOCK_BYTES, self._header, self._collect

    def _expect_padding(self, size: int) -> None:
        self._left = -size % BLOCK_BYTES
        if self._left:
            self._state = self._skip
        else:
            self._expect_header()

    # What follows takes whole pieces: header blocks and extended headers.

    def _header(self, block: bytes) -> None:
        if block == _ZERO_BLOCK:
            self._zero_block()
            return
        if self._zero_blocks:
            raise self._malformed("a lone zero block stands between entries")
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise self._malformed(f"a header is damaged ({error})") from error
        if info.type in _EXTENSIONS:
            self._expect_extension(info)
        elif info.type in _KINDS:
            self._begin_entry(info)
        else:
            raise self._malformed(f"“{printable(info.name)}” is of unknown type {info.type!r}")

    def _zero_block(self) -> None:
        if self._extended:
            raise self._malformed("an extended header has no entry")
        self._zero_blocks += 1
        if self._zero_blocks == 2:
            self._ended = True
            self._state = self._after_end

    def _expect_extension(self, info: tarfile.TarInfo) -> None:
        if not 0 < info.size <= MAX_EXTENSION_BYTES:
            raise self._malformed(f"an extended header claims {info.size} bytes")

        def take(piece: bytes) -> None:
            self._extension(info.type, piece)
            self._expect_padding(info.size)

        self._wanted, self._take = info.size, take

    def _extension(self, kind: bytes, piece: bytes) -> None:
        if kind in (tarfile.XHDTYPE, tarfile.XGLTYPE):
            try:
                records = parse_pax(piece)
            except ValueError as error:
                raise self._malformed("an extended header is damaged") from error
            (self._extended if kind == tarfile.XHDTYPE else self._global).update(records)
        else:
            key = "path" if kind == tarfile.GNUTYPE_LONGNAME else "linkpath"
            self._extended[key] = piece.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def _begin_entry(self, info: tarfile.TarInfo) -> None:
        extended = {**self._global, **self._extended}
        self._extended = {}
        try:
            apply_pax(info, extended)
        except ValueError as error:
            raise self._malformed(f"“{printable(info.name)}”: {error}") from error
        if info.size < 0 or (info.size and _KINDS[info.type] != "file"):
            raise self._malformed(f"“{printable(info.name)}” claims {info.size} bytes")
        self._info = info
        self._hash = hashlib.sha256()
        self._left = info.size
        if info.size:
            self._state = self._body
        else:
            self._finish_entry(self._hash.hexdigest())

    def _finish_entry(self, sha256: str) -> None:
        info = self._info
        entry = entry_of(info, sha256 if _KINDS[info.type] == "file" else None)
        self._expect_padding(info.size)
        self.entries += 1
        self._on_entry(entry)

    def _malformed(self, what: str) -> EngineError:
        return EngineError(
            f"What arrived is not a volume's tar: {what}, at byte {self._offset}. "
            "Nothing of it counts as read; run it again, and look at the engine's log if it stays so."
        )


def entry_of(info: tarfile.TarInfo, sha256: str | None) -> Entry:
    """The entry that a header describes; raises EngineError for a path that leaves the volume."""
    kind = _KINDS[info.type]
    path = relative_path(info.name)
    if path == ROOT and kind != "directory":
        raise EngineError(
            "The root of what arrived is not a directory, so it is no volume. Nothing was kept."
        )
    link = {"symlink": info.linkname, "hardlink": info.linkname}.get(kind)
    return Entry(
        path=path,
        kind=kind,
        size=info.size,
        mode=info.mode & 0o7777,
        uid=info.uid,
        gid=info.gid,
        mtime=info.mtime,
        link=relative_path(link) if kind == "hardlink" and link is not None else link,
        device=(info.devmajor, info.devminor) if kind in ("char", "block") else None,
        sha256=sha256,
    )


def relative_path(name: str) -> str:
    """`volume/a/b` as `a/b` and `volume` as `.`; raises EngineError for anything outside or not normal."""
    first, *rest = name.rstrip("/").split("/")
    if first != _PREFIX or any(part in ("", ".", "..") for part in rest) or "\0" in name:
        raise EngineError(
            f"The tar names “{printable(name)}”, which lies outside the volume. Nothing was kept; "
            "if a Docker engine really sent this, report it."
        )
    return "/".join(rest) or ROOT


def parse_pax(block: bytes) -> dict[str, str]:
    """The records `length key=value` of a PAX extended header; raises ValueError when they are damaged."""
    records: dict[str, str] = {}
    position = 0
    while position < len(block):
        space = block.find(b" ", position, position + 20)
        digits = block[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise ValueError("no length")
        end = position + int(digits)
        key, equals, value = block[space + 1 : end].partition(b"=")
        if end > len(block) or not key or not equals or not value.endswith(b"\n"):
            raise ValueError("a record is cut")
        records[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        position = end
    return records


def apply_pax(info: tarfile.TarInfo, records: Mapping[str, str]) -> None:
    """Let extended records override the header's fields; raises ValueError for values that make no sense.

    An empty value means that the header's own field counts (POSIX.1-2017 pax, "Extended Header").
    """
    if any(key.startswith("GNU.sparse.") for key in records):
        raise ValueError("sparse members cannot be checked")
    for key, value in records.items():
        if not value:
            continue
        if key == "path":
            info.name = value
        elif key == "linkpath":
            info.linkname = value
        elif key in ("size", "uid", "gid"):
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"{key} is not a number")
            setattr(info, key, int(value))
        elif key == "mtime":
            info.mtime = _seconds(value)


def _seconds(text: str) -> int | float:
    if not _TIME.fullmatch(text):
        raise ValueError("mtime is not a time")
    return int(float(text)) if float(text).is_integer() else float(text)
