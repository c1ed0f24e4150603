"""Schedules for tests: made without a command, and runs that came of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.app import App
from bot.model import Actor, Invocation, Origin, Place, Reply, Status
from bot.stores.auditrows import AuditEvent
from bot.stores.ended import Ended, record_ended
from bot.stores.runs import Terms
from bot.stores.schedules import Schedule
from bot.times.words import found

ANN = Actor(id="U0ANN", name="ann")
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def event_of(line: str, kind: str = "schedule", by: Actor = ANN) -> AuditEvent:
    """What the audit log says of a change of a schedule."""
    return AuditEvent(
        run_id="", kind=kind, at=BEGAN, actor=by, origin=Origin.CLI, channel=None, command="schedule",
        line=line, host="",
    )  # fmt: skip


def scheduled(name: str, line: str, words: str = "daily at 03:00", **changes: object) -> Schedule:
    """A schedule of Ann's."""
    when, _ = found(words.split(), "UTC", BEGAN)
    made = Schedule(
        name=name, line=line, when=when, owner=ANN, language="en", channel="C0OPS", created_at=BEGAN,
        dealt_with_at=BEGAN,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def put(app: App, schedule: Schedule) -> Schedule:
    """Store it."""
    app.services.schedules.put(schedule, event_of(schedule.line))
    return schedule


def due(schedule: Schedule, at: datetime) -> Invocation:
    """What a due time of it becomes."""
    owner = schedule.owner
    return Invocation(
        line=schedule.line, actor=owner, origin=Origin.SCHEDULE, at=at, key=schedule.key(at),
        place=Place(channel=schedule.channel, user=owner.id) if schedule.channel else None,
        language=schedule.language, schedule=schedule.name,
    )  # fmt: skip


def waiting(app: App, name: str, begins_at: datetime) -> str:
    """A due time of it became a run that does not begin before then; its id."""
    schedule = app.services.schedules.get(name)
    terms = Terms(host="local", released=True, not_before=begins_at)
    return app.services.runs.take_in(due(schedule, begins_at), terms)[0]


def missed(app: App, schedule: Schedule, at: datetime) -> None:
    """A due time of it that nothing came of."""
    reply = Reply(text=f"{schedule.name} was missed.", status=Status.MISSED)
    with app.database.write() as connection:
        made = Ended(invocation=due(schedule, at), host="local", reply=reply)
        record_ended(connection, app.services.audit, made, at)
