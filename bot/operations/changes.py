"""Compares two lists of what was there, path by path: what came, what went, what is different.

Must not know where the lists come from. They go into a temporary database on the disk, so memory does not grow
with them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.entry import Entry, Item, printable
from bot.language import later
from bot.operations.scratch import Scratch, merged, to_bytes, to_path

ASPECTS = (
    later("kind"),
    later("size"),
    later("content"),
    later("mode"),
    later("owner"),
    later("time"),
    later("attributes"),
)
"""What may differ in a thing that is on both sides, in the order in which it is named."""

_LINK_MODE = 0o777  # a symbolic link has no rights of its own, whatever a tar or a file system says
_CHECK_EVERY = 1_000
_COLUMNS = ("path", *ASPECTS, "same_as")
_TABLE = (
    "CREATE TABLE {side} (path BLOB, kind TEXT, size INTEGER, content BLOB, mode INTEGER, owner TEXT, time INTEGER, "
    "attributes TEXT, same_as BLOB)"
)
_Row = tuple[Any, ...]
"""A path and what is compared of it, in the order of `ASPECTS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One path with what is compared of it. `time` is in seconds or nanoseconds: the same on both sides.

    Sizes count for files only, and times for everything but directories, whose time only says that something in
    them came or went.
    """

    path: str
    kind: str
    size: int
    content: str
    mode: int
    owner: str
    time: int
    attributes: str = ""
    same_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A path that is `added`, `removed` or `changed`; then `aspects` says in what. Both are to be said by who shows it.

    Sizes are bytes of files.
    """

    path: str
    what: str
    aspects: tuple[str, ...] = ()
    old_bytes: int | None = None
    new_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How many paths differ, and the first ones by name."""

    added: int
    removed: int
    changed: int
    first: tuple[Change, ...]

    @property
    def total(self) -> int:
        """How many differ in all."""
        return self.added + self.removed + self.changed


class Sides:
    """Both lists while they are being read; made by `sides`."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def add_old(self, thing: Thing) -> None:
        """Something that was there before."""
        _add(self._scratch, "old", thing)

    def add_new(self, thing: Thing) -> None:
        """Something that is there after."""
        _add(self._scratch, "new", thing)

    def difference(self, limit: int, check: Callable[[], None] = lambda: None) -> Difference:
        """What is different, with the first `limit` paths by name; `check` is called now and then, and may raise."""
        counts = {"added": 0, "removed": 0, "changed": 0}
        first: list[Change] = []
        olds, news = (_sorted(self._scratch, side) for side in ("old", "new"))
        for number, (old, new) in enumerate(merged(olds, news)):
            if number % _CHECK_EVERY == 0:
                check()
            if old is None or new is None or old[1:] != new[1:]:
                what = (
                    later("added") if old is None else later("removed") if new is None else later("changed")
                )
                counts[what] += 1
                if len(first) < limit:
                    first.append(_change(what, old, new))
        return Difference(**counts, first=tuple(first))


def of_entry(entry: Entry, *, hashed: bool) -> Thing:
    """A thing as a tar tells it, its time in whole seconds; its SHA-256 counts as content if `hashed`."""
    is_file = entry.kind == "file"
    return Thing(
        path=entry.path,
        kind=entry.kind,
        size=entry.size if is_file else 0,
        content=(entry.sha256 or "") if is_file and hashed else _target(entry),
        mode=_LINK_MODE if entry.kind == "symlink" else entry.mode,
        owner=f"{entry.uid}:{entry.gid}",
        time=0 if entry.kind == "directory" else math.floor(entry.mtime),
        same_as=entry.link if entry.kind == "hardlink" else None,
    )


def of_item(item: Item, *, like_tar: bool, by_inode: bool = False) -> Thing:
    """A thing as a walk tells it; `like_tar` leaves out what a tar does not say, to compare with one.

    `by_inode` takes for a file's content which inode it is, and when that was last changed: nobody can put that back.
    """
    time = item.mtime_ns // 1_000_000_000 if like_tar else item.mtime_ns
    return Thing(
        path=item.path,
        kind=item.kind,
        size=item.size if item.kind == "file" else 0,
        content=f"{item.inode} {item.ctime_ns}" if by_inode and item.kind == "file" else _target(item),
        mode=_LINK_MODE if item.kind == "symlink" else item.mode,
        owner=f"{item.uid}:{item.gid}",
        time=0 if item.kind == "directory" else time,
        attributes="" if like_tar else json.dumps(dict(item.attributes), sort_keys=True),
    )


@contextmanager
def sides(directory: Path | None = None) -> Iterator[Sides]:
    """Two empty lists, to be filled; in a temporary file in `directory`, gone afterwards. Raises StoreError."""
    with Scratch(directory) as scratch:
        scratch.run("BEGIN", *(_TABLE.format(side=side) for side in ("old", "new")))
        yield Sides(scratch)


def _add(scratch: Scratch, side: str, thing: Thing) -> None:
    scratch.put(
        f"INSERT INTO {side} ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            to_bytes(thing.path),
            thing.kind,
            thing.size,
            to_bytes(thing.content),
            thing.mode,
            thing.owner,
            thing.time,
            thing.attributes,
            None if thing.same_as is None else to_bytes(thing.same_as),
        ),
    )


def _sorted(scratch: Scratch, side: str) -> Iterator[_Row]:
    """By path, as bytes; a hard link is the same thing as the path that it shares its content with."""
    if scratch.row(f"SELECT 1 FROM {side} WHERE same_as IS NOT NULL LIMIT 1"):
        aspects = ", ".join(ASPECTS)
        scratch.run(
            f"CREATE INDEX {side}_paths ON {side} (path)",
            f"UPDATE {side} SET ({aspects}) = (SELECT {aspects} FROM {side} first WHERE first.path = {side}.same_as) "
            f"WHERE EXISTS (SELECT 1 FROM {side} first WHERE first.path = {side}.same_as)",
        )
    return scratch.rows(f"SELECT path, {', '.join(ASPECTS)} FROM {side} ORDER BY path")


def _change(what: str, old: _Row | None, new: _Row | None) -> Change:
    path = (old or new or (b"",))[0]
    both = zip(ASPECTS, old[1:], new[1:], strict=True) if old and new else ()
    return Change(
        path=printable(to_path(path)),
        what=what,
        aspects=tuple(aspect for aspect, before, after in both if before != after),
        old_bytes=_file_bytes(old),
        new_bytes=_file_bytes(new),
    )


def _file_bytes(row: _Row | None) -> int | None:
    if row is None or row[1] != "file":
        return None
    return int(row[2])


def _target(thing: Entry | Item) -> str:
    if thing.device is not None:
        return f"{thing.device[0]}, {thing.device[1]}"
    return thing.link or ""
