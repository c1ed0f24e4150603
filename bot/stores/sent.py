"""Which commands people sent lately, by the rows of runs: two processes and a restart count alike.

It only reads, and decides nothing. A schedule is nobody who could hurry; what never ran because Slack showed an
error instead is not held against anybody, and neither is what was refused for being too fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from bot.model import Origin, Status
from bot.reasons import Reason
from bot.stores.database import Database
from bot.stores.runrow import Run
from bot.stores.schema import runs

_reason = func.coalesce(runs.c.reply["facts"]["reason"].as_string(), "")
_WAS_LET_THROUGH = (
    runs.c.origin != Origin.SCHEDULE.value,
    runs.c.status != Status.EXPIRED.value,
    or_(runs.c.status != Status.REJECTED.value, _reason != Reason.TOO_FAST.value),
)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A command line, and when it was sent."""

    line: str
    at: datetime


class SentCommands:
    """Commands by who sent them and when, found through the index of runs by time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def before(self, run: Run, within: timedelta, is_theirs: Callable[[str], bool]) -> tuple[Sent, ...]:
        """What the actors that `is_theirs` accepts sent in that time before the run, oldest first."""
        window = _between(run, run.created_at - within)
        with self._database.read() as connection:
            actors = connection.execute(select(runs.c.actor_id).where(window).distinct()).scalars()
            theirs = [actor for actor in actors if is_theirs(actor)]
            query = (
                select(runs.c.line, runs.c.created_at)
                .where(window, runs.c.actor_id.in_(theirs), *_WAS_LET_THROUGH)
                .order_by(runs.c.created_at, runs.c.id)
            )
            return tuple(Sent(line=row.line, at=row.created_at) for row in connection.execute(query))


def _between(run: Run, since: datetime) -> ColumnElement[bool]:
    """Sent after `since` and before the run; of two at the same moment the one with the lower id was first."""
    earlier = or_(runs.c.created_at < run.created_at, runs.c.id < run.id)
    return and_(runs.c.created_at > since, runs.c.created_at <= run.created_at, earlier)
