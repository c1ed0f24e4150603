"""Runs as they are stored: accepted, looked up, listed, asked to cancel. The row is the truth.

What only the holder of a run may write is in `claims.py`. Nothing here executes anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, insert, or_, select, update

from bot.model import Invocation, Status
from bot.stores.coding import storable
from bot.stores.database import Database
from bot.stores.runrow import Lane, Run, get_run, run_of, run_query, under_way
from bot.stores.schema import messages, runs
from bot.stores.sharing import SharedWrites
from bot.stores.standing import Standing

_LONGEST = timedelta(days=7)

# These are asked all the time: made once, they are neither made nor compiled again.
_CLAIMABLE = (
    select(runs.c.id, runs.c.host)
    .where(
        runs.c.status == Status.QUEUED.value,
        runs.c.lane == bindparam("lane"),
        runs.c.released_at.is_not(None),
    )
    .where(or_(runs.c.not_before.is_(None), runs.c.not_before <= bindparam("now")))
    .where(
        runs.c.host.not_in(bindparam("not_on", expanding=True)),
        runs.c.id.not_in(bindparam("without", expanding=True)),
    )
    .order_by(runs.c.created_at)
    .limit(bindparam("limit", type_=Integer))
)
_CLAIMABLE_OF = _CLAIMABLE.where(runs.c.id.in_(bindparam("only", expanding=True)))
_ASKED_TO_CANCEL = select(runs.c.id).where(
    runs.c.status == Status.RUNNING.value, runs.c.cancel_requested_by.is_not(None)
)

Enqueue = Callable[[Connection, str, Lane], None]
"""Tells the queue, inside the transaction that makes it so, that a run may be claimed on that lane."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a run is taken in: it is executed once it is `released`, and not before that time.

    When it is `quiet`, people are told of it only if it does not succeed.
    """

    host: str
    released: bool
    not_before: datetime | None = None
    quiet: bool = False


_Asked = tuple[Invocation, Terms]


class Runs:
    """The table of runs, for everybody who does not hold one."""

    def __init__(self, database: Database, clock: Callable[[], datetime], enqueue: Enqueue) -> None:
        self._database = database
        self._clock = clock
        self._enqueue = enqueue
        self._intake: SharedWrites[_Asked, tuple[str, bool]] = SharedWrites(database, self._store_new)
        self._standing = Standing(database, clock)

    def submit(self, invocation: Invocation, *, host: str, released: bool) -> tuple[Run, bool]:
        """Store the invocation durably; the same key gives the run that the first delivery made.

        Returns the run, and whether it is new.
        """
        run_id, is_new = self.take_in(invocation, Terms(host=host, released=released))
        return self.get(run_id), is_new

    def take_in(self, invocation: Invocation, terms: Terms) -> tuple[str, bool]:
        """The same, and only the run's id; what many threads bring at once is stored together, before all else."""
        return self._intake.do((invocation, terms))

    def _store_new(self, connection: Connection, asked: Sequence[_Asked]) -> list[tuple[str, bool]]:
        """What has a new key, or none, is stored; each one's id, and whether it is new."""
        keys = [one.key for one, _ in asked if one.key is not None]
        known: dict[str | None, str] = {}
        if keys:
            found = select(runs.c.key, runs.c.id).where(runs.c.key.in_(keys))
            known = {row.key: row.id for row in connection.execute(found)}
        answers: list[tuple[str, bool]] = []
        new: list[tuple[str, Invocation, Terms]] = []
        for invocation, terms in asked:
            run_id = known.get(invocation.key) if invocation.key is not None else None
            answers.append((run_id or secrets.token_hex(4), run_id is None))
            if run_id is None:
                known[invocation.key] = answers[-1][0]
                new.append((answers[-1][0], invocation, terms))
        self._insert(connection, new)
        return answers

    def store(self, connection: Connection, invocation: Invocation, terms: Terms) -> str:
        """The same in somebody's transaction, for a key that is new; the id. Raises IntegrityError if it is not."""
        return self.store_all(connection, [(invocation, terms)])[0]

    def store_all(self, connection: Connection, asked: Sequence[_Asked]) -> tuple[str, ...]:
        """The same for many, whose keys are all new."""
        new = [(secrets.token_hex(4), invocation, terms) for invocation, terms in asked]
        self._insert(connection, new)
        return tuple(run_id for run_id, _, _ in new)

    def _insert(self, connection: Connection, new: Sequence[tuple[str, Invocation, Terms]]) -> None:
        if not new:
            return
        now = self._clock()
        connection.execute(insert(runs), [_row(*one, now) for one in new])
        told = [_message(*one) for one in new if one[1].place is not None]
        if told:
            connection.execute(insert(messages), told)
        for run_id, _, terms in new:
            if terms.released:
                self._enqueue(connection, run_id, Lane.FRONT)

    def release(self, run_id: str) -> bool:
        """The sender knows that it was accepted: it may be executed. False when it is past that already."""
        return self.release_all([run_id]) == 1

    def release_all(self, run_ids: Collection[str]) -> int:
        """The same for many, in one transaction; how many were not past that."""
        with self._database.write() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.id.in_(run_ids), runs.c.released_at.is_(None))
                .where(runs.c.status == Status.QUEUED.value)
                .values(released_at=self._clock())
            )
            for run_id in run_ids if done.rowcount else ():
                self._enqueue(connection, run_id, Lane.FRONT)
            return done.rowcount

    def get(self, run_id: str) -> Run:
        """The run of that id; raises NotFound."""
        with self._database.read() as connection:
            return get_run(connection, run_id)

    def some(self, run_ids: Collection[str]) -> tuple[Run, ...]:
        """Those of the runs that exist."""
        return self._list(run_query().where(runs.c.id.in_(run_ids)))

    def claimable(
        self,
        lane: Lane,
        limit: int,
        *,
        only: Collection[str] | None = None,
        not_on: Collection[str] = (),
        without: Collection[str] = (),
    ) -> tuple[tuple[str, str], ...]:
        """Ids and hosts of runs that a worker of that lane may claim now, oldest first; some hosts' or ids left out."""
        asked: dict[str, object] = {"lane": lane.value, "now": self._clock(), "limit": limit}
        asked |= {"not_on": [*not_on], "without": [*without]}
        query, of = (_CLAIMABLE, {}) if only is None else (_CLAIMABLE_OF, {"only": [*only]})
        with self._database.read() as connection:
            return tuple((row.id, row.host) for row in connection.execute(query, asked | of))

    def abandoned(self, older_than: timedelta) -> tuple[Run, ...]:
        """Queued runs whose acceptance nobody was told of in that time."""
        query = run_query().where(
            runs.c.status == Status.QUEUED.value,
            runs.c.released_at.is_(None),
            runs.c.created_at <= self._clock() - older_than,
        )
        return self._list(query)

    def asked_to_cancel(self) -> tuple[str, ...]:
        """Ids of running runs whose cancel flag is up."""
        with self._database.read() as connection:
            return tuple(connection.execute(_ASKED_TO_CANCEL).scalars())

    def running(self) -> tuple[Run, ...]:
        """Runs that somebody holds, or held when it died."""
        return self._list(run_query().where(runs.c.status == Status.RUNNING.value))

    def newest(
        self, *, limit: int, status: Status | None = None, actor: str | None = None, after: Run | None = None
    ) -> tuple[Run, ...]:
        """The newest runs first, perhaps only those with a status or of one actor, or what comes after one in that."""
        query = run_query().order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
        query = query if status is None else query.where(runs.c.status == status.value)
        query = query if actor is None else query.where(runs.c.actor_id == actor)
        if after is not None:  # by the moment alone first, which an index has
            behind = or_(runs.c.created_at < after.created_at, runs.c.id > after.id)
            query = query.where(runs.c.created_at <= after.created_at, behind)
        return self._list(query)

    def last_of(self, schedule_names: Collection[str]) -> dict[str, Run]:
        """The newest run that came of each of those schedules, by its name, of those that ever ran."""
        found = {}
        with self._database.read() as connection:
            for (
                name
            ) in schedule_names:  # one by one, each is the end of a row in the index; together, all of it
                of_it = run_query().where(runs.c.schedule == name)
                newest = of_it.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(1)
                row = connection.execute(newest).mappings().one_or_none()
                if row is not None:
                    found[name] = run_of(row)
        return found

    def planned(self, schedule_name: str, line: str) -> Run | None:
        """The newest run that came of that schedule with that line, and came as far as a plan."""
        of_it = run_query().where(runs.c.schedule == schedule_name, runs.c.line == storable(line))
        query = of_it.where(runs.c.plan.is_not(None)).order_by(runs.c.created_at.desc(), runs.c.id.desc())
        return next(iter(self._list(query.limit(1))), None)

    def under_way(self, schedule_name: str) -> Run | None:
        """The newest run that came of that schedule and is not over, but for what prunes after one."""
        with self._database.read() as connection:
            return under_way(connection, schedule_name)

    def ended_since(self, since: datetime, limit: int) -> tuple[Run, ...]:
        """What changed something, or came of a schedule, and ended since then; newest first.

        A run that took longer than a week is left out, so that not all runs there ever were are looked through.
        """
        query = run_query().where(
            runs.c.created_at > since - _LONGEST,
            runs.c.ended_at > since,
            or_(runs.c.lane == Lane.WORK.value, runs.c.schedule.is_not(None)),
        )
        return self._list(query.order_by(runs.c.created_at.desc(), runs.c.id).limit(limit))

    def counts(self) -> dict[Status, int]:
        """How many runs stand where."""
        return self._standing.counts()

    def waiting_before(self, run: Run) -> int:
        """How many queued or running runs of the same lane and host are older."""
        query = select(runs.c.id).where(
            runs.c.lane == run.lane.value,
            runs.c.host == run.host,
            runs.c.status.in_([Status.QUEUED.value, Status.RUNNING.value]),
            runs.c.created_at < run.created_at,
        )
        with self._database.read() as connection:
            return len(connection.execute(query).all())

    def ask_to_cancel(self, run_id: str, by: str) -> Run:
        """Raise the flag that the holder looks at; a run that has ended is left as it is."""
        flag = update(runs).values(cancel_requested_by=by, revision=runs.c.revision + 1)
        unasked = (runs.c.cancel_requested_by.is_(None), runs.c.ended_at.is_(None))
        with self._database.write() as connection:
            connection.execute(flag.where(runs.c.id == run_id, *unasked))
            return get_run(connection, run_id)

    def _list(self, query: Select[tuple[object, ...]]) -> tuple[Run, ...]:
        with self._database.read() as connection:
            return tuple(run_of(row) for row in connection.execute(query).mappings())


def _row(run_id: str, invocation: Invocation, terms: Terms, now: datetime) -> dict[str, Any]:
    return {
        "id": run_id,
        "key": invocation.key,
        "origin": invocation.origin.value,
        "actor_id": invocation.actor.id,
        "actor_name": storable(invocation.actor.name),
        "line": storable(invocation.line),
        "token": invocation.token,
        "language": invocation.language,
        "schedule": invocation.schedule,
        "host": terms.host,
        "lane": Lane.FRONT.value,
        "status": Status.QUEUED.value,
        "created_at": invocation.at,
        "released_at": now if terms.released else None,
        "not_before": terms.not_before,
    }


def _message(run_id: str, invocation: Invocation, terms: Terms) -> dict[str, Any]:
    place = invocation.place
    assert place is not None
    return {
        "run_id": run_id,
        "channel": place.channel,
        "user": place.user,
        "thread_ts": place.thread_ts,
        "response_url": place.response_url,
        "files": list(place.files) or None,
        "quiet": terms.quiet,
    }
