"""Compares what a volume holds with what a backup listed, as far as Docker's archive API can keep it.

Must not know how either list was read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from bot.entry import Entry, printable
from bot.errors import EngineError
from bot.language import say, say_count
from bot.operations.context import heeding
from bot.operations.scratch import Scratch, merged, to_bytes, to_path
from bot.reasons import Reason

SHOWN_DIFFERENCES = 5
LATEST_TIME = (1 << 63) // 1_000_000_000
"""The last second that Docker sets as a file's time (moby's `chtimes`); later ones, and those before 1970, become 0."""

_NAMES = ("kind", "size", "mode", "uid", "gid", "mtime", "link", "device", "sha256")
_COLUMNS = ", ".join(f"f.{name}" for name in _NAMES)


def refuse_differences(
    wanted: Callable[[], Iterable[Entry]],
    found: Iterable[Entry],
    volume: str,
    directory: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Raises EngineError, naming the first five differences, unless both lists hold the same things.

    `wanted` gives its list as often as it is asked. Docker lists what it restored in the order in which it listed
    it before, so that the two are mostly the same line by line, and nothing needs to be kept.

    Order does not count. Hard links are the same when the same paths share the same content, whichever comes
    first. Times are compared as the API keeps them: whole seconds, and none before 1970 (engine fact 11). The lists
    may be of any length: they are kept in a temporary file in `directory`. Raises StoreError when that fails, and what
    `check` raises, which is called now and then meanwhile.
    """
    rest = iter(found)
    same, first = _same(wanted(), rest)
    if same is None:
        return
    count, shown = 0, []
    with Scratch(directory) as scratch:
        present = _things(scratch, "found", heeding(check, chain(islice(wanted(), same), first, rest)))
        expected = _things(scratch, "wanted", heeding(check, wanted()))
        for one, other in heeding(check, merged(expected, present)):
            if one == other:
                continue
            count += 1
            if count <= SHOWN_DIFFERENCES:
                shown.append(_difference(one, other))
    if count:
        told = say_count(
            "After restoring, volume {volume} differs from the backup in 1 place: {differences}.",
            "After restoring, volume {volume} differs from the backup in {number} places: {differences}.",
            count,
            volume=volume,
            differences="; ".join(shown),
        )
        kept = say(
            "The restored volume was not kept; the backup is unchanged. Look at the engine's log and disk."
        )
        raise EngineError(f"{told} {kept}", reason=Reason.DIFFERS)


def _same(wanted: Iterable[Entry], found: Iterator[Entry]) -> tuple[int | None, tuple[Entry, ...]]:
    """How many are the same from the beginning, and what was found instead of the next; None when all are."""
    same = 0
    for one in wanted:
        other = next(found, None)
        if other is None:
            return same, ()
        if one != other and _row(one) != _row(other):
            return same, (other,)
        same += 1
    more = next(found, None)
    return (None, ()) if more is None else (same, (more,))


def _things(scratch: Scratch, table: str, entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of their paths: path, the first path of those that share its content, what it is."""
    scratch.run(
        f"CREATE TABLE {table} (path BLOB PRIMARY KEY, first BLOB, {', '.join(_NAMES)}) WITHOUT ROWID",
        f"CREATE TABLE {table}_shared (first BLOB PRIMARY KEY, least BLOB) WITHOUT ROWID",
    )
    marks = ", ".join("?" * (len(_NAMES) + 2))
    scratch.fill(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", map(_row, entries))
    scratch.run(
        f"INSERT INTO {table}_shared SELECT first, min(path) FROM {table} WHERE kind = 'hardlink' GROUP BY first"
    )
    lost = scratch.row(
        f"SELECT t.path, t.first FROM {table} t LEFT JOIN {table} f ON f.path = t.first "
        "WHERE t.kind = 'hardlink' AND (f.kind IS NULL OR f.kind = 'hardlink') LIMIT 1"
    )
    if lost is not None:
        raise EngineError(
            say(
                "“{path}” is a hard link to “{first}”, which is missing. Nothing was kept; run it again.",
                path=printable(to_path(lost[0])),
                first=printable(to_path(lost[1])),
            )
        )
    return scratch.rows(
        f"SELECT t.path, min(t.first, coalesce(s.least, t.first)), {_COLUMNS} FROM {table} t "
        f"JOIN {table} f ON f.path = t.first LEFT JOIN {table}_shared s ON s.first = t.first ORDER BY t.path"
    )


def _row(entry: Entry) -> tuple[object, ...]:
    path = to_bytes(entry.path)
    is_link = entry.kind == "hardlink" and entry.link is not None
    first = to_bytes(entry.link) if is_link and entry.link is not None else path
    link = None if entry.link is None or is_link else to_bytes(entry.link)
    seconds = math.floor(entry.mtime)
    return (
        path,
        first,
        entry.kind,
        entry.size,
        entry.mode,
        entry.uid,
        entry.gid,
        seconds if 0 <= seconds < LATEST_TIME else 0,
        link,
        None if entry.device is None else str(entry.device),
        entry.sha256,
    )


def _difference(wanted: tuple[Any, ...] | None, found: tuple[Any, ...] | None) -> str:
    path = printable(to_path((wanted or found or (b"",))[0]))
    if wanted is None:
        return say("“{path}” is there and should not be", path=path)
    if found is None:
        return say("“{path}” is missing", path=path)
    if wanted[1] != found[1]:
        return say("“{path}” shares its content with other files than before", path=path)
    wrong = [name for name, one, other in zip(_NAMES, wanted[2:], found[2:], strict=True) if one != other]
    return say("“{path}” has another {properties}", path=path, properties=", ".join(wrong))
