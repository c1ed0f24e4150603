"""The undo journal: how to take back what a run is about to do, written down before it is done.

It outlives the process, so that the next one can wake what the last one put to sleep. It only remembers;
carrying an entry out is somebody else's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from bot.errors import LostHold
from bot.model import Status
from bot.stores.database import Database
from bot.stores.schema import journal, runs


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to take back: a verb of the undo registry and its arguments."""

    id: int
    run_id: str
    host: str
    verb: str
    arguments: Mapping[str, str]
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Noted:
    """One thing that a run did and could take back, looked at afterwards: when it began, and what became of it.

    `settled_at` is None while it is to be taken back; `kept` tells that what was done was to stay.
    """

    verb: str
    arguments: Mapping[str, str]
    written_at: datetime
    settled_at: datetime | None
    kept: bool
    error: str | None


_OPEN = select(journal).where(journal.c.settled_at.is_(None)).order_by(journal.c.id.desc())
_OPEN_OF_RUN = _OPEN.where(journal.c.run_id == bindparam("run"))


class Journal:
    """Writes entries durably and strikes them off."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, entry: Entry, *, epoch: int, at: datetime) -> Entry:
        """Commit the entry; raises LostHold when the run is no longer this holder's. `id` is given here."""
        with self._database.write() as connection:
            held = select(runs.c.id).where(
                runs.c.id == entry.run_id, runs.c.epoch == epoch, runs.c.status == Status.RUNNING.value
            )
            if connection.execute(held).one_or_none() is None:
                raise LostHold(entry.run_id)
            made = connection.execute(
                insert(journal)
                .values(
                    run_id=entry.run_id,
                    host=entry.host,
                    verb=entry.verb,
                    arguments=dict(entry.arguments),
                    written_at=at,
                )
                .returning(journal.c.id)
            ).scalar_one()
        return Entry(
            id=made, run_id=entry.run_id, host=entry.host, verb=entry.verb, arguments=entry.arguments
        )

    def settle(self, entry_id: int, *, at: datetime, kept: bool = False) -> None:
        """Strike it off: it was carried out, or (`kept`) what was done is to stay."""
        with self._database.write() as connection:
            connection.execute(
                update(journal).where(journal.c.id == entry_id).values(settled_at=at, kept=kept)
            )

    def kept(self, run_id: str, verb: str) -> Mapping[str, str] | None:
        """With which arguments the run did something of that kind that is to stay; None if it did not."""
        query = select(journal.c.arguments).where(
            journal.c.run_id == run_id,
            journal.c.verb == verb,
            journal.c.kept.is_(True),
            journal.c.error.is_(None),
        )
        with self._database.read() as connection:
            found: Mapping[str, str] | None = connection.execute(query.limit(1)).scalar()
            return found

    def left_alone(self, run_id: str) -> tuple[str, ...]:
        """What was to be taken back and never will be, for somebody else has changed it since: a sentence each."""
        query = select(journal.c.error).where(
            journal.c.run_id == run_id, journal.c.kept.is_(True), journal.c.error.is_not(None)
        )
        with self._database.read() as connection:
            return tuple(connection.execute(query.order_by(journal.c.id)).scalars())

    def note_failure(self, entry_id: int, error: str) -> None:
        """Remember why carrying it out failed; the entry stays open."""
        with self._database.write() as connection:
            connection.execute(update(journal).where(journal.c.id == entry_id).values(error=error))

    def noted(self, run_id: str) -> tuple[Noted, ...]:
        """Everything that the run wrote down, in the order in which it did."""
        query = select(journal).where(journal.c.run_id == run_id).order_by(journal.c.id)
        with self._database.read() as connection:
            return tuple(
                Noted(
                    verb=row.verb,
                    arguments=row.arguments,
                    written_at=row.written_at,
                    settled_at=row.settled_at,
                    kept=bool(row.kept),
                    error=row.error,
                )
                for row in connection.execute(query)
            )

    def open_entries(self, run_id: str | None = None) -> tuple[Entry, ...]:
        """What is still to be taken back, newest first: the order in which to do so."""
        query = _OPEN if run_id is None else _OPEN_OF_RUN
        with self._database.read() as connection:
            return tuple(
                Entry(
                    id=row.id,
                    run_id=row.run_id,
                    host=row.host,
                    verb=row.verb,
                    arguments=row.arguments,
                    error=row.error,
                )
                for row in connection.execute(query, {} if run_id is None else {"run": run_id})
            )
