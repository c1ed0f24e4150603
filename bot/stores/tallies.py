"""Figures for whoever watches the bot as a whole: how runs ended, what waits, what was not told yet. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select

from bot.model import Status
from bot.stores.database import Database
from bot.stores.outbox import AS_HOPED
from bot.stores.runrow import Lane
from bot.stores.schema import audit, messages, runs

_ENDINGS = [status.value for status in Status if status.is_ending]
_BACKUP = "backup"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one run ended: the number of its line in the audit log, how long it took, what a backup of it holds.

    `seconds` is None for what never began, `raw_bytes` where no backup was made.
    """

    seq: int
    command: str | None
    ending: str
    seconds: float | None
    raw_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Behind:
    """How many messages people have not been shown as they are, and of how many of those Slack refused the last try."""

    messages: int
    failing: int


class Tallies:
    """Counts. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ended_after(self, seq: int, limit: int) -> tuple[Ended, ...]:
        """Runs whose ending stands in the audit log behind that line, in its order.

        That log has exactly one ending a run and only grows, so whoever asks by and by counts each run once.
        """
        # As text, for PostgreSQL's integers end at two billion.
        raw_bytes = runs.c.reply[("facts", "raw_bytes")].as_string()
        query = (
            select(audit.c.seq, audit.c.command, audit.c.kind, audit.c.facts, raw_bytes.label("raw_bytes"))
            .outerjoin(runs, and_(runs.c.id == audit.c.run_id, audit.c.command == _BACKUP))
            # As an expression, or SQLite would sort all endings there are for each piece.
            .where(audit.c.seq > seq, audit.c.kind.concat("").in_(_ENDINGS))
            .order_by(audit.c.seq)
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(
                Ended(
                    seq=row.seq,
                    command=row.command,
                    ending=row.kind,
                    seconds=json.loads(row.facts).get("took_seconds"),
                    raw_bytes=None if row.raw_bytes is None else int(row.raw_bytes),
                )
                for row in connection.execute(query)
            )

    def queued(self) -> dict[Lane, int]:
        """How many runs wait for a worker, by lane."""
        query = (
            select(runs.c.lane, func.count())
            .where(runs.c.status == Status.QUEUED.value)
            .group_by(runs.c.lane)
        )
        with self._database.read() as connection:
            found = {Lane(lane): count for lane, count in connection.execute(query)}
        return {lane: found.get(lane, 0) for lane in Lane}

    def behind(self) -> Behind:
        """What people have still to be told, whether it is due or waits for its time."""
        is_undecided = and_(runs.c.lane != Lane.WORK.value, runs.c.ended_at.is_(None))
        query = (
            select(func.count(), func.sum(case((messages.c.attempts > 0, 1), else_=0)))
            .join(runs, messages.c.run_id == runs.c.id)
            .where(messages.c.closed.is_(False), messages.c.sent_revision < runs.c.revision, ~is_undecided)
            .where(~and_(messages.c.quiet, runs.c.status.in_(AS_HOPED)))
        )
        with self._database.read() as connection:
            count, failing = connection.execute(query).one()
        return Behind(messages=count, failing=failing or 0)
