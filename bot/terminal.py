"""An outcome for a shell: text with a table for people, JSON for programs. Decides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import words
from bot.language import say
from bot.model import Outcome, Status

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

EXIT_CODES = {
    Status.SUCCEEDED: 0,
    Status.PARTIAL: 4,
    Status.DENIED: 3,
    Status.REJECTED: 2,
}
"""What a shell gets; every other ending is 1."""


def exit_code(status: Status) -> int:
    """The exit code that stands for the ending."""
    return EXIT_CODES.get(status, 1)


def as_json(outcome: Outcome, files: Sequence[str] = ()) -> str:
    """The outcome as one JSON object; facts keep their names, times are ISO 8601 in UTC, sizes bytes.

    `files` are the paths of the answer's files, in their order.
    """
    table = outcome.reply.table
    words_of_it: dict[str, Any] = {
        "run_id": outcome.run_id,
        "command": outcome.command,
        "status": outcome.status.value,
        "text": outcome.reply.text,
        "facts": dict(outcome.reply.facts),
        "output": outcome.reply.output,
        "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else [],
        "files": [
            {"path": path, "size_bytes": file.size, "sha256": file.sha256}
            for path, file in zip(files, outcome.reply.attachments, strict=True)
        ],
        "started_at": outcome.started_at.isoformat() if outcome.started_at else None,
        "ended_at": outcome.ended_at.isoformat(),
        "took_seconds": outcome.took.total_seconds(),
    }
    return json.dumps(words_of_it, ensure_ascii=False, indent=2)


def show(outcome: Outcome, console: Console, files: Sequence[str] = ()) -> None:
    """Print it for a person. Names and texts from outside are no markup and steer nothing."""
    mark = words.MARKS[outcome.status]
    console.print(plain(f"{mark} {outcome.reply.text}"), soft_wrap=True)
    for name, raw in outcome.reply.facts.items():
        heading = f"{words.label(name)}:"
        room = " " * (14 - cell_len(heading))
        console.print(plain(f"   {heading}{room} {words.value(name, raw)}"), soft_wrap=True)
    if outcome.reply.table is not None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in outcome.reply.table.columns:
            table.add_column(words.label(column), overflow="fold")
        for row in outcome.reply.table.rows:
            cells = zip(outcome.reply.table.columns, row, strict=True)
            table.add_row(*(plain(words.value(column, raw)) for column, raw in cells))
        console.print(table)
    if outcome.reply.output:
        console.print(plain(outcome.reply.output), soft_wrap=True)
    for path in files:
        console.print(plain("   " + say("file: {path}", path=path)), soft_wrap=True)
    if not outcome.run_id:  # it could not even be stored
        return
    took = words.duration(outcome.took.total_seconds())
    how = say(
        "run {run_id} {status}, {took}", run_id=outcome.run_id, status=words.status(outcome.status), took=took
    )
    console.print(Text(f"   {how}", style="dim"))


def plain(raw: str) -> Text:
    """Without escape codes, other control characters and overrides of the writing direction."""
    return Text(_CONTROL.sub("", raw))
