"""Text for Slack: escaped, cut to a limit, laid out in columns. Source: Slack's "formatting text" page.

Everything that did not come from our own source goes through `escape` before it lands in mrkdwn.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.cells import cell_len

from bot import words
from bot.language import say
from bot.model import Table, Value

_CELL = 80
"""Characters of a table's cell: one long command line must not push a whole table over the limit."""
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without control characters, terminal codes and overrides of the writing direction."""
    return _CONTROL.sub("", text)


def escape(text: str) -> str:
    """Safe in mrkdwn: no mention, link or `<!channel>` can come out of it."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def moment(at: datetime, form: str = "{date_short_pretty} {time}") -> str:
    """A time in the reader's own zone and language; where those are not known, in UTC."""
    utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"<!date^{int(utc.timestamp())}^{form}|{words.value('at', utc.isoformat())}>"


def code(text: str, limit: int = 200) -> str:
    """A name or a typed line as code, on one line, which it cannot leave."""
    shown = escape(cut(text.replace("\n", " "), limit))
    return f"`{shown.replace('`', 'ˋ')}`"


def fact(name: str, value: Value) -> str:
    """A fact's value in mrkdwn: times in the reader's zone, all else as words."""
    if words.is_time(name) and isinstance(value, str) and value:
        return moment(datetime.fromisoformat(value))
    return escape(words.value(name, value))


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something is missing.

    Characters of JSON, by which Slack counts a message: there a line's end, a quote or a backslash takes two.
    """
    if len(text) <= limit and _size(text) <= limit:
        return text
    return text[: _fitting(text, limit - 1)] + "…"


def beginning(text: str, limit: int) -> str:
    """The same for text of many lines: the mark says how many characters are not shown, and where they are."""
    if len(text) <= limit and _size(text) <= limit:
        return text
    kept = text[: _fitting(text, limit - 80)]
    left = say("… {number} more characters; all of it is in the file.", number=len(text) - len(kept))
    return f"{kept}\n{left}"


def _size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False)) - 2


def _fitting(text: str, limit: int) -> int:
    """How many of its first characters fit."""
    return bisect.bisect_right(range(min(len(text), limit)), limit, key=lambda end: _size(text[: end + 1]))


def columns(table: Table, limit: int) -> str:
    """The table as aligned text of at most `limit` characters; says how many rows did not fit."""
    head = [words.label(name) for name in table.columns]
    body = [[_cell(words.value(n, v)) for n, v in zip(table.columns, row, strict=True)] for row in table.rows]
    widths = [max(cell_len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = [_aligned(row, widths) for row in [head, *body]]
    kept: list[str] = []
    used = 0
    for line in lines:
        if used + _size(line) + 2 > limit - 80:
            left = len(lines) - len(kept)
            kept.append(say("… {number} more rows; all of them are in the file.", number=left))
            break
        kept.append(line)
        used += _size(line) + 2
    return "\n".join(kept)


def _cell(text: str) -> str:
    """On one line, and no wider than leaves room for the others."""
    return cut(" ".join(plain(text).split()), _CELL)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join(padded).rstrip()
