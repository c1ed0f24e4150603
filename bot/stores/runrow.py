"""One run as it lies in the table: its nouns, and how a row becomes one. Reads and writes nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, func, literal, or_, select

from bot.errors import NotFound
from bot.language import say
from bot.model import Actor, Invocation, Origin, Outcome, Place, Plan, Progress, Reply, Status
from bot.stores.coding import plan_from_json, progress_from_json, reply_from_json
from bot.stores.schema import messages, runs

PLACE = tuple(messages.c[name] for name in ("channel", "user", "thread_ts", "response_url", "files"))
"""What `run_of` needs beside the run."""


OPEN = (Status.QUEUED.value, Status.WAITING.value, Status.RUNNING.value)
"""How runs stand that are not over."""


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
    def about(self) -> tuple[str, ...]:
        """What roles are asked for of who is to know of it: what they were asked for when it began, which may be more
        than it holds. Before it is planned nobody knows, so that is everything."""
        plan = self.plan
        return (plan.about or plan.targets if plan else ()) or ("*",)

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


@cache  # it is made of forty columns, and nearly every look at runs begins with it
def run_query() -> Select[tuple[object, ...]]:
    """Runs, each with its place in Slack, if it has one."""
    return select(runs, *PLACE).outerjoin(messages, messages.c.run_id == runs.c.id)


def is_due_time() -> ColumnElement[bool]:
    """Not what prunes after a run of a schedule."""
    prefix = literal("schedule:") + runs.c.schedule + ":prune:"
    return or_(runs.c.key.is_(None), func.substr(runs.c.key, 1, func.length(prefix)) != prefix)


_UNDER_WAY = (
    run_query()
    # As an expression, or SQLite would go through all runs of the schedule instead of the few that are not over.
    .where(runs.c.schedule.concat("") == bindparam("schedule"), runs.c.status.in_(OPEN), is_due_time())
    .order_by(runs.c.created_at.desc(), runs.c.id)
    .limit(1)
)
# Statements that every run needs are made once, here and elsewhere: making one costs as much as carrying it out.

_BY_ID = run_query().where(runs.c.id == bindparam("id"))


def under_way(connection: Connection, schedule: str) -> Run | None:
    """The newest run of that schedule that is not over, but for what prunes after one."""
    row = connection.execute(_UNDER_WAY, {"schedule": schedule}).mappings().one_or_none()
    return None if row is None else run_of(row)


def get_run(connection: Connection, run_id: str) -> Run:
    """The run of that id, as this transaction sees it; raises NotFound."""
    row = connection.execute(_BY_ID, {"id": run_id}).mappings().one_or_none()
    if row is None:
        sentence = say(
            "There is no run {run_id}. Nothing was changed. `runs` lists the newest ones.", run_id=run_id
        )
        raise NotFound(sentence)
    return run_of(row)


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
            schedule=row["schedule"],
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
