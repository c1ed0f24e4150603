"""Figures of several benches in one table: a measurement that is taken again replaces its row, the others stay.

It must not know how anything is measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.bench.report import KEPT, record


def keep(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Keep rows, known by their first cell, and notes, known by their first four words; the whole table as text."""
    file = KEPT / f"{name}.json"
    kept = json.loads(file.read_text()) if file.exists() else {"heads": list(heads), "rows": [], "notes": []}
    if kept["heads"] != list(heads):
        kept = {"rows": [], "notes": []}
    by_name = {row[0]: list(row) for row in kept["rows"]} | {row[0]: list(row) for row in rows}
    by_start = {_start(note): note for note in (*kept["notes"], *notes)}
    return record(name, heads, list(by_name.values()), list(by_start.values()))


def _start(note: str) -> str:
    return " ".join(note.split()[:4])
