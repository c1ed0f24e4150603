"""What is being done now and what went wrong lately, for those who watch. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from bot.model import Status
from bot.stores.database import Database
from bot.stores.runrow import PLACE, Lane, Run, run_of
from bot.stores.schema import messages, runs

_AT_WORK = (Status.QUEUED.value, Status.WAITING.value, Status.RUNNING.value)
_NEWEST = 20


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What stands where: two that are equal mean that nothing happened in between.

    `runs` differs when a run began or ended, `progress` also when one came further.
    """

    runs: Collection[tuple[str, str]]
    progress: Collection[tuple[str, int]]


class Activity:
    """Runs that change something, as watchers see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pulse(self) -> Pulse:
        """How things stand; cheap, for asking every second."""
        columns = (runs.c.id, runs.c.status, runs.c.revision)
        now = select(*columns).where(runs.c.lane == Lane.WORK.value, runs.c.status.in_(_AT_WORK))
        newest = (
            select(*columns)
            .where(runs.c.lane == Lane.WORK.value)
            .order_by(runs.c.created_at.desc())
            .limit(_NEWEST)  # one that began and ended since the last look is among them
        )
        with self._database.read() as connection:
            seen = {row.id: row for query in (now, newest) for row in connection.execute(query)}
        return Pulse(
            runs=frozenset((row.id, row.status) for row in seen.values()),
            progress=frozenset((row.id, row.revision) for row in seen.values()),
        )

    def at_work(self, limit: int) -> tuple[Run, ...]:
        """Runs that wait for a worker or are carried out, oldest first."""
        query = _query().where(runs.c.lane == Lane.WORK.value, runs.c.status.in_(_AT_WORK))
        return self._list(query.order_by(runs.c.created_at).limit(limit))

    def troubled(self, statuses: Collection[Status], since: datetime, limit: int) -> tuple[Run, ...]:
        """Runs that ended so since then, newest first."""
        query = _query().where(
            runs.c.lane == Lane.WORK.value,
            runs.c.status.in_([status.value for status in statuses]),
            runs.c.created_at > since,
        )
        return self._list(query.order_by(runs.c.created_at.desc()).limit(limit))

    def _list(self, query: Select[tuple[object, ...]]) -> tuple[Run, ...]:
        with self._database.read() as connection:
            return tuple(run_of(row) for row in connection.execute(query).mappings())


def _query() -> Select[tuple[object, ...]]:
    return select(runs, *PLACE).outerjoin(messages, messages.c.run_id == runs.c.id)
