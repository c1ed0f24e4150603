"""A database with a past: runs of a team of forty, one a minute, each with its entries, its message and its buttons.

It only fills tables, through the audit log's own door where seals are made. Must not know what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import insert

from bot.model import Actor, Origin, Plan, Reply, Status
from bot.stores.audit import Audit, AuditEvent
from bot.stores.coding import plan_to_json, reply_to_json
from bot.stores.database import Database
from bot.stores.runrow import Lane
from bot.stores.schedules import Schedule, _columns
from bot.stores.schema import buttons, journal, messages, runs, schedules
from bot.times.when import When

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
PEOPLE, VOLUMES = 40, 300
_BATCH = 2_000
_EVERY = timedelta(minutes=1)
_LOOKS = ("volumes", "runs --mine", "backups", "schedules", "whoami")


class Past:
    """Grows at its newer end, as a database does: run 0 came first. Its schedules are paused, so none fires."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.audit = Audit(database, mask=str)  # there is no secret in it
        self.runs = 0
        with database.write() as connection:
            connection.execute(insert(schedules), [_columns(_schedule(number)) for number in range(VOLUMES)])

    @property
    def now(self) -> datetime:
        """A minute after the newest run."""
        return BEGAN + _EVERY * self.runs

    def grow_to(self, count: int) -> None:
        """Until there are so many runs."""
        while self.runs < count:
            numbers = range(self.runs, min(count, self.runs + _BATCH))
            self._add(numbers)
            self.runs = numbers.stop
        if not self.database.is_sqlite:
            with self.database.write() as connection:
                connection.exec_driver_sql("ANALYZE")

    def _add(self, numbers: range) -> None:
        with self.database.write() as connection:
            connection.execute(insert(runs), list(map(a_run, numbers)))
            connection.execute(insert(messages), [_message(number) for number in numbers if _is_chat(number)])
            connection.execute(insert(buttons), [_button(number) for number in numbers if _works(number)])
            connection.execute(insert(journal), [_undo(number) for number in numbers if _works(number)])
            self.audit.append(connection, *(event for number in numbers for event in _events(number)))


def run_id(number: int) -> str:
    """Spread over all ids, as drawn ones are."""
    return f"{number * 2_654_435_761 % (1 << 32):08x}"


def key(number: int) -> str:
    """What the run's delivery is known by."""
    return f"slack:{number:012}"


def _works(number: int) -> bool:
    """Every other run changes something: a backup of a schedule, as a rule."""
    return number % 2 == 0


def _is_chat(number: int) -> bool:
    return number % 10 != 4


def _status(number: int) -> Status:
    if number % 50 == 0:
        return Status.FAILED
    return Status.REJECTED if number % 20 == 1 else Status.SUCCEEDED


def _actor(number: int) -> Actor:
    person = number // 2 % PEOPLE
    return Actor(id=f"U0{person:04d}", name=f"person{person}")


def _line(number: int) -> str:
    return f"backup volume{number // 2 % VOLUMES}" if _works(number) else _LOOKS[number // 2 % len(_LOOKS)]


def _at(number: int) -> datetime:
    return BEGAN + _EVERY * number


def _targets(number: int) -> tuple[str, ...]:
    return (f"volume:volume{number // 2 % VOLUMES}",) if _works(number) else ()


def a_run(number: int) -> dict[str, Any]:
    """Its row, over for long."""
    at, works, actor = _at(number), _works(number), _actor(number)
    return {
        "id": run_id(number),
        "key": key(number),
        "origin": (Origin.SCHEDULE if works else Origin.SLACK).value,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "line": _line(number),
        "command": _line(number).split()[0],
        "language": "en",
        "schedule": f"s{number // 2 % VOLUMES}" if works else None,
        "host": "local",
        "lane": (Lane.WORK if works else Lane.FRONT).value,
        "status": _status(number).value,
        "epoch": 1 + works,
        "owner": "bench:1",
        "released_at": at,
        "plan": _plan(_targets(number)) if works else None,
        "reply": _reply(_status(number), works=works),
        "revision": 4,
        "created_at": at,
        "started_at": at,
        "ended_at": at + timedelta(seconds=2 + number % 600 if works else 1),
    }


@cache
def _plan(targets: tuple[str, ...]) -> dict[str, Any]:
    return plan_to_json(Plan(text="Back up a volume, without a pause.", targets=targets))


@cache
def _reply(status: Status, *, works: bool) -> dict[str, Any]:
    reply = Reply(
        text="The backup is complete, and was read back: 12.3 MB in 4.2 s." if works else "Those.",
        facts={"raw_bytes": 12_345_678} if works else {},
        status=status,
    )
    return reply_to_json(reply)


def _schedule(number: int) -> Schedule:
    return Schedule(
        name=f"s{number}",
        line=_line(2 * number),
        when=When(text="daily", zone="UTC", cron=f"{number % 60} {number // 60} * * *"),
        owner=_actor(2 * number),
        language=None,
        channel=None,
        created_at=BEGAN,
        dealt_with_at=BEGAN,
        paused_by="bench",
    )


def _message(number: int) -> dict[str, Any]:
    return {
        "run_id": run_id(number),
        "channel": "C0OPS",
        "user": _actor(number).id,
        "posted_channel": "C0OPS",
        "ts": f"1700000000.{number:06}",
        "sent_revision": 4,
        "closed": True,
    }


def _button(number: int) -> dict[str, Any]:
    mine = run_id(number)
    return {
        "token": f"token{number:027}",
        "run_id": mine,
        "position": 0,
        "label": "Details",
        "line": f"details {mine}",
    }


def _undo(number: int) -> dict[str, Any]:
    return {
        "run_id": run_id(number),
        "host": "local",
        "verb": "remove_helper",
        "arguments": {"name": f"shipkeeper-{number}"},
        "written_at": _at(number),
        "settled_at": _at(number),
    }


def _events(number: int) -> Iterable[AuditEvent]:
    """One of what only looked, two of what changed something."""
    kinds = ("started", _status(number).value) if _works(number) else (_status(number).value,)
    for kind in kinds:
        yield AuditEvent(
            run_id=run_id(number),
            kind=kind,
            at=_at(number),
            actor=_actor(number),
            origin=Origin.SCHEDULE if _works(number) else Origin.SLACK,
            channel="C0OPS",
            command=_line(number).split()[0],
            line=_line(number),
            host="local",
            targets=_targets(number),
            detail="So it was.",
        )
