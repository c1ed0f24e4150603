"""Which files of replies people must still get by Slack, and how far each is. Knows nothing of Slack's own API.

A file goes after the message that tells its run's result. Sending is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Integer, RowMapping, Select, bindparam, case, insert, or_, select, update

from bot.model import Attachment
from bot.stores.database import Database
from bot.stores.outgoing import KEPT_FOR
from bot.stores.runrow import PLACE, Run, run_of
from bot.stores.schema import messages, runs, uploads


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file on its way: where its run's message stands (`ts` None: nowhere), and what was tried already.

    `file_id` is what Slack calls it once all its bytes are there; `sharing_since` is set when it was asked to be
    shared, in `channel` and `thread_ts`, and no answer came: it may, or may not, be there.
    """

    run: Run
    position: int
    file: Attachment
    message_channel: str
    message_ts: str | None
    file_id: str | None
    channel: str | None
    thread_ts: str | None
    sharing_since: datetime | None
    looks: int
    attempts: int


def offer_files(connection: Connection, run_id: str, files: tuple[Attachment, ...], at: datetime) -> None:
    """Note, in the transaction of the run's ending, that its files are to go to Slack, if it was asked there."""
    asked = select(messages.c.run_id).where(messages.c.run_id == run_id)
    if not files or connection.execute(asked).one_or_none() is None:
        return
    for position, file in enumerate(files):
        connection.execute(
            insert(uploads).values(
                run_id=run_id,
                position=position,
                name=file.name,
                size=file.size,
                sha256=file.sha256,
                created_at=at,
            )
        )


@cache  # it is asked all the time: made once, it is neither made nor compiled again
def _due(is_last: bool) -> Select[tuple[object, ...]]:
    is_told = or_(messages.c.closed.is_(True), messages.c.sent_revision >= runs.c.revision)
    query = (
        select(runs, *PLACE, messages.c.posted_channel, messages.c.ts, *_COLUMNS)
        .join(messages, messages.c.run_id == runs.c.id)
        .join(uploads, uploads.c.run_id == runs.c.id)
        .where(uploads.c.closed.is_(False), is_told, uploads.c.created_at > bindparam("oldest"))
        .order_by(case((uploads.c.attempts == 0, 0), else_=1), runs.c.created_at, uploads.c.position)
        .limit(bindparam("limit", type_=Integer))
    )
    is_time = or_(uploads.c.not_before.is_(None), uploads.c.not_before <= bindparam("now"))
    return query if is_last else query.where(is_time)


class Uploads:
    """Which files are still to be sent, and what became of sending them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def due(self, limit: int, *, is_last: bool = False) -> tuple[Upload, ...]:
        """Files to send now, oldest first: of runs whose result was told, or never can be.

        When it `is_last`, for the bot ends, they do not wait for their time.
        """
        now = self._clock()
        asked = {"now": now, "oldest": now - KEPT_FOR, "limit": limit}
        with self._database.read() as connection:
            return tuple(_upload(row) for row in connection.execute(_due(is_last), asked).mappings())

    def is_wanted(self, run_id: str, sha256: str) -> bool:
        """Whether somebody is still to get that file."""
        query = select(uploads.c.run_id).where(
            uploads.c.run_id == run_id, uploads.c.sha256 == sha256, uploads.c.closed.is_(False)
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).one_or_none() is not None

    def open_ones(self) -> tuple[str, ...]:
        """Ids of runs with a file that somebody is still to get."""
        with self._database.read() as connection:
            query = select(uploads.c.run_id).where(uploads.c.closed.is_(False))
            return tuple(connection.execute(query).scalars())

    def bytes_are_there(self, upload: Upload, file_id: str) -> None:
        """Slack has all bytes, under that id, and nobody sees them yet."""
        self._set(upload, file_id=file_id, channel=None, thread_ts=None, sharing_since=None, looks=0)

    def begin_sharing(self, upload: Upload, channel: str, thread_ts: str | None) -> None:
        """It is about to be shared there; from now on it may be there unknown to us."""
        self._set(upload, channel=channel, thread_ts=thread_ts, sharing_since=self._clock(), looks=0)

    def not_shared(self, upload: Upload) -> None:
        """Slack answered that it did not share it; its bytes are still there."""
        self._set(upload, sharing_since=None, looks=0)

    def looked(self, upload: Upload, wait: timedelta) -> None:
        """It was looked for in vain once more; look again after that time."""
        self._set(upload, looks=uploads.c.looks + 1, not_before=self._clock() + wait)

    def begin_again(self, upload: Upload) -> None:
        """Slack does not have the bytes any more: everything from the start."""
        self._set(upload, file_id=None, channel=None, thread_ts=None, sharing_since=None, looks=0)

    def redirect(self, upload: Upload, channel: str) -> None:
        """It cannot be shared where its run is told: it goes to that conversation instead."""
        self._set(upload, channel=channel, thread_ts=None, sharing_since=None, looks=0)

    def later(self, upload: Upload, wait: timedelta, error: str | None = None) -> None:
        """It could not be sent now; try again after that time."""
        attempts = uploads.c.attempts + (0 if error is None else 1)
        self._set(upload, not_before=self._clock() + wait, attempts=attempts, error=error)

    def done(self, upload: Upload, error: str | None = None) -> None:
        """People have it; or, with an error, can never get it, and the record keeps why."""
        self._set(upload, closed=True, error=error)

    def give_up_old(self) -> None:
        """Close what could not be sent in a week: its bytes are about to be removed."""
        with self._database.write() as connection:
            connection.execute(
                update(uploads)
                .where(uploads.c.closed.is_(False), uploads.c.created_at <= self._clock() - KEPT_FOR)
                .values(closed=True)
            )

    def _set(self, upload: Upload, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(uploads)
                .where(uploads.c.run_id == upload.run.id, uploads.c.position == upload.position)
                .values(**values)
            )


_COLUMNS = tuple(
    column.label(f"upload_{column.name}") for column in uploads.columns if column.name != "run_id"
)


def _upload(value: RowMapping) -> Upload:
    run = run_of(value)
    file = Attachment(name=value["upload_name"], size=value["upload_size"], sha256=value["upload_sha256"])
    alt = (
        next((one.alt for one in run.reply.attachments if one.sha256 == file.sha256), "") if run.reply else ""
    )
    return Upload(
        run=run,
        position=value["upload_position"],
        file=replace(file, alt=alt),
        message_channel=value["posted_channel"] or value["channel"],
        message_ts=value["ts"],
        file_id=value["upload_file_id"],
        channel=value["upload_channel"],
        thread_ts=value["upload_thread_ts"],
        sharing_since=value["upload_sharing_since"],
        looks=value["upload_looks"],
        attempts=value["upload_attempts"],
    )
