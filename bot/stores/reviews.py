"""Reviews of what was done without approval, and the messages that alert its owners until somebody closed them.

A message is a run that was over when it was made: so the outbox brings it to Slack like any other, once. Knows no
API of Slack's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, insert, select, update

from bot.consent import Review
from bot.errors import Conflict
from bot.language import say
from bot.model import Actor, Invocation, Origin, Place, Reply
from bot.stores.audit import Audit, AuditEvent
from bot.stores.coding import storable
from bot.stores.database import Database
from bot.stores.ended import Ended, record_ended
from bot.stores.schema import reviews

EVERY = timedelta(days=1)
"""How often an open review is reminded of."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A review, and what its owners are told in which language."""

    review: Review
    reply: Reply
    language: str
    host: str


class Reviews:
    """The table of reviews."""

    def __init__(self, database: Database, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def of(self, run_id: str) -> Review | None:
        """The review of that run, open or closed."""
        with self._database.read() as connection:
            return _of(connection, run_id)

    def due(self) -> tuple[Review, ...]:
        """Those that are open and whose owners are to be reminded."""
        query = select(reviews).where(reviews.c.closed_at.is_(None), reviews.c.remind_at <= self._clock())
        with self._database.read() as connection:
            return tuple(_review(row) for row in connection.execute(query).mappings())

    def open(self, connection: Connection, alarm: Alarm) -> None:
        """A review begins with a message to each owner, in somebody's transaction."""
        review = alarm.review
        connection.execute(
            insert(reviews).values(
                run_id=review.run_id,
                person=review.person,
                actor_id=review.actor.id,
                actor_name=storable(review.actor.name),
                reason=storable(review.reason),
                roles=list(review.roles),
                owners=list(review.owners),
                opened_at=review.opened_at,
                remind_at=review.remind_at,
            )
        )
        self._tell(connection, alarm)

    def remind(self, alarm: Alarm, event: AuditEvent) -> None:
        """Tell the owners once more; nothing when somebody else did, or closed it."""
        review, now = alarm.review, self._clock()
        with self._database.write() as connection:
            done = connection.execute(
                update(reviews)
                .where(reviews.c.run_id == review.run_id, reviews.c.reminders == review.reminders)
                .where(reviews.c.closed_at.is_(None))
                .values(reminders=review.reminders + 1, remind_at=now + EVERY)
            )
            if done.rowcount == 1:
                self._tell(connection, alarm)
                self._audit.append(connection, event)

    def close(self, run_id: str, by: Actor, note: str, event: AuditEvent) -> None:
        """It was looked at; raises Conflict when it had been closed before."""
        with self._database.write() as connection:
            done = connection.execute(
                update(reviews)
                .where(reviews.c.run_id == run_id, reviews.c.closed_at.is_(None))
                .values(closed_at=self._clock(), closed_by=storable(by.name), note=storable(note))
            )
            if done.rowcount != 1:
                raise Conflict(
                    say(
                        "The review of run {run_id} was closed before. Nothing was changed.",
                        run_id=run_id,
                    )
                )
            self._audit.append(connection, event)

    def _tell(self, connection: Connection, alarm: Alarm) -> None:
        for owner in dict.fromkeys(alarm.review.owners):
            self._tell_one(connection, alarm, owner)

    def _tell_one(self, connection: Connection, alarm: Alarm, owner: str) -> None:
        review, now = alarm.review, self._clock()
        invocation = Invocation(
            line=f"alert {review.run_id}",
            actor=review.actor,
            origin=Origin.SCHEDULE,
            at=now,
            place=Place(channel=owner, user=review.actor.id),
            language=alarm.language,
        )
        ended = Ended(invocation=invocation, host=alarm.host, reply=alarm.reply)
        record_ended(connection, self._audit, ended, now)


def _of(connection: Connection, run_id: str) -> Review | None:
    row = connection.execute(select(reviews).where(reviews.c.run_id == run_id)).mappings().one_or_none()
    return None if row is None else _review(row)


def _review(row: RowMapping) -> Review:
    return Review(
        run_id=row["run_id"],
        person=row["person"],
        actor=Actor(id=row["actor_id"], name=row["actor_name"]),
        reason=row["reason"],
        roles=tuple(row["roles"]),
        owners=tuple(row["owners"]),
        opened_at=row["opened_at"],
        remind_at=row["remind_at"],
        reminders=row["reminders"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        note=row["note"],
    )
