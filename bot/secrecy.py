"""Secrets, and texts of others made fit for people: without credentials, on one line, not too long.

Words only: where secrets come from and where they go is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_RAW_CHARACTERS = 300

_USER_INFORMATION = re.compile(r"(?<=://)[^/\s@]+@")
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
    text = _USER_INFORMATION.sub("", text)
    text = _CREDENTIAL.sub(r"\1 …", text)
    text = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_RAW_CHARACTERS else text[: MAX_RAW_CHARACTERS - 1] + "…"
