"""Reads and writes what precedes the body of a tar entry: header blocks, PAX records and the names in them.

Pure bytes: it must not know where they come from. Sources: POSIX.1-2017 pax, GNU tar's base-256 numbers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import adler32

from bot.entry import ROOT, Entry, printable
from bot.errors import EngineError
from bot.language import say
from bot.reasons import Reason

BLOCK_BYTES = 512
VOLUME = "volume"
KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"5": "directory",
    b"2": "symlink",
    b"1": "hardlink",
    b"6": "fifo",
    b"3": "char",
    b"4": "block",
}
PAX, PAX_GLOBAL, GNU_NAME, GNU_LINK = b"x", b"g", b"L", b"K"

_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_USTAR = b"ustar\x0000"
_TIME = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_ODD = re.compile(r"//|/\.\.?(?:/|\Z)|\0")
_CHECKSUM = slice(148, 156)


@dataclass(slots=True)
class Header:
    """The fields of a header block, with whatever PAX records make of them; `type` is its type flag."""

    type: bytes
    name: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int | float
    linkname: str = ""
    device: tuple[int, int] | None = None


def parse_header(block: bytes) -> Header:
    """The header in a block of 512 bytes; raises ValueError when it is damaged."""
    (name, mode, uid, gid, size, mtime, checksum, kind, link, magic, _, _, major, minor, prefix) = (
        _FIELDS.unpack(block)
    )
    _demand_checksum(block, number(checksum))
    text = _text(name)
    if magic == _USTAR and prefix[0]:
        text = f"{_text(prefix)}/{text}"
    if kind == b"\0" and text.endswith("/"):
        kind = b"5"
    header = Header(kind, text, number(size), _often(mode), _often(uid), _often(gid), number(mtime))
    if kind in (b"1", b"2"):
        header.linkname = _text(link)
    elif kind in (b"3", b"4"):
        header.device = (number(major), number(minor))
    return header


def out_of_bounds(header: Header) -> str:
    """Which of its numbers no file system has, in words; empty when all are as they may be."""
    if not 0 <= header.size < 1 << 63:
        return say("a size of {size}", size=str(header.size)[:50])
    if not (0 <= header.uid < 1 << 63 and 0 <= header.gid < 1 << 63):
        return say("an owner that no file system has")
    if not -(1 << 63) <= header.mtime < 1 << 63:
        return say("a time that no file system has")
    if not all(0 <= part < 1 << 32 for part in header.device or ()):
        return say("a device that no file system has")
    return ""


def number(field: bytes) -> int:
    """The number in a header's field, in octal digits or GNU tar's base 256; raises ValueError."""
    if field[0] in (0o200, 0o377):
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == 0o200 else value - (1 << 8 * (len(field) - 1))
    return int(field.rstrip(b" \0") or b"0", 8)


_often = lru_cache(1024)(number)
"""Most entries of a tar have the same few modes and owners."""


def _demand_checksum(block: bytes, claimed: int) -> None:
    """Old tars add up signed bytes; both sums count. The checksum's own field counts as blanks."""
    total = _sum(block[:256]) + _sum(block[256:]) - sum(block[_CHECKSUM]) + 8 * ord(" ")
    if total == claimed:
        return
    high = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in block[_CHECKSUM])
    if total - 256 * high != claimed:
        raise ValueError(say("its checksum does not fit"))


def _sum(data: bytes) -> int:
    """Of at most 256 bytes, several times faster than `sum`: half of an Adler-32 is one more than it (RFC 1950)."""
    return (adler32(data) & 0xFFFF) - 1


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def entry_of(header: Header, sha256: str | None, root: str = VOLUME) -> Entry:
    """The entry that a header describes; raises EngineError for a path that leaves the root."""
    kind = KINDS[header.type]
    link: str | None = None
    if kind == "hardlink":
        link = relative_path(header.linkname, root)
    elif kind == "symlink":
        link = header.linkname
    return Entry(
        path=relative_path(header.name, root),
        kind=kind,
        size=header.size,
        mode=header.mode & 0o7777,
        uid=header.uid,
        gid=header.gid,
        mtime=header.mtime,
        link=link,
        device=header.device,
        sha256=sha256,
    )


def relative_path(name: str, root: str = VOLUME) -> str:
    """`volume/a/b` as `a/b` and `volume` as `.`; raises EngineError for anything outside or not normal."""
    if name.startswith(root) and name[len(root) : len(root) + 1] == "/" and not _ODD.search(name):
        return name[len(root) + 1 :].rstrip("/") or ROOT
    first, *rest = name.rstrip("/").split("/")
    if first != root or any(part in ("", ".", "..") for part in rest) or "\0" in name:
        raise EngineError(
            say(
                "The tar names “{name}”, which lies outside “{root}”. Nothing was kept; "
                "if a Docker engine really sent this, report it.",
                name=printable(name),
                root=printable(root),
            ),
            reason=Reason.NOT_A_TAR,
        )
    return "/".join(rest) or ROOT


def member_name(root: str, path: str) -> str:
    """What a path relative to the root is called in the tar: the opposite of `relative_path`."""
    return root if path == ROOT else f"{root}/{path}"


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


def apply_pax(header: Header, records: Mapping[str, str]) -> None:
    """Let extended records override the header's fields; raises ValueError for values that make no sense.

    An empty value means that the header's own field counts (POSIX.1-2017 pax, "Extended Header").
    """
    for key, value in records.items():
        if key.startswith("GNU.sparse."):
            raise ValueError(say("sparse members cannot be checked"))
        if not value:
            continue
        if key == "path":
            header.name = value
        elif key == "linkpath":
            header.linkname = value
        elif key in ("size", "uid", "gid"):
            if not (value.isascii() and value.isdigit()):
                raise ValueError(say("{field} is not a number", field=key))
            setattr(header, key, int(value))
        elif key == "mtime":
            header.mtime = _seconds(value)


def _seconds(text: str) -> int | float:
    if not _TIME.fullmatch(text):
        raise ValueError(say("mtime is not a time"))
    return int(float(text)) if float(text).is_integer() else float(text)


def pax_header(records: Mapping[str, bytes | str]) -> bytes:
    """The extended header that carries these records, whole blocks; values may be any bytes."""
    body = b"".join([pax_record(key, value) for key, value in records.items()])
    size = b"%011o" % len(body)
    checksum = b"%06o" % (_PAX_SUM + sum(size))
    return b"".join(
        (_PAX_UNTIL_SIZE, size, _PAX_TIME, checksum, _PAX_REST, body, bytes(-len(body) % BLOCK_BYTES))
    )


def pax_record(key: str, value: bytes | str) -> bytes:
    """`length key=value` and a line feed, where the length counts its own digits."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    rest = b" %b=%b\n" % (key.encode("utf-8", "surrogateescape"), data)
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)


_PAX_UNTIL_SIZE = b"PaxHeaders/entry".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
_PAX_TIME = b"\0" + b"00000000000\0"
_PAX_REST = (b"\0 " + PAX + bytes(100) + _USTAR).ljust(BLOCK_BYTES - 154, b"\0")
_PAX_SUM = sum(_PAX_UNTIL_SIZE + _PAX_TIME + _PAX_REST) - sum(b"\0 ") + 8 * ord(" ")
