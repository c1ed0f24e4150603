"""Text for Slack: escaped, cut to a limit, laid out in columns. Source: Slack's "formatting text" page.

Everything that did not come from our own source goes through `escape` before it lands in mrkdwn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

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
    """At most `limit` characters, with a mark where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def beginning(text: str, limit: int) -> str:
    """The same for text of many lines: the mark says how many characters are not shown, and where they are."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 80]
    return say(
        "{kept}\n… {text_count} more characters; all of it is in the file.",
        kept=kept,
        text_count=len(text) - len(kept),
    )


def columns(table: Table, limit: int) -> str:
    """The table as aligned text of at most `limit` characters; says how many rows did not fit."""
    head = [words.label(name) for name in table.columns]
    body = [[_cell(words.value(n, v)) for n, v in zip(table.columns, row, strict=True)] for row in table.rows]
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = [_aligned(row, widths) for row in [head, *body]]
    kept: list[str] = []
    used = 0
    for line in lines:
        if used + len(line) + 1 > limit - 80:
            kept.append(
                say(
                    "… {lines_count} more rows; all of them are in the file.",
                    lines_count=len(lines) - len(kept),
                )
            )
            break
        kept.append(line)
        used += len(line) + 1
    return "\n".join(kept)


def _cell(text: str) -> str:
    """On one line, and no wider than leaves room for the others."""
    return cut(" ".join(plain(text).split()), _CELL)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
