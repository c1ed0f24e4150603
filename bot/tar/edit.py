"""Changes a tar as it streams by: leaves entries out and gives others further PAX records, never their bodies.

Pure bytes: it must not know where they come from, where they go, nor why anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.entry import Entry
from bot.language import say
from bot.tar.header import (
    BLOCK_BYTES,
    PAX_GLOBAL,
    VOLUME,
    Header,
    entry_of,
    member_name,
    pax_header,
    relative_path,
)
from bot.tar.stream import MAX_EXTENSION_BYTES, ZERO_BLOCK, TarParser

__all__ = ["MAX_RECORD_BYTES", "Decide", "Edit", "edit", "in_turn", "member_name"]

PIECE_BYTES = 256 << 10
"""Smaller pieces are put together up to about this size."""

MAX_RECORD_BYTES = MAX_EXTENSION_BYTES - (64 << 10)
"""What the added records of an entry may take; the rest is for those that it has already."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to happen to an entry: left out, or PAX records that it gets or that override its own.

    Names in `path` and `linkpath` are the tar's, so they begin with its root (`member_name`). Overriding `path`
    lets the entry appear under another name. `size` cannot be changed.
    """

    drop: bool = False
    records: Mapping[str, bytes | str] = field(default_factory=dict)


Decide = Callable[[Entry], Edit]
UNCHANGED = Edit()


def edit(chunks: Iterable[bytes], decide: Decide, root: str = VOLUME) -> Iterator[bytes]:
    """The tar in `chunks`, cut anyhow, as `decide` wants it; it is asked once an entry, before its body is read.

    Entries have no SHA-256 at that time. Never holds more than a chunk and `PIECE_BYTES`. Nothing that came out
    counts unless the iterator ended by itself: raises StreamCut for a tar that is not whole, EngineError for one
    that is damaged, and whatever `chunks` and `decide` raise.
    """
    editor = _Editor(decide, root)
    for chunk in chunks:
        editor.feed(chunk)
        if editor.held >= PIECE_BYTES:
            yield editor.taken()
    editor.close()
    yield editor.taken() + ZERO_BLOCK + ZERO_BLOCK


def in_turn(decides: Iterable[Decide], root: str = VOLUME) -> Decide:
    """Asks each in turn, showing it the entry under the name that those before it gave; records add up."""
    asked = tuple(decides)

    def decide(entry: Entry) -> Edit:
        records: dict[str, bytes | str] = {}
        for one in asked:
            found = one(entry)
            if found.drop:
                return found
            records.update(found.records)
            name = found.records.get("path")
            if name is not None:
                text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
                entry = replace(entry, path=relative_path(text, root))
        return Edit(records=records) if records else UNCHANGED

    return decide


class _Editor(TarParser):
    """Collects what goes on, until it is taken away."""

    def __init__(self, decide: Decide, root: str) -> None:
        super().__init__(root)
        self.held = 0
        self._decide = decide
        self._out: list[bytes | memoryview] = []
        self._front: list[bytes] = []
        self._dropping = False

    def taken(self) -> bytes:
        """What has been collected since the last time."""
        taken = b"".join(self._out)
        self._out.clear()
        self.held = 0
        return taken

    def opened(self, header: Header, block: bytes, records: dict[str, str]) -> None:
        """Ask, and write the headers that the answer makes."""
        wish = self._decide(entry_of(header, None, self.root))
        self._dropping = wish.drop
        if not wish.drop:
            for piece in (_merged(records, wish.records),) if wish.records else self._front:
                self._put(piece)
            self._put(block)
        self._front.clear()

    def part(self, view: memoryview) -> None:
        """Let a body pass."""
        if not self._dropping:
            self._put(view)

    def padded(self, padding: int) -> None:
        """Fill the last block."""
        if not self._dropping:
            self._put(bytes(padding))

    def extended(self, header: Header, block: bytes, piece: bytes) -> None:
        """Keep it for its entry, which may change it; a global header passes: it is of no one entry."""
        whole = b"".join((block, piece, bytes(-header.size % BLOCK_BYTES)))
        if header.type == PAX_GLOBAL:
            self._put(whole)
            return
        self._front.append(whole)
        if len(self._front) > 8:
            raise self._malformed(say("too many extended headers precede an entry"))

    def _put(self, piece: bytes | memoryview) -> None:
        self._out.append(piece)
        self.held += len(piece)


def _merged(own: Mapping[str, str], added: Mapping[str, bytes | str]) -> bytes:
    if "size" in added:
        raise ValueError("an entry's size cannot be changed")
    return pax_header({**own, **added})
