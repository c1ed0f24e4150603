"""Runs as they are stored: accepted, looked up, listed, asked to cancel. The row is the truth.

What only the holder of a run may write is in `claims.py`. Nothing here executes anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, Select, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import NotFound
from bot.language import say
from bot.model import Actor, Invocation, Origin, Outcome, Place, Plan, Progress, Reply, Status
from bot.stores.coding import plan_from_json, progress_from_json, reply_from_json, storable
from bot.stores.database import Database
from bot.stores.schema import messages, runs

PLACE = tuple(messages.c[name] for name in ("channel", "user", "thread_ts", "response_url", "files"))
"""What `run_of` needs beside the run."""


class Lane(StrEnum):
    """Which workers take a run: FRONT parses, decides and looks; WORK changes things and may take hours."""

    FRONT = "front"
    WORK = "work"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of an invocation, as the database knows it.

    `revision` grows with every change that people can see. A run that is not `released` was stored, but
    its sender has not been told so yet; it is never executed in that state.
    """

    id: str
    invocation: Invocation
    command: str | None
    host: str
    lane: Lane
    status: Status
    epoch: int
    released: bool
    cancel_requested_by: str | None
    plan: Plan | None
    progress: Progress | None
    reply: Reply | None
    revision: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def outcome(self) -> Outcome | None:
        """What came of it, once it has an ending."""
        if self.reply is None or self.ended_at is None:
            return None
        return Outcome(
            run_id=self.id,
            command=self.command or self.invocation.line.split(" ", 1)[0],
            status=self.status,
            reply=self.reply,
            started_at=self.started_at,
            ended_at=self.ended_at,
        )


Enqueue = Callable[[Connection, str, Lane], None]
"""Tells the queue, inside the transaction that makes it so, that a run may be claimed on that lane."""


class Runs:
    """The table of runs, for everybody who does not hold one."""

    def __init__(self, database: Database, clock: Callable[[], datetime], enqueue: Enqueue) -> None:
        self._database = database
        self._clock = clock
        self._enqueue = enqueue

    def submit(self, invocation: Invocation, *, host: str, released: bool) -> tuple[Run, bool]:
        """Store the invocation durably; the same key gives the run that the first delivery made.

        Returns the run, and whether it is new.
        """
        try:
            with self._database.write() as connection:
                known = _by_key(connection, invocation.key)
                if known is not None:
                    return known, False
                run_id = secrets.token_hex(4)
                self._insert(connection, run_id, invocation, host, released)
                return get_run(connection, run_id), True
        except IntegrityError:  # another process stored the same key, or drew the same id, just now
            return self.submit(invocation, host=host, released=released)

    def _insert(
        self, connection: Connection, run_id: str, invocation: Invocation, host: str, released: bool
    ) -> None:
        now = self._clock()
        connection.execute(
            insert(runs).values(
                id=run_id,
                key=invocation.key,
                origin=invocation.origin.value,
                actor_id=invocation.actor.id,
                actor_name=storable(invocation.actor.name),
                line=storable(invocation.line),
                token=invocation.token,
                language=invocation.language,
                host=host,
                lane=Lane.FRONT.value,
                status=Status.QUEUED.value,
                created_at=invocation.at,
                released_at=now if released else None,
            )
        )
        if released:
            self._enqueue(connection, run_id, Lane.FRONT)
        place = invocation.place
        if place is not None:
            connection.execute(
                insert(messages).values(
                    run_id=run_id,
                    channel=place.channel,
                    user=place.user,
                    thread_ts=place.thread_ts,
                    response_url=place.response_url,
                    files=list(place.files) or None,
                )
            )

    def release(self, run_id: str) -> bool:
        """The sender knows that it was accepted: it may be executed. False when it is past that already."""
        with self._database.write() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.released_at.is_(None))
                .where(runs.c.status == Status.QUEUED.value)
                .values(released_at=self._clock())
            )
            if done.rowcount == 1:
                self._enqueue(connection, run_id, Lane.FRONT)
            return done.rowcount == 1

    def get(self, run_id: str) -> Run:
        """The run of that id; raises NotFound."""
        with self._database.read() as connection:
            return get_run(connection, run_id)

    def some(self, run_ids: Collection[str]) -> tuple[Run, ...]:
        """Those of the runs that exist."""
        return self._list(_query().where(runs.c.id.in_(run_ids)))

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
        query = (
            select(runs.c.id, runs.c.host)
            .where(
                runs.c.status == Status.QUEUED.value,
                runs.c.lane == lane.value,
                runs.c.released_at.is_not(None),
            )
            .where(or_(runs.c.not_before.is_(None), runs.c.not_before <= self._clock()))
            .where(runs.c.host.not_in(not_on), runs.c.id.not_in(without))
            .order_by(runs.c.created_at)
            .limit(limit)
        )
        if only is not None:
            query = query.where(runs.c.id.in_(only))
        with self._database.read() as connection:
            return tuple((row.id, row.host) for row in connection.execute(query))

    def abandoned(self, older_than: timedelta) -> tuple[Run, ...]:
        """Queued runs whose acceptance nobody was told of in that time."""
        query = _query().where(
            runs.c.status == Status.QUEUED.value,
            runs.c.released_at.is_(None),
            runs.c.created_at <= self._clock() - older_than,
        )
        return self._list(query)

    def asked_to_cancel(self) -> tuple[str, ...]:
        """Ids of running runs whose cancel flag is up."""
        asked = (runs.c.status == Status.RUNNING.value, runs.c.cancel_requested_by.is_not(None))
        with self._database.read() as connection:
            return tuple(connection.execute(select(runs.c.id).where(*asked)).scalars())

    def running(self) -> tuple[Run, ...]:
        """Runs that somebody holds, or held when it died."""
        return self._list(_query().where(runs.c.status == Status.RUNNING.value))

    def newest(
        self, *, limit: int, status: Status | None = None, actor: str | None = None
    ) -> tuple[Run, ...]:
        """The newest runs first, perhaps only those with a status or of one actor."""
        query = _query().order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
        query = query if status is None else query.where(runs.c.status == status.value)
        query = query if actor is None else query.where(runs.c.actor_id == actor)
        return self._list(query)

    def counts(self) -> dict[Status, int]:
        """How many runs stand where."""
        query = select(runs.c.status, func.count()).group_by(runs.c.status)
        with self._database.read() as connection:
            return {Status(status): count for status, count in connection.execute(query)}

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


def _query() -> Select[tuple[object, ...]]:
    return select(runs, *PLACE).outerjoin(messages, messages.c.run_id == runs.c.id)


def get_run(connection: Connection, run_id: str) -> Run:
    """The run of that id, as this transaction sees it; raises NotFound."""
    row = connection.execute(_query().where(runs.c.id == run_id)).mappings().one_or_none()
    if row is None:
        sentence = say(
            "There is no run {run_id}. Nothing was changed. `runs` lists the newest ones.", run_id=run_id
        )
        raise NotFound(sentence)
    return run_of(row)


def _by_key(connection: Connection, key: str | None) -> Run | None:
    if key is None:
        return None
    row = connection.execute(_query().where(runs.c.key == key)).mappings().one_or_none()
    return None if row is None else run_of(row)


def run_of(row: RowMapping) -> Run:
    """A row of runs joined with its place in Slack, as a Run."""
    place = row["channel"] and Place(
        channel=row["channel"],
        user=row["user"],
        thread_ts=row["thread_ts"],
        response_url=row["response_url"],
        files=tuple(row["files"] or ()),
    )
    return Run(
        id=row["id"],
        invocation=Invocation(
            line=row["line"],
            actor=Actor(id=row["actor_id"], name=row["actor_name"]),
            origin=Origin(row["origin"]),
            at=row["created_at"],
            key=row["key"],
            place=place or None,
            token=row["token"],
            language=row["language"],
        ),
        command=row["command"],
        host=row["host"],
        lane=Lane(row["lane"]),
        status=Status(row["status"]),
        epoch=row["epoch"],
        released=row["released_at"] is not None,
        cancel_requested_by=row["cancel_requested_by"],
        plan=plan_from_json(row["plan"]),
        progress=progress_from_json(row["progress"]),
        reply=reply_from_json(row["reply"]),
        revision=row["revision"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
