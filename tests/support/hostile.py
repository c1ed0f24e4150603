"""Tars that nobody should trust: hostile or malformed, made by hand. It must not share code with the product.

Each case is the tar of something called `root`, in pieces, and what may become of it.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

END = bytes(1024)
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A case. `whole`: a backup of just that is one, and restoring it may well work, inside its destination."""

    name: str
    make: Callable[[str], Iterable[bytes]]
    whole: bool = False


def entry(name: str, kind: bytes = tarfile.REGTYPE, body: bytes = b"", **facts: object) -> bytes:
    """A header, as tarfile writes it in GNU's manner, and the body."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(body), 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in facts.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape") + body + bytes(-len(body) % _BLOCK)


def _summed(block: bytes) -> bytes:
    changed = bytearray(block)
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def _patched(block: bytes, at: int, data: bytes) -> bytes:
    return _summed(block[:at] + data + block[at + len(data) :])


def _pax(records: dict[str, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records.items():
        rest = b" " + key.encode() + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest)))
        body += str(len(rest) + len(str(length))).encode() + rest
    return entry("pax", kind, body)


def _long(name: bytes, kind: bytes = b"L") -> bytes:
    return entry("././@LongLink", kind, name + b"\0")


def _tree(*parts: bytes) -> Callable[[str], Iterator[bytes]]:
    """The root directory, then the parts, in which `ROOT` is the root's name."""

    def make(root: str) -> Iterator[bytes]:
        yield entry(root, tarfile.DIRTYPE)
        yield from parts
        yield END

    return make


def _named(
    *make: Callable[[str], bytes], end: bytes = END, first: bool = True
) -> Callable[[str], Iterator[bytes]]:
    def made(root: str) -> Iterator[bytes]:
        if first:
            yield entry(root, tarfile.DIRTYPE)
        for one in make:
            yield one(root)
        yield end

    return made


def _file(path: str, body: bytes = b"evil\n", **facts: object) -> Callable[[str], bytes]:
    return lambda root: entry(path.replace("ROOT", root), body=body, **facts)


def _link(path: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Callable[[str], bytes]:
    return lambda root: entry(path.replace("ROOT", root), kind, linkname=target.replace("ROOT", root))


def _hard(path: str, target: str) -> Callable[[str], bytes]:
    return _link(path, target, tarfile.LNKTYPE)


def _kind(path: str, kind: bytes, **facts: object) -> Callable[[str], bytes]:
    return lambda root: entry(path.replace("ROOT", root), kind, **facts)


def _with_size(field: bytes) -> Callable[[str], bytes]:
    return lambda root: _patched(entry(f"{root}/f"), 124, field)


def _before(
    records: dict[str, bytes], path: str = "ROOT/f", body: bytes = b"evil\n"
) -> Callable[[str], bytes]:
    def made(root: str) -> bytes:
        filled = {key: value.replace(b"ROOT", root.encode()) for key, value in records.items()}
        return _pax(filled) + entry(path.replace("ROOT", root), body=body)

    return made


def _many(count: int, last: Callable[[str], bytes] | None = None) -> Callable[[str], Iterator[bytes]]:
    def made(root: str) -> Iterator[bytes]:
        yield entry(root, tarfile.DIRTYPE)
        template = entry(f"{root}/0000000")
        at = len(root) + 1
        for start in range(0, count, 1000):
            piece = bytearray(template * min(1000, count - start))
            for number in range(min(1000, count - start)):
                block = _patched(template, at, b"%07d" % (start + number))
                piece[number * _BLOCK : (number + 1) * _BLOCK] = block
            yield bytes(piece)
        if last is not None:
            yield last(root)
        yield END

    return made


def _cut(root: str) -> Iterator[bytes]:
    yield entry(root, tarfile.DIRTYPE)
    yield entry(f"{root}/f", body=bytes(5000))[:2048]


def _bomb(root: str) -> Iterator[bytes]:
    held = io.BytesIO()
    with gzip.GzipFile(fileobj=held, mode="wb", mtime=0) as packed:
        packed.write(entry(root, tarfile.DIRTYPE) + entry(f"{root}/f", body=bytes(8 << 20)) + END)
    yield held.getvalue()


def _endless_zeros(root: str) -> Iterator[bytes]:
    yield entry(root, tarfile.DIRTYPE)
    yield from itertools.repeat(bytes(1 << 16))


def _endless_extensions(root: str) -> Iterator[bytes]:
    yield entry(root, tarfile.DIRTYPE)
    for number in itertools.count():
        yield _pax({f"user.{number}": b"x" * 60_000})


def _base256(number: int) -> bytes:
    return b"\x80" + number.to_bytes(11, "big") if number >= 0 else (number % (1 << 96)).to_bytes(12, "big")


def _without_checksum(root: str) -> bytes:
    block = bytearray(entry(f"{root}/f"))
    block[0:1] = b"X"
    return bytes(block)


def _sparse(root: str) -> bytes:
    block = _patched(entry(f"{root}/f", body=b"x" * 512)[:512], 156, b"S")
    return block[:386] + b"00000000000\0" + block[398:] + b"x" * 512


def _device(root: str) -> bytes:
    block = entry(f"{root}/d", tarfile.CHRTYPE, devmajor=1, devminor=3)
    return _patched(block, 329, b"\x80" + struct.pack(">IHB", 1 << 31, 0, 1))


def cases(entries: int = 1_000_000) -> list[Hostile]:
    """All of them; `entries` is how many the largest has."""
    outside = {
        "dotdot": _named(_file("ROOT/../evil")),
        "dotdot at the top": _named(_file("../evil")),
        "dotdot deep": _named(_file("ROOT/a/../../../evil")),
        "absolute": _named(_file("/etc/evil")),
        "another root": _named(_file("other/evil")),
        "the root twice, the second a link": _named(_link("ROOT", "/etc"), _file("ROOT/evil")),
        "no root": _named(_file("evil"), first=False),
        "empty name": _named(_file("")),
        "dots": _named(_file("ROOT/./f")),
        "double slash": _named(_file("ROOT//f")),
        "PAX path outside": _named(_before({"path": b"../evil"})),
        "PAX path with NUL": _named(_before({"path": b"ROOT/a\0/../../evil"})),
        "GNU long name outside": _named(
            lambda _root: _long(b"../" * 60 + b"evil") + entry("x", body=b"evil")
        ),
        "hard link outside": _named(_hard("ROOT/h", "../../etc/passwd")),
        "hard link absolute": _named(_hard("ROOT/h", "/etc/passwd")),
        "PAX linkpath outside": _named(
            lambda root: (
                _pax({"linkpath": b"/etc/passwd"}) + entry(f"{root}/h", tarfile.LNKTYPE, linkname=root)
            )
        ),
    }
    reached = {
        "write through an absolute link": _named(_link("ROOT/l", "/etc"), _file("ROOT/l/passwd")),
        "write through a relative link": _named(_link("ROOT/l", "../../../../etc"), _file("ROOT/l/passwd")),
        "directory that becomes a link": _named(
            _kind("ROOT/d", tarfile.DIRTYPE), _link("ROOT/d", "/etc"), _file("ROOT/d/passwd")
        ),
        "file over a link": _named(_link("ROOT/f", "/etc/passwd"), _file("ROOT/f")),
        "hard link through a link": _named(_link("ROOT/l", "/etc"), _hard("ROOT/h", "ROOT/l/passwd")),
        "hard link to nothing": _named(_hard("ROOT/h", "ROOT/none")),
        "hard link to itself": _named(_hard("ROOT/h", "ROOT/h")),
        "below a file": _named(_file("ROOT/f"), _file("ROOT/f/x")),
        "twice": _named(_file("ROOT/f", b"one"), _file("ROOT/f", b"two")),
        "file, then directory": _named(_file("ROOT/f"), _kind("ROOT/f", tarfile.DIRTYPE)),
        "block device": _named(_kind("ROOT/sda", tarfile.BLKTYPE, devmajor=8, devminor=0)),
        "character device": _named(_kind("ROOT/mem", tarfile.CHRTYPE, devmajor=1, devminor=1)),
        "FIFO": _named(_kind("ROOT/pipe", tarfile.FIFOTYPE)),
        "name of 64 KiB": _named(
            lambda root: _long(f"{root}/".encode() + b"n" * 65_536) + entry("x", body=b"evil")
        ),
        "a root that is a link": _named(_link("ROOT", "/etc"), first=False),
        "a root that is a device": _named(
            _kind("ROOT", tarfile.CHRTYPE, devmajor=1, devminor=1), first=False
        ),
    }
    broken = {
        "wrong checksum": _named(_without_checksum),
        "size of letters": _named(_with_size(b"abcdefghijk\0")),
        "negative size": _named(_with_size(_base256(-512))),
        "overflowing size": _named(_with_size(_base256(1 << 80))),
        "size of a terabyte": _named(_with_size(_base256(1 << 40))),
        "negative PAX size": _named(_before({"size": b"-5"})),
        "overflowing PAX size": _named(_before({"size": b"9" * 30})),
        "PAX size too small": _named(_before({"size": b"5"}, body=b"e" * 4000)),
        "PAX size of a directory": _named(
            lambda root: _pax({"size": b"512"}) + entry(f"{root}/d", tarfile.DIRTYPE) + bytes(512)
        ),
        "PAX owner beyond all": _named(_before({"uid": b"9" * 25})),
        "PAX time beyond all": _named(_before({"mtime": b"9" * 400})),
        "PAX time that is none": _named(_before({"mtime": b"nan"})),
        "PAX length that lies": _named(lambda root: entry("pax", b"x", b"99 path=a\n") + entry(f"{root}/f")),
        "PAX header of 2 MiB": _named(_before({"comment": b"x" * (2 << 20)})),
        "endless PAX headers": _endless_extensions,
        "GNU name of 2 MiB": _named(lambda root: _long(b"n" * (2 << 20)) + entry(f"{root}/f")),
        "name without entry": _named(lambda root: _long(f"{root}/f".encode())),
        "GNU sparse": _named(_sparse),
        "PAX sparse": _named(_before({"GNU.sparse.map": b"0,1", "GNU.sparse.size": b"1"})),
        "unknown type": _named(_kind("ROOT/f", b"Z")),
        "part of a further volume": _named(_kind("ROOT/f", b"M")),
        "device beyond all": _named(_device),
        "cut in a body": _cut,
        "no end": _named(_file("ROOT/f"), end=b""),
        "one zero block": _named(_file("ROOT/f"), end=bytes(512)),
        "entry behind a zero block": _named(_file("ROOT/f"), end=bytes(512) + entry("x") + END),
        "data behind the end": _named(_file("ROOT/f"), end=END + b"evil"),
        "zeros without end": _endless_zeros,
        "gzip bomb": _bomb,
        "nothing": lambda _root: iter(()),
        "text": lambda _root: iter([b"<html>" * 500]),
        "noise": lambda _root: iter([os.urandom(8192)]),
        "many entries and one outside": _many(entries, _file("../evil")),
    }
    found = [Hostile(name=name, make=make) for name, make in {**outside, **broken}.items()]
    return found + [Hostile(name=name, make=make, whole=True) for name, make in reached.items()]
