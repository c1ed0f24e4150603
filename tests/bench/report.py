"""The figures of `make bench`: each measurement keeps its table, and the tables stand in docs/benchmarks.md.

`python -m tests.bench.report` puts what was measured between the page's marks; the words around them are kept. Pictures
that a bench drew beside its table come into docs/pictures.
It must not know how anything is measured.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "bench"
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
_MARKED = re.compile(r"(<!-- figures: (?P<name>[a-z-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def record(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Keep a table under a name of small letters and dashes; returns it as it will stand on the page."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps({"heads": heads, "rows": rows, "notes": notes}, indent=1))
    return _table(name)


def _table(name: str) -> str:
    kept = json.loads((KEPT / f"{name}.json").read_text())
    lines = [kept["heads"], ["---"] * len(kept["heads"]), *kept["rows"]]
    table = "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )
    return "\n\n".join([table, *kept["notes"]]) + "\n"


def rewrite(page: str) -> str:
    """The page with every table that was measured in its place; what was not measured stays as it was."""

    def filled(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found[1]}\n{_table(name)}\n{found[3]}" if (KEPT / f"{name}.json").exists() else found[0]

    return _MARKED.sub(filled, page)


if __name__ == "__main__":
    for picture in KEPT.glob("*.png"):
        shutil.copyfile(picture, PICTURES / picture.name)
    PAGE.write_text(rewrite(PAGE.read_text()))
