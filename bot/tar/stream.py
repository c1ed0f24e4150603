"""Reads a tar stream as it arrives and proves that it is whole; hashes every file in it.

Pure bytes: it must not know where they come from, nor write any of them anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from bot.entry import Entry, printable
from bot.errors import EngineError, StreamCut
from bot.language import say
from bot.reasons import Reason
from bot.tar.header import (
    BLOCK_BYTES,
    GNU_LINK,
    GNU_NAME,
    KINDS,
    PAX,
    PAX_GLOBAL,
    VOLUME,
    Header,
    apply_pax,
    entry_of,
    out_of_bounds,
    parse_header,
    parse_pax,
)
from bot.words import size

MAX_EXTENSION_BYTES = 1 << 20
"""As much as Go's archive/tar, and so Docker, accepts."""

_MAX_EXTENSIONS_BYTES = 4 * MAX_EXTENSION_BYTES
"""All that may come before one entry, and all global ones of a tar: they are held in memory."""

ZERO_BLOCK = bytes(BLOCK_BYTES)
_EXTENSIONS = (PAX, PAX_GLOBAL, GNU_NAME, GNU_LINK)


class TarParser:
    """Takes a tar in pieces of any size and tells a subclass what comes by, in order.

    Holds at most one block or extended header in memory. Whatever was told proves nothing until `close` returned.
    Understands ustar, PAX and GNU headers (POSIX.1-2017 pax; GNU tar's L, K and base-256 numbers).
    """

    def __init__(self, root: str = VOLUME) -> None:
        """`root` is the first name of every entry's path."""
        self.entries = 0
        self.root = root
        self._offset = 0
        self._piece = bytearray()
        self._wanted = BLOCK_BYTES
        # Bound to itself, a parser would be a circle, which lives until the collector comes by, with all it holds.
        self._state: Callable[[TarParser, memoryview, int], int] = TarParser._collect
        self._take: Callable[[TarParser, bytes], None] = TarParser._header
        self._extension_header = Header(b"", "", 0, 0, 0, 0, 0)
        self._extension_block = b""
        self._left = 0
        self._current = Header(b"", "", 0, 0, 0, 0, 0)
        self._extended: dict[str, str] = {}
        self._global: dict[str, str] = {}
        self._extension_bytes = 0
        self._global_bytes = 0
        self._zero_blocks = 0
        self._ended = False

    def opened(self, header: Header, block: bytes, records: dict[str, str]) -> None:
        """An entry begins: what it is, its header's block, and the records before it, GNU's names among them."""

    def part(self, view: memoryview) -> None:
        """The next bytes of the entry's body."""

    def finished(self, header: Header) -> None:
        """The entry's body is over."""

    def padded(self, padding: int) -> None:
        """So many zero bytes fill the entry's last block; not called when there are none."""

    def extended(self, header: Header, block: bytes, piece: bytes) -> None:
        """An extended header was read: its type, its block and its content, without the padding."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes; raises EngineError when they cannot be part of such a tar."""
        view = memoryview(data)
        start, at, end = self._offset, 0, len(view)
        while at < end:
            at = self._state(self, view, at)
            self._offset = start + at

    def close(self) -> None:
        """Nothing more comes; raises StreamCut unless the end marker was reached between two entries."""
        if not self._ended:
            where = read = size(self._offset)
            if self._left:
                where = say("{size} inside “{name}”", size=read, name=printable(self._current.name))
            raise StreamCut(
                say(
                    "The tar stream was cut after {where}: its end marker never came, "
                    "so files are missing. Nothing of it counts as read; run it again.",
                    where=where,
                )
            )
        if self._offset % BLOCK_BYTES or not self.entries:
            raise StreamCut(
                say(
                    "The tar stream of {size} and {entries} entries is not whole. "
                    "Nothing of it counts as read; run it again.",
                    size=size(self._offset),
                    entries=self.entries,
                )
            )

    # What follows are the states: each uses up some bytes of the view and says up to where.

    def _collect(self, view: memoryview, at: int) -> int:
        end = at + self._wanted - len(self._piece)
        if end > len(view):
            self._piece += view[at:]
            return len(view)
        if self._piece:
            self._piece += view[at:end]
            piece = bytes(self._piece)
            self._piece.clear()
        else:
            piece = bytes(view[at:end])
        self._take(self, piece)
        return end

    def _body(self, view: memoryview, at: int) -> int:
        part = view[at : at + self._left]
        self.part(part)
        self._left -= len(part)
        if not self._left:
            self._finish_entry()
        return at + len(part)

    def _skip(self, view: memoryview, at: int) -> int:
        used = min(self._left, len(view) - at)
        self._left -= used
        if not self._left:
            self._expect_header()
        return at + used

    def _after_end(self, view: memoryview, at: int) -> int:
        if bytes(view[at:]).strip(b"\0"):
            raise self._malformed(say("there is data behind the end marker"))
        return len(view)

    def _expect_header(self) -> None:
        self._wanted, self._take, self._state = BLOCK_BYTES, TarParser._header, TarParser._collect

    def _expect_padding(self, size: int) -> None:
        self._left = -size % BLOCK_BYTES
        if self._left:
            self._state = TarParser._skip
        else:
            self._expect_header()

    # What follows takes whole pieces: header blocks and extended headers.

    def _header(self, block: bytes) -> None:
        if block == ZERO_BLOCK:
            self._zero_block()
            return
        if self._zero_blocks:
            raise self._malformed(say("a lone zero block stands between entries"))
        try:
            header = parse_header(block)
        except ValueError as error:
            raise self._malformed(say("a header is damaged ({reason})", reason=error)) from error
        if header.type in KINDS:
            self._begin_entry(header, block)
        elif header.type in _EXTENSIONS:
            self._expect_extension(header, block)
        else:
            raise self._malformed(
                say("“{name}” is of unknown type {type!r}", name=printable(header.name), type=header.type)
            )

    def _zero_block(self) -> None:
        if self._extended:
            raise self._malformed(say("an extended header has no entry"))
        self._zero_blocks += 1
        if self._zero_blocks == 2:
            self._ended = True
            self._state = TarParser._after_end

    def _expect_extension(self, header: Header, block: bytes) -> None:
        if not 0 < header.size <= MAX_EXTENSION_BYTES:
            raise self._malformed(say("an extended header claims {size} bytes", size=header.size))

        self._extension_bytes += header.size
        self._global_bytes += header.size if header.type == PAX_GLOBAL else 0
        if max(self._extension_bytes, self._global_bytes) > _MAX_EXTENSIONS_BYTES:
            raise self._malformed(say("extended headers without end precede an entry"))

        self._extension_header, self._extension_block = header, block
        self._wanted, self._take = header.size, TarParser._extended_header

    def _extended_header(self, piece: bytes) -> None:
        header = self._extension_header
        self._extension(header.type, piece)
        self.extended(header, self._extension_block, piece)
        self._expect_padding(header.size)

    def _extension(self, kind: bytes, piece: bytes) -> None:
        if kind in (PAX, PAX_GLOBAL):
            try:
                records = parse_pax(piece)
            except ValueError as error:
                raise self._malformed(say("an extended header is damaged")) from error
            (self._extended if kind == PAX else self._global).update(records)
        else:
            key = "path" if kind == GNU_NAME else "linkpath"
            self._extended[key] = piece.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def _begin_entry(self, header: Header, block: bytes) -> None:
        records = self._extended
        if records or self._global:
            self._extended = {}
            try:
                apply_pax(header, {**self._global, **records})
            except ValueError as error:
                raise self._malformed(f"“{printable(header.name)}”: {error}") from error
        problem = out_of_bounds(header)
        if problem:
            raise self._malformed(
                say("“{name}” claims {problem}", name=printable(header.name[:200]), problem=problem)
            )
        if header.size < 0 or (header.size and KINDS[header.type] != "file"):
            raise self._malformed(
                say("“{name}” claims {size} bytes", name=printable(header.name), size=header.size)
            )
        self._current = header
        self._left = header.size
        self._extension_bytes = 0
        self.opened(header, block, records)
        if header.size:
            self._state = TarParser._body
        else:
            self._finish_entry()

    def _finish_entry(self) -> None:
        header = self._current
        self._expect_padding(header.size)
        self.entries += 1
        self.finished(header)
        if self._left:
            self.padded(self._left)

    def _malformed(self, what: str) -> EngineError:
        return EngineError(
            say(
                "What arrived is not a volume's tar: {what}, at byte {offset}. "
                "Nothing of it counts as read; run it again, and look at the engine's log if it stays so.",
                what=what,
                offset=self._offset,
            ),
            reason=Reason.NOT_A_TAR,
        )


class TarReader(TarParser):
    """Takes a tar in pieces of any size and calls `on_entry` for each entry, in order, after its body.

    `root` is the name that all the tar's names begin with; entries are relative to it. It may be of any kind: a
    path that is a single file arrives as nothing but its root. What was reported counts only after `close`.
    """

    def __init__(self, on_entry: Callable[[Entry], None], root: str = VOLUME) -> None:
        super().__init__(root)
        self._on_entry = on_entry
        self._hash = hashlib.sha256()

    def opened(self, header: Header, block: bytes, records: dict[str, str]) -> None:  # noqa: ARG002
        """Begin a new hash."""
        self._hash = hashlib.sha256()

    def part(self, view: memoryview) -> None:
        """Hash it."""
        self._hash.update(view)

    def finished(self, header: Header) -> None:
        """Tell the entry, with its hash if it is a file."""
        sha256 = self._hash.hexdigest() if KINDS[header.type] == "file" else None
        self._on_entry(entry_of(header, sha256, self.root))
