"""What a backup's tar does not say of its files: kept by path while a restore needs it, put back by PAX records.

Must not know how the walks were made, nor where the tar goes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.entry import ROOT, Entry, Item
from bot.operations.context import heeding
from bot.operations.scratch import Scratch, merged, to_bytes
from bot.operations.walkdiff import WALK_COLUMNS, Compared, Judge, carried
from bot.tar.edit import UNCHANGED, Edit

ACCESS_ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
NO_ACL = b"\x02\x00\x00\x00"
"""An access control list without entries (Linux, posix_acl_xattr.h): setting it takes away what is there."""

_PREFIX = "SCHILY.xattr."
_BILLION = 1_000_000_000
_AHEAD = 256
_KIND, _SECONDS = 1, 2  # in what `_look` finds
_TOLD = ("path", "kind", "size", "mode", "uid", "gid", "seconds", "first")
_EXCUSE = (
    """INSERT OR IGNORE INTO excused SELECT w.path FROM wanted w LEFT JOIN told t ON t.path = w.path
    WHERE w.kind <> 'socket' AND (t.path IS NULL OR (t.kind <> 'hardlink' AND (t.kind <> w.kind OR t.mode <> w.mode
    OR t.uid <> w.uid OR t.gid <> w.gid OR t.seconds <> w.seconds OR (w.kind = 'file' AND t.size <> w.size))))""",
    """INSERT OR IGNORE INTO excused SELECT t.path FROM told t LEFT JOIN wanted w ON w.path = t.path
    WHERE w.path IS NULL""",
    """INSERT OR IGNORE INTO excused SELECT CASE side WHEN 1 THEN t.path ELSE t.first END FROM told t
    LEFT JOIN wanted w ON w.path = t.path LEFT JOIN wanted f ON f.path = t.first, (SELECT 1 AS side UNION SELECT 2)
    WHERE t.kind = 'hardlink' AND (w.shared IS NOT f.shared OR w.shared = '')""",
    """INSERT OR IGNORE INTO excused SELECT path FROM wanted WHERE shared IN
    (SELECT w.shared FROM wanted w JOIN told t ON t.path = w.path WHERE w.shared <> '' AND t.kind <> 'hardlink'
    GROUP BY w.shared HAVING count(*) > 1)""",
    """INSERT OR IGNORE INTO excused SELECT path FROM wanted WHERE shared IN
    (SELECT w.shared FROM excused e JOIN wanted w ON w.path = e.path WHERE w.shared <> '')""",
)
"""What vanished or changed; what appeared; hard links that were none, or another's; files that were hard links; and the
whole groups of all these. A hard link in a tar says nothing of its own.
"""


class Extras:
    """Holds the items of a backup's first walk, in a temporary file in `directory`, until left.

    A million items take some seconds and hardly any memory. Everything raises StoreError when the disk fails.
    """

    def __init__(self, items: Iterable[Item], directory: Path | None = None) -> None:
        self._items = items
        self._scratch = Scratch(directory)
        self._inherits = False
        self._ahead: dict[bytes, tuple[Any, ...]] = {}
        self._span, self._hits = 1, 1
        self.count = 0

    def __enter__(self) -> Extras:
        self._scratch.__enter__()
        try:
            self._load()
        except BaseException:
            self._scratch.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.__exit__(kind, error, trace)

    def _load(self) -> None:
        self._scratch.run("CREATE TABLE excused (path BLOB PRIMARY KEY) WITHOUT ROWID")
        self._put("wanted", self._items)
        (self.count,) = self._scratch.row("SELECT count(*) FROM wanted") or (0,)
        like = f"%{DEFAULT_ACL}%"
        self._inherits = (
            self._scratch.row("SELECT 1 FROM wanted WHERE attributes LIKE ? LIMIT 1", like) is not None
        )

    def records(self, path: str) -> dict[str, bytes]:
        """The PAX records that give what is at the path its nanoseconds and attributes back; none for what is unknown.

        A time before 1970 is given as it was, but Docker makes 0 of it (engine fact 11).
        """
        return self._records(path, self._look(to_bytes(path)))

    def _records(self, path: str, row: tuple[Any, ...] | None) -> dict[str, bytes]:
        if row is None:
            return {}
        _, kind, seconds, nanos, text = row
        records = {"mtime": decimal(seconds, nanos)} if nanos else {}
        attributes = json.loads(text) if text else {}
        records.update((_PREFIX + name, value) for name, value in carried(attributes).items())
        if kind != "symlink":
            records.update(self._cleared(path, kind, attributes))
        return records

    def decide(self, entry: Entry) -> Edit:
        """The same for `tar/edit.py`; an entry that is not of the second that the walk saw keeps its own time.

        A directory's is then what a comparison expects: something that came and went in it between the walk and the
        tar makes no backup partial (completeness leaves such times out), and must not make its restore fail.
        """
        name, told = to_bytes(entry.path), math.floor(entry.mtime)
        row = self._look(name)
        records = self._records(entry.path, row)
        if row is not None and row[_SECONDS] != told:
            records.pop("mtime", None)
            if row[_KIND] == entry.kind == "directory":
                self._scratch.fill("UPDATE wanted SET seconds = ?, nanos = 0 WHERE path = ?", [(told, name)])
                self._ahead.pop(name, None)
        return Edit(records=records) if records else UNCHANGED

    def excuse(self, entries: Iterable[Entry]) -> None:
        """Leave out of comparisons whatever the tar has otherwise than the walk saw it: a partial backup's problems.

        Of those the comparison of entries alone can tell. May be called once.
        """
        self._scratch.run(f"CREATE TABLE told ({', '.join(_TOLD)}, PRIMARY KEY (path)) WITHOUT ROWID")
        marks = ", ".join("?" * len(_TOLD))
        self._scratch.fill(f"INSERT OR REPLACE INTO told VALUES ({marks})", map(_told, entries))
        self._scratch.run(*_EXCUSE, "DROP TABLE told")

    def compare(
        self, walk: Iterable[Item], below: str = "", check: Callable[[], None] = lambda: None
    ) -> Compared:
        """What a walk after a restore finds otherwise than the items say, hard differences and losses apart.

        `below` is the path that the walk began at, and only what is there counts. Without any items, which old backups
        do not have, nothing is compared. `check` is called now and then, and may raise.
        """
        judge = Judge()
        if self.count:
            walk = heeding(check, walk)
            self._put("found", (_moved(item, below) for item in walk) if below else walk)
            pairs = merged(self._rows("wanted", below), self._rows("found", below))
            for one, other in heeding(check, pairs):
                judge.take(one, other)
        return judge.verdict()

    def _put(self, table: str, items: Iterable[Item]) -> None:
        self._scratch.run(
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table} (path BLOB PRIMARY KEY, {', '.join(WALK_COLUMNS[1:])}) WITHOUT ROWID",
        )
        marks = ", ".join("?" * len(WALK_COLUMNS))
        self._scratch.fill(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", map(_row, items))

    def _rows(self, table: str, below: str) -> Iterator[tuple[object, ...]]:
        """What is to be compared, in the order of paths; the first path of its hard-link group comes second."""
        where, values = "true", tuple[bytes, ...]()
        if below:
            where = "(path = ? OR (path > ? AND path < ?))"
            values = (to_bytes(below), to_bytes(f"{below}/"), to_bytes(f"{below}0"))
        columns = ", ".join(f"w.{name}" for name in WALK_COLUMNS[2:])
        return self._scratch.rows(
            f"WITH ranged AS NOT MATERIALIZED (SELECT * FROM {table} WHERE {where}), groups AS MATERIALIZED "
            "(SELECT shared, min(path) AS least FROM ranged WHERE shared <> '' GROUP BY shared) "
            f"SELECT w.path, coalesce(g.least, w.path), {columns} FROM ranged w LEFT JOIN groups g "
            "ON g.shared = w.shared LEFT JOIN excused e ON e.path = w.path WHERE e.path IS NULL ORDER BY w.path",
            *values,
        )

    def _look(self, name: bytes) -> tuple[Any, ...] | None:
        """A row of the first walk. A tar goes almost in the order of paths, so the next rows will be needed."""
        found = self._ahead.get(name)
        if found is not None:
            self._hits += 1
            return found
        self._span = min(2 * self._span, _AHEAD) if 2 * self._hits >= self._span else 1
        self._hits = 1
        query = (
            "SELECT path, kind, seconds, nanos, attributes FROM wanted WHERE path >= ? ORDER BY path LIMIT ?"
        )
        self._ahead = {row[0]: row for row in self._scratch.rows(query, name, self._span)}
        return self._ahead.get(name)

    def _cleared(self, path: str, kind: str, attributes: Mapping[str, str]) -> dict[str, bytes]:
        """What is made in a directory with a default ACL gets it; who had none must lose it again.

        The root may be made in a directory that nobody knows.
        """
        names = [name for name in (ACCESS_ACL, DEFAULT_ACL) if name not in attributes]
        if kind != "directory" and DEFAULT_ACL in names:
            names.remove(DEFAULT_ACL)
        if not names or not (path == ROOT or (self._inherits and self._hands_down(path))):
            return {}
        return {_PREFIX + name: NO_ACL for name in names}

    def _hands_down(self, path: str) -> bool:
        parent = path.rpartition("/")[0] or ROOT
        row = self._scratch.row("SELECT attributes FROM wanted WHERE path = ?", to_bytes(parent))
        return row is not None and DEFAULT_ACL in row[0]


def decimal(seconds: int, nanos: int) -> bytes:
    """A PAX time out of whole seconds, rounded down, and the nanoseconds after them."""
    sign = ""
    if seconds < 0 < nanos:
        sign, seconds, nanos = "-", -seconds - 1, _BILLION - nanos
    return f"{sign}{seconds}.{nanos:09d}".rstrip("0").rstrip(".").encode()


def _row(item: Item) -> tuple[object, ...]:
    seconds, nanos = divmod(item.mtime_ns, _BILLION)
    is_directory = item.kind == "directory"
    return (
        to_bytes(item.path),
        str(item.inode) if item.links > 1 and not is_directory else "",
        item.kind,
        0 if is_directory else item.size,
        item.mode,
        item.uid,
        item.gid,
        None if item.link is None else to_bytes(item.link),
        None if item.device is None else str(item.device),
        json.dumps(dict(sorted(item.attributes.items()))) if item.attributes else "",
        seconds,
        nanos,
        0 if is_directory else item.used_bytes,
    )


def _told(entry: Entry) -> tuple[object, ...]:
    first = entry.path if entry.link is None or entry.kind != "hardlink" else entry.link
    return (
        to_bytes(entry.path),
        entry.kind,
        entry.size,
        entry.mode,
        entry.uid,
        entry.gid,
        math.floor(entry.mtime),
        to_bytes(first),
    )


def _moved(item: Item, below: str) -> Item:
    return replace(item, path=below if item.path == ROOT else f"{below}/{item.path}")
