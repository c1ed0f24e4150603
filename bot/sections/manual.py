"""Writes docs/settings.md: every section of the settings file, each key with its default, what it takes and means.

It must not know what a section is for. English, as the descriptions of the keys are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.sections import Section
from bot.sections.example import FREE, NAMES, section_in, written

VARIABLES = {
    "SLACK_BOT_TOKEN": "the bot’s token, `xoxb-…`",
    "SLACK_APP_TOKEN": "the app-level token, `xapp-…`, for Socket Mode; without it, HTTP mode at `POST /slack/events`",
    "SLACK_SIGNING_SECRET": "checks Slack’s requests in HTTP mode",
    "SLACK_API_URL": "base of the Web API, Slack’s own by default",
    "DOCKER_HOST": "the engine, unless the settings name hosts; Docker’s other variables count then, too",
    "SHIPKEEPER_SETTINGS": "the settings file; without one, every default",
    "SHIPKEEPER_STATE": "database and lock; `/var/lib/shipkeeper` for root, else `~/.local/state/shipkeeper`",
    "SHIPKEEPER_ARCHIVE": "backups; `[archive] path` by default, else `archive` below the state directory",
    "SHIPKEEPER_DATABASE_URL": "SQLite in the state directory by default, or `postgresql+psycopg://…`",
    "SHIPKEEPER_AUDIT_KEY": "seals the audit log with HMAC-SHA-256; at least 16 characters, not beside the database",
}
"""What the environment says, by the name of the variable."""

_OPENING = """\
# Settings

Made from the code by `make generated`; a test compares it. [settings.example.toml](../deploy/settings.example.toml)
is the same as a file to begin with.

## The environment

Each of these may come from a file named by `<NAME>_FILE` instead, which is better for secrets."""

_FILE = """
## The settings file

TOML, named by `SHIPKEEPER_SETTINGS`. Every section may be left out, and every key that is not called *required*. A key
that does not exist is refused with the nearest name, and all mistakes are told at once. The file is read again at
SIGHUP and when it changes, whole or not at all; of what counts only after a restart the log says so."""


def settings_manual(sections: Mapping[str, type[Section]]) -> str:
    """The page, as Markdown."""
    return "\n".join(_lines(sections)) + "\n"


def _lines(sections: Mapping[str, type[Section]]) -> Iterator[str]:
    yield _OPENING
    yield ""
    yield from table(("variable", "means"), [(f"`{name}`", what) for name, what in VARIABLES.items()])
    yield _FILE
    for name, section in sections.items():
        yield from _section(f"{name}.NAME" if name in NAMES else name, name, section)


def _section(heading: str, name: str, section: type[Section]) -> Iterator[str]:
    yield f"\n### [{heading}]\n"
    yield " ".join((section.__doc__ or "").split())
    yield from ("", "```toml", f"[{heading}]", *FREE[name], "```") if name in FREE else ()
    known = section.model_json_schema().get("properties", {})
    rows, inner = [], []
    for key, info in section.model_fields.items():
        below = section_in(info.annotation)
        if below is not None:
            inner.append((key, below))
            continue
        default = "*required*" if info.is_required() else _shown(info.get_default(call_default_factory=True))
        rows.append((f"`{key}`", default, _takes(known[key]), str(info.description)))
    if rows:
        yield ""
        yield from table(("key", "default", "takes", "means"), rows)
    for key, below in inner:
        yield from _section(f"{heading}.{key}.NAME", key, below)


def _shown(value: Any) -> str:
    text = written(value)
    return "" if text == '""' else f"`{text}`"


def _takes(schema: Mapping[str, Any]) -> str:
    """What may be given, out of a key's JSON schema: words to choose from, a span, or the sort of value."""
    one = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    if "enum" in one:
        return ", ".join(f"`{word}`" for word in one["enum"])
    if one["type"] in ("integer", "number"):
        least, most = one.get("minimum"), one.get("maximum")
        if least is None:
            return "number"
        return f"{least} or more" if most is None else f"{least} to {most}"
    if one["type"] == "array":
        return "list of texts"
    known = {"boolean": "`true` or `false`", "object": "table"}
    return known.get(one["type"], str(one.get("format", "text")))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
