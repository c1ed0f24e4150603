"""What people must still be told: one message a run, and its buttons. Knows nothing of Slack's own API.

A message is behind when the run's revision is newer than the one that was sent. Sending is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Integer, Select, and_, bindparam, case, literal, or_, select, update

from bot.consent import Approval
from bot.errors import Conflict, NotFound
from bot.language import say
from bot.model import Origin, Status
from bot.stores.approvals import approval_of
from bot.stores.database import Database
from bot.stores.runrow import Lane, Run, run_of
from bot.stores.schema import buttons, messages, runs

AS_HOPED = (Status.QUEUED.value, Status.RUNNING.value, Status.SUCCEEDED.value)
"""What people are not told of a run that is to be quiet."""


@dataclass(frozen=True, kw_only=True)
class StoredButton:
    """A button as people may press it: its token stands for the command line, once.

    It belongs to the message of a run, or to somebody's Home page, and then has no `run_id`.
    """

    token: str
    run_id: str | None
    label: str
    line: str
    danger: bool
    files: tuple[str, ...] = ()
    """Ids of the files that came with the command under whose answer it stands."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """The one message of a run: where it stands or is to stand, and what it must say now.

    `posting_since` is set when a post was begun whose answer never came: it may, or may not, be there.
    """

    run: Run
    channel: str
    thread_ts: str | None
    ts: str | None
    posting_since: datetime | None
    attempts: int
    buttons: tuple[StoredButton, ...]
    was_sent: bool
    """Whether people saw the run in some former state."""
    asked: Approval | None = None
    """What approval it waits for, while it does."""


def _spent(button: str, run_id: str | None) -> str:
    """Why a button does nothing any more."""
    if run_id is None:
        return say("The button {button} came too late. This press changed nothing.", button=button)
    return say(
        "The button {button} was pressed already, by run {run_id}. This press changed nothing.",
        button=button,
        run_id=run_id,
    )


@cache  # it is asked all the time: made once, it is neither made nor compiled again
def _behind(is_last: bool) -> Select[tuple[object, ...]]:
    is_due = or_(messages.c.not_before.is_(None), messages.c.not_before <= bindparam("now"))
    if is_last:
        is_due = or_(is_due, runs.c.ended_at.is_not(None))
    return (
        select(runs, messages)
        .join(messages, messages.c.run_id == runs.c.id)
        .where(messages.c.closed.is_(False), messages.c.sent_revision < runs.c.revision)
        .where(is_due)
        .where(or_(messages.c.quiet.is_(False), runs.c.status.not_in(AS_HOPED)))
        .where(or_(runs.c.lane == Lane.WORK.value, runs.c.ended_at.is_not(None)))
        .order_by(
            case((runs.c.ended_at.is_(None), 1), else_=0),
            # Hundreds of schedules may end at once in one channel, which takes a message a second.
            case((runs.c.origin == Origin.SCHEDULE.value, 1), else_=0),
            runs.c.created_at,
        )
        .limit(bindparam("limit", type_=Integer))
    )


class Outbox:
    """Which messages are behind, and what became of sending them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def behind(self, limit: int, *, is_last: bool = False) -> tuple[Message, ...]:
        """Messages to send now, results before progress, oldest first; nothing that is still being decided.

        When it `is_last`, for the bot ends, results do not wait for their time.
        """
        with self._database.read() as connection:
            asked_for = {"now": self._clock(), "limit": limit}
            rows = connection.execute(_behind(is_last), asked_for).mappings().all()
            if not rows:
                return ()
            offered: dict[str, list[StoredButton]] = {row["id"]: [] for row in rows}
            asked = {
                row["id"]: approval_of(connection, row["id"])
                for row in rows
                if row["status"] == Status.WAITING.value
            }
            unused = (
                select(buttons)
                .where(buttons.c.run_id.in_(list(offered)), buttons.c.used_at.is_(None))
                .order_by(buttons.c.position)
            )
            for row in connection.execute(unused):
                offered[row.run_id].append(
                    StoredButton(
                        token=row.token, run_id=row.run_id, label=row.label, line=row.line, danger=row.danger
                    )
                )
        return tuple(
            Message(
                run=run_of(row),
                channel=row["posted_channel"] or row["channel"],
                thread_ts=row["thread_ts"] if row["posted_channel"] in (None, row["channel"]) else None,
                ts=row["ts"],
                posting_since=row["posting_since"],
                attempts=row["attempts"],
                buttons=tuple(offered[row["id"]]),
                was_sent=row["sent_revision"] >= 0,
                asked=asked.get(row["id"]),
            )
            for row in rows
        )

    def begin_post(self, run_id: str) -> None:
        """A new message is about to be posted; from the first try on it may be there unknown to us."""
        with self._database.write() as connection:
            connection.execute(
                update(messages)
                .where(messages.c.run_id == run_id, messages.c.posting_since.is_(None))
                .values(posting_since=self._clock())
            )

    def not_posted(self, run_id: str) -> None:
        """Slack answered that it did not take the message."""
        self._set(run_id, posting_since=None)

    def posted(self, run_id: str, channel: str, ts: str) -> None:
        """The message is there, and can be edited from now on."""
        self._set(run_id, posted_channel=channel, ts=ts, posting_since=None)

    def sent(self, run: Run, not_before: datetime | None = None) -> None:
        """People see the run as it was at this revision; nothing further before that time."""
        newest = select(runs.c.revision).where(runs.c.id == run.id).scalar_subquery()
        self._set(
            run.id,
            sent_revision=run.revision,
            attempts=0,
            error=None,
            not_before=not_before,
            closed=and_(literal(run.status.is_ending), newest == run.revision),
        )

    def later(self, run_id: str, wait: timedelta, error: str | None = None) -> None:
        """It could not be sent now; try again after that time."""
        with self._database.write() as connection:
            connection.execute(
                update(messages)
                .where(messages.c.run_id == run_id)
                .values(
                    not_before=self._clock() + wait,
                    attempts=messages.c.attempts + (0 if error is None else 1),
                    error=error,
                )
            )

    def hurry(self) -> None:
        """A bot begins afresh: what its forerunner failed to send is tried now, not when that one would have."""
        with self._database.write() as connection:
            connection.execute(
                update(messages)
                .where(messages.c.closed.is_(False), messages.c.attempts > 0)
                .values(not_before=None, attempts=0)
            )

    def redirect(self, run_id: str, channel: str) -> None:
        """It cannot be said where it was asked: say it there instead, from now on."""
        self._set(run_id, posted_channel=channel, ts=None, posting_since=None)

    def repost(self, run_id: str) -> None:
        """The message is gone, or can no longer be edited: the next one is new."""
        self._set(run_id, ts=None, posting_since=None)

    def give_up(self, run: Run, error: str, not_before: datetime) -> None:
        """This can never be sent; the record keeps why. What a run comes to is tried all the same, then."""
        self._set(
            run.id,
            closed=run.status.is_ending,
            sent_revision=run.revision,
            error=error,
            not_before=not_before,
        )

    def button(self, token: str) -> StoredButton:
        """What a pressed button stands for; raises NotFound for one that never was."""
        with self._database.read() as connection:
            of = select(buttons, messages.c.files).outerjoin(messages, messages.c.run_id == buttons.c.run_id)
            row = connection.execute(of.where(buttons.c.token == token)).one_or_none()
        if row is None:
            raise NotFound(
                say("That button is not one of mine any more. Nothing was changed. Type the command.")
            )
        return StoredButton(
            token=row.token,
            run_id=row.run_id,
            label=row.label,
            line=row.line,
            danger=row.danger,
            files=tuple(row.files or ()),
        )

    def use_button(self, token: str, *, by: str, run_id: str) -> None:
        """Consume it by compare-and-set; raises Conflict when it was used, or its time is over."""
        with self._database.write() as connection:
            done = connection.execute(
                update(buttons)
                .where(buttons.c.token == token, buttons.c.used_at.is_(None))
                .values(used_at=self._clock(), used_by=by, used_run=run_id)
            )
            row = connection.execute(select(buttons).where(buttons.c.token == token)).one()
            if done.rowcount != 1 and row.used_run != run_id:
                raise Conflict(_spent(row.label, row.used_run))
            connection.execute(
                update(runs).where(runs.c.id == row.run_id).values(revision=runs.c.revision + 1)
            )
            connection.execute(update(messages).where(messages.c.run_id == row.run_id).values(closed=False))

    def give_back_button(self, token: str, *, run_id: str) -> None:
        """The run that consumed it was refused and did nothing: others may press it."""
        with self._database.write() as connection:
            connection.execute(
                update(buttons)
                .where(buttons.c.token == token, buttons.c.used_run == run_id)
                .values(used_at=None, used_by=None, used_run=None)
            )
            offered = select(buttons.c.run_id).where(buttons.c.token == token).scalar_subquery()
            connection.execute(update(runs).where(runs.c.id == offered).values(revision=runs.c.revision + 1))
            connection.execute(update(messages).where(messages.c.run_id == offered).values(closed=False))

    def _set(self, run_id: str, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(update(messages).where(messages.c.run_id == run_id).values(**values))
