"""How runs of schedules and of the same line went before, for who judges whether all is well. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, func, select

from bot.model import Status
from bot.stores.database import Database
from bot.stores.runrow import Lane, Run, run_of, run_query
from bot.stores.schema import runs, schedules

_USUAL = timedelta(days=92)


@dataclass(frozen=True, kw_only=True)
class LastTwo:
    """The ids of the two runs of a schedule that ended last, and how they ended."""

    last: str
    before: str
    last_status: Status
    before_status: Status


class Pasts:
    """Looks at runs that were. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unended(self, before: datetime) -> tuple[Run, ...]:
        """Runs of schedules that were to begin before that time and have not ended, oldest first."""
        began = func.coalesce(runs.c.not_before, runs.c.created_at)
        query = (
            run_query()
            .where(runs.c.status.in_([Status.QUEUED.value, Status.WAITING.value, Status.RUNNING.value]))
            .where(runs.c.schedule.is_not(None), runs.c.ended_at.is_(None), began < before)
            .order_by(runs.c.created_at)
        )
        with self._database.read() as connection:
            return tuple(run_of(row) for row in connection.execute(query).mappings())

    def took(self, run: Run, limit: int) -> tuple[float, ...]:
        """How many seconds the last runs of the same line on the same host took that succeeded, newest first.

        Those of the quarter before it, so that not all runs there ever were are looked through for a rare line.
        """
        query = (
            select(runs.c.started_at, runs.c.ended_at)
            .where(runs.c.status == Status.SUCCEEDED.value, runs.c.lane == Lane.WORK.value)
            .where(runs.c.line == run.invocation.line, runs.c.host == run.host)
            .where(runs.c.started_at.is_not(None), runs.c.created_at > run.created_at - _USUAL)
            .order_by(runs.c.created_at.desc())
            .limit(limit)
        )
        if run.invocation.schedule is not None:
            query = query.where(runs.c.schedule == run.invocation.schedule)
        with self._database.read() as connection:
            return tuple((row.ended_at - row.started_at).total_seconds() for row in connection.execute(query))

    def troubled(self) -> dict[str, LastTwo]:
        """Schedules that fire and whose last two runs that ended did not succeed, since the schedule was made."""
        query = select(
            schedules.c.name,
            _ended(runs.c.id, 0).label("last"),
            _ended(runs.c.id, 1).label("before"),
            _ended(runs.c.status, 0).label("last_status"),
            _ended(runs.c.status, 1).label("before_status"),
        ).where(schedules.c.paused_by.is_(None), schedules.c.suspended.is_(None))
        succeeded = Status.SUCCEEDED.value
        with self._database.read() as connection:
            return {
                row.name: LastTwo(
                    last=row.last,
                    before=row.before,
                    last_status=Status(row.last_status),
                    before_status=Status(row.before_status),
                )
                for row in connection.execute(query)
                if row.before is not None and succeeded not in (row.last_status, row.before_status)
            }


def _ended(column: ColumnElement[str], place: int) -> ScalarSelect[str]:
    """That column of the run of a schedule that ended last, or of the one before it."""
    return (
        select(column)
        .where(runs.c.schedule == schedules.c.name, runs.c.ended_at.is_not(None))
        .where(runs.c.created_at >= schedules.c.created_at)
        .order_by(runs.c.created_at.desc(), runs.c.id)
        .offset(place)
        .limit(1)
        .correlate(schedules)
        .scalar_subquery()
    )
