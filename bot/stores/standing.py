"""How many runs stand where, for scrapes every few seconds: only what is young is counted each time. Reads only.

A run that ended stays as it is, so those before a horizon are counted once, and what lies behind it by and by.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from bot.model import Status
from bot.stores.database import Database
from bot.stores.runrow import OPEN
from bot.stores.schema import runs

_YOUNG = timedelta(days=1)
"""So much later than it was asked for, at most, a run is stored, whatever the clocks of machines say."""
_ANEW_SECONDS = 3600.0
"""So often all are counted, in case a clock was wrong by more than that."""


class Standing:
    """Counts runs by status. For any thread; raises StoreError when the database fails."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._horizon: datetime | None = None
        self._before: Counter[str] = Counter()
        self._anew_at = 0.0

    def counts(self) -> dict[Status, int]:
        """How many stand where, as of now; nothing of a status that no run has."""
        with self._lock, self._database.read() as connection:
            if self._horizon is None or time.monotonic() >= self._anew_at:
                self._begin_anew(connection)
            self._move(connection)
            young = _counted(connection, runs.c.created_at >= self._horizon)
            found = self._before + young
        return {Status(status): count for status, count in found.items()}

    def _begin_anew(self, connection: Connection) -> None:
        self._horizon = self._newest_horizon(connection)
        self._before = _counted(connection, runs.c.created_at < self._horizon)
        self._anew_at = time.monotonic() + _ANEW_SECONDS

    def _move(self, connection: Connection) -> None:
        """Past what has ended since, and is no longer young."""
        now, before = self._newest_horizon(connection), self._horizon
        if before is not None and now > before:
            self._before += _counted(connection, runs.c.created_at >= before, runs.c.created_at < now)
            self._horizon = now

    def _newest_horizon(self, connection: Connection) -> datetime:
        """All runs before it are over, and no other one will be stored there."""
        oldest = connection.execute(select(func.min(runs.c.created_at)).where(runs.c.status.in_(OPEN)))
        young = self._clock() - _YOUNG
        return min(oldest.scalar_one() or young, young)


def _counted(connection: Connection, *which: ColumnElement[bool]) -> Counter[str]:
    status = runs.c.status.concat("")  # as an expression, or SQLite would go by status through all there are
    query = select(status, func.count()).where(*which).group_by(status)
    return Counter({row[0]: row[1] for row in connection.execute(query)})
