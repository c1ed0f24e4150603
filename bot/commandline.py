"""From what people type to words: repairs what chat programs do to text, then splits it as a shell would.

Knows no command; sources: Slack's "formatting text" page for the `<…>` forms, POSIX quoting for the rest.
"""

from __future__ import annotations

import re
import shlex

from bot.errors import UsageError
from bot.language import say

LONGEST = 4_000
"""Characters of a command line. Slack documents no limit, so we have one."""

_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u200b\u200c\u200d\u2060\ufeff]")
_LONG_DASH = re.compile(r"(?<!\S)[\u2012-\u2015\u2212](?=[A-Za-z])")
_DOUBLE_QUOTES = re.compile(r"[\u201c\u201d\u201e\u201f\u00ab\u00bb]")
_QUOTED_SINGLY = re.compile(r"(?<![^\s=])[\u2018\u2019\u201a\u201b]([^\u2018-\u201b]*)[\u2018\u2019](?!\S)")
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([CGD][A-Z0-9]+)(?:\|[^>]*)?>")
_LABELLED_LINK = re.compile(r"<(?:https?://|mailto:|tel:)[^|>\s]*\|([^>]*)>")
_BARE_LINK = re.compile(r"<((?:https?://|mailto:)[^|>\s]*)>")


def repair(text: str) -> str:
    """What was meant: straight quotes, `--` for a long dash before a letter, ordinary spaces, no marks."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    text = _LONG_DASH.sub("--", text)
    return _QUOTED_SINGLY.sub(r"'\1'", _DOUBLE_QUOTES.sub('"', text)).strip()


def from_slack(text: str) -> str:
    """What was typed, out of Slack's markup: ids for people and channels, the typed words for links."""
    text = _PERSON.sub(r"\1", text)
    text = _CHANNEL.sub(r"\1", text)
    text = _LABELLED_LINK.sub(r"\1", text)
    text = _BARE_LINK.sub(r"\1", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def split(line: str) -> list[str]:
    """The words of a line, quotes taken off; raises UsageError when it is too long or a quote stays open."""
    if len(line) > LONGEST:
        raise UsageError(
            say(
                "That line has {count} characters; at most {most} are read. Nothing was changed.",
                count=len(line),
                most=LONGEST,
            )
        )
    if "\0" in line or "\ufffd" in line:
        raise UsageError(
            say(
                "That line holds NUL, or bytes that are not UTF-8 text. Nothing was changed. Type it again without."
            )
        )
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(
            say(
                "A quote is opened but not closed, or a backslash ends the line. Nothing was changed. "
                "Put text with spaces or apostrophes between double quotes."
            )
        ) from error
