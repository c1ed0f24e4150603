"""Schedules as they are stored: a command line, when it is due, whose it is, and how far its due times are dealt with.

The row is the truth; a timer only reads it. Knows no timer, and nothing of what the line does.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import RowMapping, bindparam, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import Conflict, NotFound
from bot.language import say
from bot.model import Actor, Value
from bot.stores.audit import Audit, AuditEvent
from bot.stores.coding import storable
from bot.stores.database import Database, Transaction
from bot.stores.schema import schedules
from bot.times.when import When


class Kept(StrEnum):
    """Where a schedule is kept, and with that who may change it: people in chat, the settings, labels of Docker's."""

    CHAT = "chat"
    SETTINGS = "settings"
    LABEL = "label"


GRACE = timedelta(days=1)
"""How late a due time may be carried out, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One schedule. `dealt_with_at` is the latest due time that was run or recorded as missed.

    What is late by more than `grace` is not run any more. A run begins up to `jitter` after its due time, the same
    for every process. When it is `quiet`, people are told of its runs only if they do not succeed; after a backup it
    may `prune` what was backed up. `revision` grows with every change that people make, so that a timer with an old
    copy does not fire. It is `paused_by` somebody, or `suspended` because its owner may not any more: then this says
    why. Without a `channel` nobody is told.
    """

    name: str
    line: str
    when: When
    owner: Actor
    language: str | None
    channel: str | None
    created_at: datetime
    dealt_with_at: datetime
    kept: Kept = Kept.CHAT
    grace: timedelta = GRACE
    jitter: timedelta = timedelta(0)
    quiet: bool = False
    prune: bool = False
    revision: int = 1
    paused_by: str | None = None
    suspended: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether it fires."""
        return self.paused_by is None and self.suspended is None

    @property
    def facts(self) -> dict[str, Value]:
        """What the audit log keeps of it."""
        when, owner = self.when, self.owner.id
        return {
            "schedule": self.name,
            "when": when.text,
            "zone": when.zone,
            "owner": owner,
            "runs": self.line,
        }

    def key(self, due_at: datetime) -> str:
        """What a due time's run is known by, however many processes and restarts see it."""
        return f"schedule:{self.name}:{int(due_at.timestamp())}"


class Schedules:
    """The table of schedules. Every change that people make is written down in the audit log, or is not made."""

    def __init__(self, database: Database, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def add(self, schedule: Schedule, event: AuditEvent) -> None:
        """Store a new one; raises Conflict when there is one of that name."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(schedules).values(**_columns(schedule)))
                self._audit.append(connection, event)
        except IntegrityError as error:
            raise Conflict(
                say(
                    "There is a schedule {name} already. It was not changed. Choose another name, or remove that one "
                    "first: `unschedule {name}`.",
                    name=schedule.name,
                )
            ) from error

    def put(self, schedule: Schedule, event: AuditEvent) -> None:
        """Store it, whether or not there is one of that name, which is changed then."""
        with self._database.write() as connection:
            before = _row(connection, schedule.name)
            if before is None:
                connection.execute(insert(schedules).values(**_columns(schedule)))
            else:
                values = _columns(replace(schedule, revision=before["revision"] + 1))
                connection.execute(
                    update(schedules).where(schedules.c.name == schedule.name).values(**values)
                )
            self._audit.append(connection, event)

    def all(self) -> tuple[Schedule, ...]:
        """Every one, by name."""
        query = select(schedules).order_by(schedules.c.name)
        with self._database.read() as connection:
            return tuple(map(_schedule, connection.execute(query).mappings()))

    def get(self, name: str) -> Schedule:
        """The one of that name; raises NotFound with the nearest name."""
        with self._database.read() as connection:
            return _found(connection, name)

    def find(self, name: str) -> Schedule | None:
        """The one of that name, if there is one."""
        with self._database.read() as connection:
            row = _row(connection, name)
        return None if row is None else _schedule(row)

    def revisions(self) -> dict[str, int]:
        """The revision of each that fires: what a timer compares itself with, cheaply."""
        query = select(schedules.c.name, schedules.c.revision).where(
            schedules.c.paused_by.is_(None), schedules.c.suspended.is_(None)
        )
        with self._database.read() as connection:
            return {name: revision for name, revision in connection.execute(query)}

    def states(self) -> dict[str, int]:
        """How many are `on`, `paused` and `suspended`; who is both counts as suspended."""
        state = case(
            (schedules.c.suspended.is_not(None), "suspended"),
            (schedules.c.paused_by.is_not(None), "paused"),
            else_="on",
        )
        query = select(state, func.count()).group_by(state)
        with self._database.read() as connection:
            return {name: count for name, count in connection.execute(query)}

    def pause(self, name: str, by: Actor, event: AuditEvent) -> Schedule:
        """Let it not fire until it is resumed; raises NotFound, and Conflict when it is paused already."""
        with self._database.write() as connection:
            before = _found(connection, name)
            if before.paused_by is not None:
                raise Conflict(
                    say(
                        "Schedule {name} is paused already, by {by}. Nothing was changed.",
                        name=name,
                        by=before.paused_by,
                    )
                )
            return self._changed(connection, before, event, paused_by=by.name)

    def resume(self, name: str, event: AuditEvent) -> Schedule:
        """Let it fire again, from now on: what was due meanwhile is not made up for. Raises NotFound, Conflict."""
        with self._database.write() as connection:
            before = _found(connection, name)
            if before.is_on:
                raise Conflict(say("Schedule {name} is not paused. Nothing was changed.", name=name))
            now = self._clock()
            return self._changed(connection, before, event, paused_by=None, suspended=None, dealt_with_at=now)

    def remove(self, name: str, event: AuditEvent) -> Schedule:
        """Forget it; its runs stay. Raises NotFound."""
        with self._database.write() as connection:
            before = _found(connection, name)
            connection.execute(delete(schedules).where(schedules.c.name == name))
            self._audit.append(connection, event)
            return before

    def suspend(self, connection: Transaction, schedule: Schedule, why: str) -> bool:
        """Let it not fire because its owner may not any more; False when it was changed meanwhile."""
        done = connection.execute(
            update(schedules)
            .where(schedules.c.name == schedule.name, schedules.c.revision == schedule.revision)
            .where(schedules.c.suspended.is_(None))
            .values(suspended=why, revision=schedule.revision + 1)
        )
        return done.rowcount == 1

    def _changed(
        self, connection: Transaction, before: Schedule, event: AuditEvent, **values: object
    ) -> Schedule:
        after = replace(before, revision=before.revision + 1, **values)  # type: ignore[arg-type]
        connection.execute(update(schedules).where(schedules.c.name == before.name).values(**_columns(after)))
        self._audit.append(connection, event)
        return after

    def deal_with(self, connection: Transaction, schedule: Schedule, due_at: datetime) -> bool:
        """Mark a due time as dealt with, in the transaction that does so.

        False when somebody else did, or the schedule was changed, paused or removed since it was read.
        """
        before = {"of": schedule.name, "seen": schedule.revision, "dealt_with": schedule.dealt_with_at}
        done = connection.execute(_DEAL, {**before, "due": due_at})
        return done.rowcount == 1


_DEAL = (
    update(schedules)
    .where(schedules.c.name == bindparam("of"), schedules.c.revision == bindparam("seen"))
    .where(schedules.c.dealt_with_at == bindparam("dealt_with"), schedules.c.dealt_with_at < bindparam("due"))
    .where(schedules.c.paused_by.is_(None), schedules.c.suspended.is_(None))
    .values(dealt_with_at=bindparam("due"))
)
_BY_NAME = select(schedules).where(schedules.c.name == bindparam("name"))


def _row(connection: Transaction, name: str) -> RowMapping | None:
    return connection.execute(_BY_NAME, {"name": name}).mappings().one_or_none()


def _found(connection: Transaction, name: str) -> Schedule:
    row = _row(connection, name)
    if row is None:
        known = connection.execute(select(schedules.c.name)).scalars().all()
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = say("Did you mean {name}?", name=near[0]) if near else say("`schedules` lists what there is.")
        raise NotFound(say("There is no schedule {name}. Nothing was changed. {hint}", name=name, hint=hint))
    return _schedule(row)


def _columns(schedule: Schedule) -> dict[str, object]:
    when = schedule.when
    return {
        "name": schedule.name,
        "source": schedule.kept.value,
        "line": storable(schedule.line),
        "words": storable(when.text),
        "cron": when.cron,
        "every_seconds": int(when.every.total_seconds()) if when.every else None,
        "anchor_at": when.anchor,
        "zone": when.zone,
        "owner_id": schedule.owner.id,
        "owner_name": storable(schedule.owner.name),
        "language": schedule.language,
        "channel": schedule.channel,
        "grace_seconds": int(schedule.grace.total_seconds()),
        "jitter_seconds": int(schedule.jitter.total_seconds()),
        "quiet": schedule.quiet,
        "prune": schedule.prune,
        "created_at": schedule.created_at,
        "dealt_with_at": schedule.dealt_with_at,
        "revision": schedule.revision,
        "paused_by": schedule.paused_by,
        "suspended": schedule.suspended,
    }


def _schedule(row: RowMapping) -> Schedule:
    when = When(
        text=row["words"],
        zone=row["zone"],
        cron=row["cron"],
        every=None if row["every_seconds"] is None else timedelta(seconds=row["every_seconds"]),
        anchor=row["anchor_at"],
    )
    return Schedule(
        name=row["name"],
        line=row["line"],
        when=when,
        owner=Actor(id=row["owner_id"], name=row["owner_name"]),
        language=row["language"],
        channel=row["channel"],
        kept=Kept(row["source"]),
        grace=timedelta(seconds=row["grace_seconds"]),
        jitter=timedelta(seconds=row["jitter_seconds"]),
        quiet=row["quiet"],
        prune=row["prune"],
        created_at=row["created_at"],
        dealt_with_at=row["dealt_with_at"],
        revision=row["revision"],
        paused_by=row["paused_by"],
        suspended=row["suspended"],
    )
