"""Compares what a volume holds with what a backup listed, as far as Docker's archive API can keep it.

Must not know how either list was read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from bot.entry import Entry, printable
from bot.errors import EngineError

SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class _Thing:
    """An entry and the first, in order of name, of the paths that share its content."""

    entry: Entry
    group: str


def refuse_differences(wanted: Iterable[Entry], found: Iterable[Entry], volume: str) -> None:
    """Raises EngineError, naming the first five differences, unless both lists hold the same things.

    Order does not count. Hard links are the same when the same paths share the same content, whichever comes
    first. Times are compared as the API keeps them: whole seconds, and none before 1970 (engine fact 11).
    """
    expected, present = _things(wanted), _things(found)
    differences = []
    for path in sorted(expected.keys() | present.keys()):
        what = _difference(expected.get(path), present.get(path))
        if what:
            differences.append(f"“{printable(path)}” {what}")
    if differences:
        shown = "; ".join(differences[:SHOWN_DIFFERENCES])
        raise EngineError(
            f"After restoring, volume {volume} differs from the backup in {len(differences)} places: "
            f"{shown}. The restored volume was not kept; the backup is unchanged. "
            "Look at the engine's log and disk."
        )


def _things(entries: Iterable[Entry]) -> dict[str, _Thing]:
    firsts: dict[str, Entry] = {}
    members: dict[str, list[str]] = {}
    for entry in entries:
        first = entry.link if entry.kind == "hardlink" and entry.link is not None else entry.path
        if entry.kind != "hardlink":
            firsts[entry.path] = _kept(entry)
        members.setdefault(first, []).append(entry.path)
    things = {}
    for first, paths in members.items():
        shared = firsts.get(first)
        if shared is None:
            raise EngineError(
                f"“{printable(paths[0])}” is a hard link to “{printable(first)}”, which is missing. "
                "Nothing was kept; run it again."
            )
        thing = _Thing(shared, min(paths))
        things.update(dict.fromkeys(paths, thing))
    return things


def _kept(entry: Entry) -> Entry:
    return replace(entry, mtime=max(0, math.floor(entry.mtime)))


def _difference(wanted: _Thing | None, found: _Thing | None) -> str:
    if wanted is None:
        return "is there and should not be"
    if found is None:
        return "is missing"
    if wanted.group != found.group:
        return "shares its content with other files than before"
    names = [field.name for field in fields(Entry) if field.name != "path"]
    wrong = [name for name in names if getattr(wanted.entry, name) != getattr(found.entry, name)]
    return f"has another {', '.join(wrong)}" if wrong else ""
