"""Secrets, and texts of others made fit for people: without credentials, on one line, not too long.

Words only: where secrets come from and where they go is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_RAW_CHARACTERS = 300

_WORD = re.compile(r"\S+")
_AT = re.compile(r"@(?!sha256:[0-9a-f]{64})")
"""What may end a URL's user information, and is no image's digest."""
_SLACK_TOKEN = re.compile(r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{8,}")
_NAMED_SECRET = re.compile(r"(?i)\b([a-z0-9_.-]*(?:password|passwd|secret|token|api[_-]?key)=)[^\s\"']+")
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_CREDENTIAL = re.compile(r"(?i)\b(basic|bearer)\s+[a-z0-9+/_.=-]{8,}")


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who somebody is to a registry; the password is in no repr."""

    username: str
    password: str = field(repr=False)


def scrub(raw: object, secrets: Iterable[str] = ()) -> str:
    """One line of at most 300 printable characters, without credentials: fit for people."""
    text = str(raw)
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    text = _without_users(text, "")
    text = _CREDENTIAL.sub(r"\1 …", text)
    text = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_RAW_CHARACTERS else text[: MAX_RAW_CHARACTERS - 1] + "…"


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The same text with an ellipsis for each secret: those given, credentials of URLs and headers, Slack's tokens,
    and values of what is called password, secret or token. NUL and lone surrogates, which nothing stores, go."""
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    text = _without_users(text, "…@")
    text = _CREDENTIAL.sub(r"\1 …", text)
    text = _SLACK_TOKEN.sub("…", text)
    text = _NAMED_SECRET.sub(r"\1…", text)
    return _NO_TEXT.sub("\ufffd", text)


def _without_users(text: str, instead: str) -> str:
    """The same without what stands between `://` and the last `@` of a word: people's passwords hold `@` and `/`, too.

    Rather too much of a URL goes than a part of a password stays.
    """

    def without(word: re.Match[str]) -> str:
        before, slashes, after = word[0].partition("://")
        ends = [found.end() for found in _AT.finditer(after)]
        return f"{before}{slashes}{instead}{after[ends[-1] :]}" if ends else word[0]

    return _WORD.sub(without, text) if "://" in text else text
