"""Patterns of targets, as roles and approvals have them: `kind:name`, such as `volume:pg*`. Words only."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase

KINDS = ("volume", "container", "path", "image", "registry", "build", "runbook")
"""All that a command can be about."""


def of_a_kind(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The same; raises ValueError for one that no target can have, for a rule with it would never count."""
    for pattern in patterns:
        if not _can_match(pattern):
            raise ValueError(
                f"no target is called {pattern!r}: give its kind, too; did you mean {_meant(pattern)}? "
                f"(Kinds are {', '.join(KINDS)}; * is all.)"
            )
    return patterns


def _can_match(pattern: str) -> bool:
    """Whether the pattern, or a beginning of it, fits a kind with its colon."""
    beginnings = [pattern[:end] for end in range(1, len(pattern) + 1)]
    return any(fnmatchcase(f"{kind}:", one) for kind in KINDS for one in beginnings)


def _meant(pattern: str) -> str:
    kind, colon, name = pattern.partition(":")
    if not colon and pattern not in KINDS:
        return f"{KINDS[0]}:{pattern or '*'}"
    near = difflib.get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.5)
    return f"{near[0] if near else KINDS[0]}:{name or '*'}"
