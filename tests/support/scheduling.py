"""Schedules for tests: made without a command, put into a house whose clock only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import handlers
from bot.app import App, build
from bot.command import Command
from bot.engine import Engine
from bot.model import Actor, Origin, Status
from bot.stores.audit import AuditEvent
from bot.stores.runrow import Run
from bot.stores.schedules import Schedule
from bot.times.when import When, by_cron
from tests.support.house import settings

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
SHELL = Actor(id="cli:tester", name="tester")
ANN = Actor(id="U0ANN", name="ann")


def hourly(zone: str = "UTC") -> When:
    """Due whenever an hour begins."""
    return by_cron("0 * * * *", zone)


def a_schedule(name: str = "hourly", when: When | None = None, **changes: object) -> Schedule:
    """A schedule of a shell user, made at `NOW`, or whatever `changes` makes of it."""
    made = Schedule(
        name=name,
        line="volumes",
        when=when or hourly(),
        owner=SHELL,
        language=None,
        channel=None,
        created_at=NOW,
        dealt_with_at=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def event_of(schedule: Schedule) -> AuditEvent:
    """What the audit log says of a schedule that was made."""
    return AuditEvent(
        run_id="",
        kind="schedule",
        at=schedule.created_at,
        actor=schedule.owner,
        origin=Origin.CLI,
        channel=None,
        command="schedule",
        line=schedule.line,
        host="local",
        detail="made",
    )


class Clock:
    """A clock that only the test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """What it shows."""
        return self.now

    def go(self, **length: float) -> None:
        """Let time pass, or go back."""
        self.now += timedelta(**length)


class Planned:
    """An app that does not execute, with schedules that are looked at when the test says so."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app = app
        self.clock = clock

    def add(self, schedule: Schedule) -> Schedule:
        """Store it."""
        self.app.services.schedules.add(schedule, event_of(schedule))
        return schedule

    def look(self, name: str = "hourly") -> bool:
        """Look at it, as the timer does."""
        return self.app.scheduler.look(name)

    def runs(self, name: str = "hourly") -> list[Run]:
        """All runs of the schedule, by due time."""
        found = [
            run for run in self.app.services.runs.newest(limit=10_000) if run.invocation.schedule == name
        ]
        return sorted(found, key=lambda run: run.invocation.key or "")

    def by_status(self, name: str = "hourly") -> dict[Status, int]:
        """How many of them stand where."""
        found: dict[Status, int] = {}
        for run in self.runs(name):
            found[run.status] = found.get(run.status, 0) + 1
        return found

    def end(self, run: Run, status: Status = Status.CANCELLED) -> None:
        """Let a run that nobody claimed be over."""
        self.app.dispatcher._endings.end_unclaimed(run, status, "It is over.")

    def told(self) -> list[Run]:
        """Runs whose ending is to be told in Slack."""
        return [message.run for message in self.app.outbox.behind(1000) if message.run.status.is_ending]


@contextmanager
def planned(
    state: Path,
    engine: Engine,
    *,
    toml: str,
    change: Callable[[App], App] = lambda app: app,
    commands: Mapping[str, Command] | None = None,
    clock: Clock | None = None,
) -> Iterator[Planned]:
    """A house over that state directory whose clock stands still."""
    clock = clock or Clock()
    made = settings(state, toml=toml)
    app = change(build(made, commands or handlers.load(), engines={"local": engine}, clock=clock))
    try:
        yield Planned(app, clock)
    finally:
        app.end()
