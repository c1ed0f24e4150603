"""Figures for whoever watches the bot as a whole: how runs ended, what waits, what was not told yet. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, select

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
        """Runs whose ending stands in the audit log behind that line, in its order: of the next so many lines with any.

        That log has exactly one ending a run and only grows, so whoever asks by and by counts each run once.
        """
        found: list[Row[Any]] = []
        with self._database.read() as connection:
            while not found:
                lines = connection.execute(_lines(seq, limit)).all()
                if not lines:
                    return ()
                seq = max(row.seq for row in lines)
                found = sorted((row for row in lines if row.kind in _ENDINGS), key=lambda row: int(row.seq))
        return tuple(
            Ended(
                seq=row.seq,
                command=row.command,
                ending=row.kind,
                seconds=json.loads(row.facts).get("took_seconds"),
                raw_bytes=None if row.raw_bytes is None else int(row.raw_bytes),
            )
            for row in found
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


def _lines(seq: int, limit: int) -> Select[Any]:
    """The next so many lines of the log, whatever they tell: for endings alone a database would sort all there are."""
    columns = (audit.c.seq, audit.c.run_id, audit.c.command, audit.c.kind, audit.c.facts)
    line = select(*columns).where(audit.c.seq > seq).order_by(audit.c.seq).limit(limit).subquery("line")
    # As text, for PostgreSQL's integers end at two billion.
    raw_bytes = runs.c.reply[("facts", "raw_bytes")].as_string()
    is_backup = and_(runs.c.id == line.c.run_id, line.c.command == _BACKUP)
    return select(line, raw_bytes.label("raw_bytes")).outerjoin(runs, is_backup)
