"""Finds the names a person may have meant; it must not know what they name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bot.language import say

_LIMIT = 3
_CUTOFF = 0.5


def nearest(wanted: str, names: Iterable[str]) -> tuple[str, ...]:
    """At most three of the names, the likeliest first, whatever their case; none when nothing is like it."""
    by_folded: dict[str, str] = {}
    for name in sorted(names):
        by_folded.setdefault(name.casefold(), name)
    found = difflib.get_close_matches(wanted.casefold(), by_folded, n=_LIMIT, cutoff=_CUTOFF)
    return tuple(by_folded[folded] for folded in found)


def did_you_mean(wanted: str, names: Iterable[str]) -> str:
    """A sentence that names the nearest of them, with a blank before it, or `""`."""
    return meant(nearest(wanted, names))


def meant(names: Iterable[str]) -> str:
    """The same for just these."""
    quoted = [f"“{name}”" for name in names]
    if not quoted:
        return ""
    if len(quoted) == 1:
        return " " + say("Did you mean {name}?", name=quoted[0])
    return " " + say("Did you mean {names} or {last}?", names=", ".join(quoted[:-1]), last=quoted[-1])
