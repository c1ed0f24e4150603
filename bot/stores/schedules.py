"""Schedules as they are stored: a command line, when it is due, whose it is, and how far its due times are dealt with.

The row is the truth; a timer only reads it. Knows no timer, and nothing of what the line does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import Conflict, NotFound
from bot.language import say
from bot.model import Actor
from bot.stores.coding import storable
from bot.stores.database import Database
from bot.stores.schema import schedules
from bot.when import When


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One schedule. `dealt_with_at` is the latest due time that was run or recorded as missed.

    `revision` grows with every change that people make, so that a timer with an old copy does not fire. It is
    `paused_by` somebody, or `suspended` because its owner may not any more: then this says why.
    """

    name: str
    line: str
    when: When
    owner: Actor
    language: str | None
    channel: str | None
    created_at: datetime
    dealt_with_at: datetime
    revision: int = 1
    paused_by: str | None = None
    suspended: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether it fires."""
        return self.paused_by is None and self.suspended is None

    def key(self, due_at: datetime) -> str:
        """What a due time's run is known by, however many processes and restarts see it."""
        return f"schedule:{self.name}:{int(due_at.timestamp())}"


class Schedules:
    """The table of schedules."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, schedule: Schedule) -> None:
        """Store a new one; raises Conflict when there is one of that name."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(schedules).values(**_columns(schedule)))
        except IntegrityError as error:
            raise Conflict(
                say(
                    "There is a schedule {name} already. It was not changed. Choose another name, or `unschedule {name}` first.",
                    name=schedule.name,
                )
            ) from error

    def all(self) -> tuple[Schedule, ...]:
        """Every one, by name."""
        with self._database.read() as connection:
            return tuple(
                map(_schedule, connection.execute(select(schedules).order_by(schedules.c.name)).mappings())
            )

    def get(self, name: str) -> Schedule:
        """The one of that name; raises NotFound."""
        with self._database.read() as connection:
            return _found(connection, name)

    def find(self, name: str) -> Schedule | None:
        """The one of that name, if there is one."""
        with self._database.read() as connection:
            row = (
                connection.execute(select(schedules).where(schedules.c.name == name)).mappings().one_or_none()
            )
            return None if row is None else _schedule(row)

    def revisions(self) -> dict[str, int]:
        """The revision of each that fires: what a timer compares itself with, cheaply."""
        query = select(schedules.c.name, schedules.c.revision).where(
            schedules.c.paused_by.is_(None), schedules.c.suspended.is_(None)
        )
        with self._database.read() as connection:
            return {name: revision for name, revision in connection.execute(query)}

    def pause(self, name: str, by: str) -> Schedule:
        """Let it not fire until it is resumed; raises NotFound, and Conflict when it is paused already."""
        with self._database.write() as connection:
            before = _found(connection, name)
            if before.paused_by is not None:
                raise Conflict(
                    say("Schedule {name} is paused already, by {by}.", name=name, by=before.paused_by)
                )
            return _changed(connection, before, paused_by=by)

    def resume(self, name: str) -> Schedule:
        """Let it fire again, from now on: what was due meanwhile is not made up for. Raises NotFound, Conflict."""
        with self._database.write() as connection:
            before = _found(connection, name)
            if before.is_on:
                raise Conflict(say("Schedule {name} is not paused. Nothing was changed.", name=name))
            now = self._clock()
            return _changed(connection, before, paused_by=None, suspended=None, dealt_with_at=now)

    def suspend(self, schedule: Schedule, why: str) -> bool:
        """Let it not fire because its owner may not any more; False when it was changed meanwhile."""
        with self._database.write() as connection:
            unchanged = (schedules.c.name == schedule.name, schedules.c.revision == schedule.revision)
            done = connection.execute(
                update(schedules).where(*unchanged).values(suspended=why, revision=schedule.revision + 1)
            )
            return done.rowcount == 1

    def remove(self, name: str) -> Schedule:
        """Forget it; its runs stay. Raises NotFound."""
        with self._database.write() as connection:
            before = _found(connection, name)
            connection.execute(delete(schedules).where(schedules.c.name == name))
            return before

    def deal_with(self, connection: Connection, schedule: Schedule, due_at: datetime) -> bool:
        """Mark a due time as dealt with, in the transaction that does so.

        False when somebody else did, or the schedule was changed, paused or removed since it was read.
        """
        done = connection.execute(
            update(schedules)
            .where(schedules.c.name == schedule.name, schedules.c.revision == schedule.revision)
            .where(schedules.c.dealt_with_at < due_at)
            .where(schedules.c.paused_by.is_(None), schedules.c.suspended.is_(None))
            .values(dealt_with_at=due_at)
        )
        return done.rowcount == 1


def _found(connection: Connection, name: str) -> Schedule:
    row = connection.execute(select(schedules).where(schedules.c.name == name)).mappings().one_or_none()
    if row is None:
        raise NotFound(
            say(
                "There is no schedule {name}. Nothing was changed. `schedules` lists what there is.",
                name=name,
            )
        )
    return _schedule(row)


def _changed(connection: Connection, before: Schedule, **values: object) -> Schedule:
    after = replace(before, revision=before.revision + 1, **values)  # type: ignore[arg-type]
    connection.execute(update(schedules).where(schedules.c.name == before.name).values(**_columns(after)))
    return after


def _columns(schedule: Schedule) -> dict[str, object]:
    when = schedule.when
    return {
        "name": schedule.name,
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
        created_at=row["created_at"],
        dealt_with_at=row["dealt_with_at"],
        revision=row["revision"],
        paused_by=row["paused_by"],
        suspended=row["suspended"],
    )
