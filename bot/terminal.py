"""An outcome for a shell: text with a table for people, JSON for programs. Decides nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import words
from bot.language import say
from bot.model import Outcome, Status
from bot.model import Table as Rows

EXIT_CODES = {
    Status.SUCCEEDED: 0,
    Status.PARTIAL: 4,
    Status.DENIED: 3,
    Status.REJECTED: 2,
}
"""What a shell gets; every other ending is 1."""

_PIPE_COLUMNS = 1_000
_DUMB = ("dumb", "unknown", "")
_NARROWEST = 16
"""What a column is left at least: below that, words of most values fall apart."""


def exit_code(status: Status) -> int:
    """The exit code that stands for the ending."""
    return EXIT_CODES.get(status, 1)


def as_json(outcome: Outcome, files: Sequence[str] = ()) -> str:
    """The outcome as one JSON object; facts keep their names, times are ISO 8601 in UTC, sizes bytes.

    `files` are the paths of the answer's files, in their order; fewer where one could not be written.
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
            for path, file in zip(files, outcome.reply.attachments, strict=False)
        ],
        "started_at": outcome.started_at.isoformat() if outcome.started_at else None,
        "ended_at": outcome.ended_at.isoformat(),
        "took_seconds": outcome.took.total_seconds(),
    }
    return json.dumps(words_of_it, ensure_ascii=False, indent=2)


def may_be_steered(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether control characters may be sent there: to a terminal that takes them, if nobody said that they may not."""
    is_plain = environment.get("NO_COLOR") or environment.get("TERM", "dumb") in _DUMB
    return stream.isatty() and not is_plain


def console(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Console:
    """Where to print: in colours as wide as the terminal is, or plain; into a pipe, a row of a table stays one line."""
    width = None if stream.isatty() else _PIPE_COLUMNS
    if may_be_steered(stream, environment):
        return Console(file=stream, highlight=False)
    return Console(file=stream, highlight=False, force_terminal=False, color_system=None, width=width)


def show(outcome: Outcome, console: Console, files: Sequence[str] = ()) -> None:
    """Print it for a person. Names and texts from outside are no markup and steer nothing."""
    mark = words.MARKS[outcome.status]
    console.print(plain(f"{mark} {outcome.reply.text}"), soft_wrap=True)
    for name, raw in outcome.reply.facts.items():
        heading = f"{words.label(name)}:"
        room = " " * (14 - cell_len(heading))
        console.print(plain(f"   {heading}{room} {words.value(name, raw)}"), soft_wrap=True)
    if outcome.reply.table is not None:
        _show_table(outcome.reply.table, console)
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


def _show_table(shown: Rows, console: Console) -> None:
    """In columns; where those would have to be too narrow to be read, row by row with the headings in front."""
    headings = [words.label(column) for column in shown.columns]
    rows = [
        [plain(words.value(column, raw)) for column, raw in zip(shown.columns, row, strict=True)]
        for row in shown.rows
    ]
    widest = [
        max([cell_len(heading), *(cell_len(row[at].plain) for row in rows)])
        for at, heading in enumerate(headings)
    ]
    if sum(min(cells, _NARROWEST) + 1 for cells in widest) > console.width + 1:
        _show_records(headings, rows, console)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _show_records(headings: Sequence[str], rows: Sequence[Sequence[Text]], console: Console) -> None:
    room = max(cell_len(heading) for heading in headings)
    for row in rows:
        for heading, cell in zip(headings, row, strict=True):
            padding = " " * (room - cell_len(heading))
            console.print(Text.assemble((heading, "bold"), f"{padding}  ", cell), overflow="fold")
        console.print()


def plain(raw: str) -> Text:
    """Without escape codes, other control characters and overrides of the writing direction."""
    return Text(words.harmless(raw))
