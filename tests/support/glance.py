"""Looks at an SQLite database from outside: whoever waits for a run looks often, and this costs a hundredth.

It must not know what the product makes of the rows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

_SCHEME = "sqlite:///"


class Glance:
    """A connection of its own. For other databases it says each time that a real look is needed."""

    def __init__(self, url: str) -> None:
        path = url.removeprefix(_SCHEME)
        is_there = url.startswith(_SCHEME) and Path(path).exists()
        self._rows = sqlite3.connect(path, check_same_thread=False) if is_there else None
        self._seen: object = None

    def has_changed(self) -> bool:
        """Whether somebody has committed anything since the last time (SQLite's manual, `data_version`)."""
        if self._rows is None:
            return True
        now = self._rows.execute("PRAGMA data_version").fetchone()
        was, self._seen = self._seen, now
        return bool(now != was)

    def may_have_ended(self, run_id: str) -> bool:
        """Whether the run has its ending; also where this cannot be told."""
        if self._rows is None:
            return True
        try:
            found = self._rows.execute("SELECT ended_at FROM runs WHERE id = ?", (run_id,)).fetchone()
        except sqlite3.Error:
            return True
        return found is None or found[0] is not None

    def close(self) -> None:
        """Give it back. May be called twice."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None
