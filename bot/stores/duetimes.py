"""Due times dealt with: each in one transaction that marks it on its schedule and stores what came of it.

The mark and the keys of runs see to it that a due time comes to one run, whichever processes look, and however often.
Knows no clock, and nothing of what a schedule's line does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, literal, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.language import say
from bot.model import Invocation, Status
from bot.stores.audit import Audit
from bot.stores.database import Database
from bot.stores.ended import Ended, record_all_ended
from bot.stores.runrow import OPEN, Run, get_run, is_due_time, under_way
from bot.stores.runs import Runs, Terms
from bot.stores.schedules import Schedule, Schedules
from bot.stores.schema import runs, schedules


def pruning_key(name: str, run_id: str) -> str:
    """What the run is known by that prunes after a run of that schedule."""
    return f"schedule:{name}:prune:{run_id}"


_KNOWN_KEYS = select(runs.c.key).where(runs.c.key.in_(bindparam("keys", expanding=True)))


class Dealing:
    """What may be done in the transaction that deals with a due time."""

    def __init__(self, connection: Connection, schedule: Schedule, stores: DueTimes) -> None:
        self._connection = connection
        self._schedule = schedule
        self._stores = stores

    def unknown(self, due: Collection[datetime]) -> tuple[datetime, ...]:
        """Those due times that nothing came of yet: after a clock was set back there may be others among them."""
        keys = [self._schedule.key(one) for one in due]
        found = set(self._connection.execute(_KNOWN_KEYS, {"keys": keys}).scalars())
        return tuple(one for one, key in zip(due, keys, strict=True) if key not in found)

    def under_way(self) -> Run | None:
        """The newest run of the schedule that is not over, if there is one. What prunes after one does not count."""
        return under_way(self._connection, self._schedule.name)

    def was_told_since(self, run: Run) -> bool:
        """Whether a due time of the schedule was missed, and told, since that run was stored."""
        missed = select(runs.c.id).where(
            runs.c.schedule == self._schedule.name,
            runs.c.status == Status.MISSED.value,
            runs.c.created_at > run.created_at,
        )
        return self._connection.execute(missed.limit(1)).one_or_none() is not None

    def run(self, invocation: Invocation, terms: Terms) -> str:
        """Let it be run; its id."""
        return self._stores.runs.store(self._connection, invocation, terms)

    def record(self, at: datetime, *ended: Ended) -> None:
        """Store what is over already; nothing when it is nothing."""
        if ended:
            record_all_ended(self._connection, self._stores.audit, ended, at)

    def suspend(self, why: str) -> None:
        """Let the schedule not fire any more."""
        self._stores.schedules.suspend(self._connection, self._schedule, why)


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """A backup of a schedule that succeeded, after which its old backups go."""

    schedule: Schedule
    run: Run


class DueTimes:
    """The tables of schedules and runs, for whoever brings them together. Raises StoreError."""

    def __init__(self, database: Database, schedules: Schedules, runs: Runs, audit: Audit) -> None:
        self._database = database
        self.schedules = schedules
        self.runs = runs
        self.audit = audit

    @contextmanager
    def dealing_with(self, schedule: Schedule, newest: datetime) -> Iterator[Dealing | None]:
        """One transaction in which all due times of the schedule up to the newest are dealt with.

        None when somebody else did, or the schedule was changed, paused or removed since it was read.
        """
        try:
            with self._database.write() as connection:
                is_ours = self.schedules.deal_with(connection, schedule, newest)
                yield Dealing(connection, schedule, self) if is_ours else None
        except IntegrityError as error:
            raise StoreError(
                say("What a schedule came to could not be stored just now. Nothing was changed.")
            ) from error

    def bring_back(self, schedule: Schedule, now: datetime) -> None:
        """A clock was wrong: the schedule is not dealt with beyond now, or it would be silent until then.

        What that clock had recorded as missed may still come to a run; what it had let run comes to none again.
        """
        keyless = runs.c.key + ":" + runs.c.id
        with self._database.write() as connection:
            connection.execute(
                update(schedules)
                .where(schedules.c.name == schedule.name)
                .where(schedules.c.dealt_with_at == schedule.dealt_with_at)
                .values(dealt_with_at=now)
            )
            connection.execute(
                update(runs)
                .where(runs.c.schedule == schedule.name, runs.c.created_at > now)
                .where(runs.c.status == Status.MISSED.value)
                .values(key=keyless)
            )

    def to_prune(self, since: datetime) -> tuple[tuple[Pruning, ...], datetime | None]:
        """Backups of schedules that prune, stored since then, which nothing was pruned after.

        With it comes when the oldest of those runs was stored that are not over yet: what to ask from next time.
        """
        of = (runs.c.created_at >= since, runs.c.schedule == schedules.c.name, schedules.c.prune.is_(True))
        pruned = runs.alias("pruned")
        # As an expression, or SQLite would go through all runs that ever succeeded instead of the latest ones.
        succeeded = runs.c.status.concat("") == Status.SUCCEEDED.value
        key = literal("schedule:") + runs.c.schedule + ":prune:" + runs.c.id
        done = (
            select(runs.c.id, runs.c.schedule)
            .where(*of, succeeded, is_due_time())
            .where(~select(pruned.c.id).where(pruned.c.key == key).exists())
            .order_by(runs.c.created_at)
        )
        still = select(func.min(runs.c.created_at)).where(*of, runs.c.status.in_(OPEN))
        with self._database.read() as connection:
            found = connection.execute(done).all()
            oldest = connection.execute(still).scalar_one()
            prunings = [
                Pruning(schedule=one, run=get_run(connection, run_id))
                for run_id, name in found
                if (one := self.schedules.find(name)) is not None
            ]
        return tuple(prunings), oldest

    def prune(self, invocation: Invocation, terms: Terms) -> bool:
        """Let that prune, once; False when it was stored already."""
        try:
            with self._database.write() as connection:
                self.runs.store(connection, invocation, terms)
        except IntegrityError:
            return False
        return True
