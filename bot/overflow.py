"""What is too long for a chat message goes with the reply as a file. Knows nothing of Slack but how much fits."""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import replace

from bot import words
from bot.errors import StoreError
from bot.model import Attachment, Reply, Table
from bot.stores.outgoing import Outgoing
from bot.stores.runrow import Run

_log = logging.getLogger(__name__)

_OUTPUT = 4_900
_OUTPUT_BELOW_TABLE = 1_400
_TABLE = 4_900
_CELL = 80
"""Characters; a little less than `slack.blocks` shows, where what is cut ends with a mark."""


def with_files(run: Run, reply: Reply, outgoing: Outgoing) -> Reply:
    """The reply, with its output and its table attached where somebody in chat would see only their beginning.

    When no file can be written the reply is what it was: what came of the run matters more.
    """
    if run.invocation.place is None:
        return reply
    made: list[Attachment] = []
    try:
        if len(reply.output) > (_OUTPUT if reply.table is None else _OUTPUT_BELOW_TABLE):
            made.append(_kept(run, reply.output, "output", "txt", outgoing))
        if reply.table is not None and _length(reply.table) > _TABLE:
            made.append(_kept(run, _as_csv(reply.table), "table", "csv", outgoing))
    except StoreError as error:
        _log.error("run %s: its output is not attached: %s", run.id, error)
    return replace(reply, attachments=(*reply.attachments, *made))


def _kept(run: Run, text: str, what: str, kind: str, outgoing: Outgoing) -> Attachment:
    with outgoing.begin(run.id) as draft:
        draft.write(text.encode("utf-8", "replace"))
        return draft.keep(f"{run.invocation.line.split(' ', 1)[0] or what}-{run.id}.{kind}")


def _length(table: Table) -> int:
    """How many characters it takes as aligned text, at most."""
    lines = [table.columns, *(tuple(map(words.value, table.columns, row)) for row in table.rows)]
    sizes = [[min(len(str(cell)), _CELL) for cell in line] for line in lines]
    columns = sum(max(sizes, key=lambda line: line[at])[at] + 2 for at in range(len(table.columns) - 1))
    return sum(columns + line[-1] + 1 for line in sizes)


def _as_csv(table: Table) -> str:
    """As RFC 4180 has it; a cell that a spreadsheet would take for a formula begins with an apostrophe (CWE-1236)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(
            ["'" + cell if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell for cell in row]
        )
    return text.getvalue()
