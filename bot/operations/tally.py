"""Adds up what a list holds, in any order and in little memory, so that two lists can be found equal or not.

A tally proves equality; which things differ is found by reading the lists again. Must not know where they are kept.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from hashlib import blake2b

from bot.entry import Entry, Item

BUCKETS = 4096
_MASK = (1 << 128) - 1
_DIRECTORY = "directory"

Digest = Callable[[bytes], int]
"""A thing's line -> a number of 128 bits."""


def new_digest() -> Digest:
    """A digest with a key of its own: nobody can have made two lists that differ and add up to the same."""
    key = os.urandom(16)

    def digest(line: bytes) -> int:
        return int.from_bytes(blake2b(line, digest_size=16, key=key).digest(), "big")

    return digest


def bucket_of(path: str) -> int:
    """Where things with that path are added up; the same all over one process."""
    return hash(path) % BUCKETS


class Tally:
    """Sums of digests, one a bucket of paths: they do not depend on the order in which things come."""

    def __init__(self) -> None:
        self.count = 0
        self.buckets = [0] * BUCKETS
        self.counts = [0] * BUCKETS

    def add(self, path: str, digest: int) -> None:
        """Count one thing in."""
        bucket = hash(path) % BUCKETS
        self.count += 1
        self.counts[bucket] += 1
        self.buckets[bucket] = (self.buckets[bucket] + digest) & _MASK

    def differing(self, other: Tally) -> set[int]:
        """The buckets in which the two do not hold the same; none means that they are equal."""
        return {
            bucket
            for bucket in range(BUCKETS)
            if self.buckets[bucket] != other.buckets[bucket] or self.counts[bucket] != other.counts[bucket]
        }


def strict_line(item: Item) -> bytes:
    """All that tells two moments of a thing apart, content included, for writing to a file sets its `ctime`.

    Of a directory only what is its own: its times and links follow what is in it. Extended attributes are kept as
    the first walk saw them, and a change of them sets `ctime`, so only that walk has to ask for them.
    """
    own = f"{item.path}\0{item.kind}\0{item.mode} {item.uid} {item.gid}"
    if item.kind == _DIRECTORY:
        return _bytes(own)
    times = f"{item.mtime_ns} {item.ctime_ns} {item.inode} {item.links} {item.size}"
    return _bytes(f"{own}\0{times}\0{item.link}\0{item.device}")


def item_line(item: Item) -> bytes:
    """Of a walk's thing, what Docker's tar can say of it as well (engine fact 10)."""
    seconds = item.mtime_ns // 1_000_000_000
    return _common(item, item.mode, seconds, item.size)


def entry_line(entry: Entry) -> bytes:
    """Of a tar's entry, what a walk can say of it as well."""
    return _common(entry, entry.mode, math.floor(entry.mtime), entry.size)


def whole_line(entry: Entry) -> bytes:
    """All that a tar says of a thing, content included; of a directory not its time."""
    if entry.kind == _DIRECTORY:
        return entry_line(entry)
    return entry_line(entry) + _bytes(f"\0{entry.link}\0{entry.sha256}")


def _common(thing: Item | Entry, mode: int, seconds: int, size: int) -> bytes:
    kind = thing.kind
    own = f"{thing.path}\0{kind}\0{thing.uid} {thing.gid}"  # no name holds NUL, so fields cannot run together
    if kind == _DIRECTORY:
        return _bytes(f"{own} {mode}")
    if kind == "symlink":  # its mode and size mean nothing: its text is all it is
        return _bytes(f"{own} {seconds}\0{thing.link}")
    return _bytes(f"{own} {mode} {seconds} {size if kind == 'file' else 0} {thing.device}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
