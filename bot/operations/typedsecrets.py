"""Secrets of runbooks that somebody typed into a command line all the same: cut off before anything is stored.

Must not know who typed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.operations.runbooks import Runbook

_CUT = "…"


def without_typed_secrets(line: str, runbooks: Iterable[Runbook]) -> str:
    """The command line, cut off behind `NAME=` where somebody typed a secret that an `exec` never takes.

    It is refused all the same; but what is stored first, and recorded, must not hold it. A `schedule` holds a line.
    """
    names = _names_of_secrets(runbooks)
    if not names or not re.match(r"\s*(?:exec\b|schedule\b.*\bexec\b)", line, re.DOTALL):
        return line
    found = re.search(rf"(?<![\w.-])(?:{names})=", line)
    return f"{line[: found.end()]}{_CUT}" if found else line


def typed_secret(line: str, runbooks: Iterable[Runbook]) -> str:
    """The name of the secret behind which the line was cut off; empty where it is whole."""
    names = _names_of_secrets(runbooks)
    found = re.search(rf"(?<![\w.-])({names})={_CUT}$", line) if names else None
    return found[1] if found else ""


def _names_of_secrets(runbooks: Iterable[Runbook]) -> str:
    """Those that no line may hold, as a pattern; empty for none."""
    names = {one.name for runbook in runbooks for one in runbook.parameters if one.secret}
    return "|".join(map(re.escape, sorted(names)))
