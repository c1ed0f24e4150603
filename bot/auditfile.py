"""Exported entries of the audit log as JSON lines or CSV: written, read back byte by byte, and verified offline.

The first entry, number 0, tells what was exported, and is sealed like the others. Needs no database.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from bot.errors import StoreError
from bot.language import say
from bot.seals import GENESIS, KEYED, WORDS, Entry, Head, Problem, Sealer, Verdict, canonical, verify

FORMATS = ("jsonl", "csv")
EXPORT = "export"
"""The kind of the entry that tells of the export."""

COLUMNS = (*WORDS, "before", "hash")
_LONGEST_CELL = 1 << 30
_NUMBERS = ("seq", "format")
_FORMULA = ("'", "=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What came of verifying: the verdict, and of a file whether entries between others were left out on purpose.

    `newer` are the heads of entries that were not written yet when it was made, at `at` (ISO 8601).
    """

    verdict: Verdict
    is_filtered: bool = False
    newer: tuple[Head, ...] = ()
    at: str = ""


@dataclass(frozen=True, kw_only=True)
class _Extent:
    count: int
    first: int
    last: int


def written(entries: Iterable[Entry], form: str) -> Iterator[bytes]:
    """The lines of the file. Raises ValueError or TypeError for an entry that holds no text."""
    if form == "csv":
        yield _row(COLUMNS)
    encode: Callable[[Entry], bytes] = _csv_line if form == "csv" else _json_line
    for entry in entries:
        yield encode(entry)


def header(about: dict[str, Any], facts: dict[str, Any], sealer: Sealer) -> dict[str, Any]:
    """The entry that tells what the file holds: `about` are its sealed words, `facts` what is verified."""
    entry = {**about, "seq": 0, "format": sealer.format, "kind": EXPORT, "facts": canonical(facts).decode()}
    return {**entry, "before": GENESIS, "hash": sealer.seal(entry, GENESIS)}


def examine(path: Path, sealer: Sealer, heads: Sequence[Head] = ()) -> Examined:
    """Verify every entry of the file, and that it holds what it says. Raises StoreError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _examined(_read(file), sealer, heads)
    except OSError as error:
        raise StoreError(
            say("{path} cannot be read ({reason}).", path=path, reason=error.strerror or error)
        ) from error


def _examined(entries: Iterator[Entry], sealer: Sealer, heads: Sequence[Head]) -> Examined:
    first = next(entries, None)
    if first is not None and first["kind"] == EXPORT and not sealer.has_key_for(first["format"]):
        return Examined(verdict=_fault(0, "keyless"))
    if first is None or first["kind"] != EXPORT or not sealer.fits(first, GENESIS):
        return Examined(verdict=_fault(0, "changed"))
    try:
        facts = json.loads(first["facts"])
        wanted = _Extent(count=facts["entries"], first=facts["first"], last=facts["last"])
        reached = _reached(facts["head"])
        newer = _newer(heads, first, reached)
    except (ValueError, TypeError, LookupError):  # its seal is right, so somebody without a key made it up
        return Examined(verdict=_fault(0, "changed"))
    is_filtered = "filter" in facts
    known = [head for head in (*heads, *(() if is_filtered else reached)) if head not in newer]
    verdict = verify(entries, sealer, known, has_gaps=is_filtered)
    if verdict.problem is None and first["format"] < (verdict.format or sealer.format):
        verdict = _fault(0, "unkeyed")
    if verdict.problem is None:
        verdict = replace(verdict, problem=_incomplete(verdict, wanted))
    return Examined(verdict=verdict, is_filtered=is_filtered, newer=newer, at=first["at"])


def _reached(text: str) -> tuple[Head, ...]:
    seq, _, seal = text.partition(":")
    return (Head(seq=int(seq), hash=seal),) if int(seq) else ()


def _newer(heads: Sequence[Head], first: Entry, reached: Sequence[Head]) -> tuple[Head, ...]:
    """Heads that the log had not reached. Raises ValueError or TypeError for a moment that is none.

    A first entry with a key is believed; one without only of heads that were published after its time: else whoever
    cuts an export need but say that it was made before.
    """
    end = max((head.seq for head in reached), default=0)
    made = _moment(first["at"])
    return tuple(
        head
        for head in heads
        if head.seq > end and (first["format"] == KEYED or (head.at and _moment(head.at) > made))
    )


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _incomplete(verdict: Verdict, wanted: _Extent) -> Problem | None:
    """What is wrong if there are not as many entries as there were, or not the last of them."""
    if verdict.head.seq < wanted.last:
        return Problem(seq=verdict.head.seq + 1, what="cut", other=wanted.last)
    if verdict.entries != wanted.count:
        what = "fewer" if verdict.entries < wanted.count else "more"
        return Problem(seq=wanted.first, what=what, other=wanted.last)
    return None


def _fault(seq: int, what: str) -> Verdict:
    return Verdict(entries=0, head=Head(seq=0, hash=GENESIS), problem=Problem(seq=seq, what=what))


# ---- lines -------------------------------------------------------------------------------------------------


def _json_line(entry: Entry) -> bytes:
    return canonical({name: entry[name] for name in COLUMNS}) + b"\n"


def _csv_line(entry: Entry) -> bytes:
    return _row([_cell(entry[name]) for name in COLUMNS])


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """Nothing is an empty cell, empty text an apostrophe; what a spreadsheet takes for a formula has one before it."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if not text or text.startswith(_FORMULA) else text


def _read(file: BinaryIO) -> Iterator[Entry]:
    """The entries; one that is not written as it would be here has no hash, so that it fits no seal."""
    start = file.peek(1)[:1] if isinstance(file, io.BufferedReader) else b"{"
    entries = _json_entries(file) if start == b"{" else _csv_entries(file)
    for entry in entries:
        found = entry or {}
        yield {**dict.fromkeys(COLUMNS), **found}


def _json_entries(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    for line in file:
        try:
            found = json.loads(line)
        except ValueError:
            yield None
            continue
        yield _checked(found, line, _json_line)


def _csv_entries(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    csv.field_size_limit(_LONGEST_CELL)  # for all of the process, and never too much for anybody
    taken: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line.decode("utf-8", "surrogateescape")

    rows = csv.reader(lines(), strict=True)
    is_first = True
    while True:
        taken.clear()
        try:
            row = next(rows, None)
        except csv.Error:
            row = []
        if row is None:
            return
        raw = b"".join(taken)
        if is_first:
            is_first = False
            if raw != _row(COLUMNS):
                yield None
            continue
        yield _checked(_uncelled(row), raw, _csv_line)


def _uncelled(row: Sequence[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for name, cell in zip(COLUMNS, row, strict=False):
        text = cell[1:] if cell.startswith("'") else cell
        entry[name] = (
            (int(text) if text.isdecimal() else None) if name in _NUMBERS else (text if cell else None)
        )
    return entry


def _checked(found: Any, raw: bytes, encode: Callable[[Entry], bytes]) -> dict[str, Any] | None:
    """The entry, without its hash if it would be written in other bytes."""
    if not isinstance(found, dict) or set(found) != set(COLUMNS):
        return None
    try:
        same = encode(found) == raw
    except (ValueError, TypeError):
        same = False
    return found if same else {**found, "hash": ""}
