"""The built house with a clock that only the test moves, a watch that looks every minute, and what it told.

Everything is real but Docker and the clock. Schedules fire when the test says so: it plays the timer's part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import handlers
from bot.app import App, build
from bot.engine import Engine
from bot.model import Actor, Invocation, Origin, Outcome, Status
from bot.permissions import Rules
from bot.settings import Settings
from bot.stores.audit import AuditEvent
from bot.stores.schedules import Schedule
from bot.stores.schema import messages, runs
from bot.times.words import found
from tests.fakes import FakeEngine
from tests.support.house import House, settings
from tests.support.people import FakePeople

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
OWNER = Actor(id="U0ANN", name="ann")
CHANNEL = "C0ALARM"
TOML = """
[roles.operators]
members = ["U0ANN", "U0ADA"]
right = "admin"
[alarms]
channel = "C0ALARM"
max_age_hours = 26
"""


@dataclass(frozen=True)
class Said:
    """One message in the channel."""

    at: datetime
    is_over: bool
    text: str
    buttons: int


class Watch:
    """A house whose alarms are looked for."""

    def __init__(self, state: Path, *, toml: str = TOML, database: str = "") -> None:
        self.now = START
        self.timer_lives = True
        self.people = FakePeople()
        for user in ("U0ANN", "U0EVE"):
            self.people.put(user)
        self.engine = FakeEngine()
        self.engine.add_volume("pgdata", {"a": b"rows" * 1000, "b": b"2"})
        self.engines: dict[str, Engine] = {"local": self.engine}
        environment = {"SHIPKEEPER_DATABASE_URL": database} if database else {}
        self.settings: Settings = settings(state, toml=toml, **environment)
        self.toml = toml
        self.app: App = self.built()

    def clock(self) -> datetime:
        """The moment that the test says it is."""
        return self.now

    def built(self, engines: Mapping[str, Engine] | None = None) -> App:
        """A process's rooms, which do not execute yet."""
        with pytest.MonkeyPatch.context() as slack:
            slack.setattr("bot.app.people", lambda *_: self.people)
            app = build(self.settings, handlers.load(), engines=engines or self.engines, clock=self.clock)
        app.alarms.watch_timer(lambda: self.timer_lives)
        return app

    def begin(self) -> House:
        """Execute runs from now on."""
        assert self.app.sole.take("serve")
        self.app.begin()
        return House(self.app)

    def restart(self) -> None:
        """End the process, and begin another one that knows nothing but the database."""
        self.app.end()
        self.app = self.built()
        self.begin()

    def take_role(self) -> None:
        """From now on nobody has any role."""
        self.app.services.policy.replace(Rules(roles=(), shell_users={}))

    def later(self, *, minutes: int = 0, hours: int = 0, every: int = 1) -> None:
        """Let time pass, looking every so many minutes."""
        left = minutes + 60 * hours
        while left > 0:
            step = min(every, left)
            self.now += timedelta(minutes=step)
            left -= step
            self.app.alarms.look()

    def back_up(self, line: str = "backup pgdata") -> Outcome:
        """Somebody backs it up by hand."""
        return House(self.app).say(Invocation(line=line, actor=OWNER, origin=Origin.SLACK, at=self.now))

    def schedule(
        self, words: str = "daily at 03:00 backup pgdata", name: str = "nightly", owner: Actor = OWNER
    ) -> Schedule:
        """Store one."""
        when, rest = found(words.split(), "UTC", self.now)
        made = Schedule(
            name=name,
            line=" ".join(rest),
            when=when,
            owner=owner,
            language=None,
            channel="C0OPS",
            created_at=self.now,
            dealt_with_at=self.now,
        )
        self.app.services.schedules.add(made, self.event("schedule", name))
        return made

    def event(self, kind: str, name: str) -> AuditEvent:
        """What is written down of a schedule."""
        return AuditEvent(
            run_id="",
            kind=kind,
            at=self.now,
            actor=OWNER,
            origin=Origin.SLACK,
            channel=None,
            command=kind,
            line=name,
            host="local",
        )

    def due(self, name: str = "nightly") -> Outcome | None:
        """Do for a schedule what the timer does, if it is due: its run, once, to its end."""
        one = self.app.services.schedules.find(name)
        if one is None or not one.is_on or one.when.after(one.dealt_with_at) > self.now:
            return None
        due = one.when.after(one.dealt_with_at)
        self.app.scheduler.look(name)
        found = [run for run in self.app.services.runs.newest(limit=50) if run.invocation.key == one.key(due)]
        return House(self.app).ending(found[0].id) if found else None

    def days(self, number: int, *, name: str = "nightly") -> list[Status]:
        """Let days pass, with looks at each hour, when a schedule fires, and five minutes past; how its runs ended."""
        ended = []
        for _ in range(24 * number):
            self.later(minutes=5, every=5)
            self.later(minutes=55, every=55)
            outcome = self.due(name)
            if outcome is not None:
                ended.append(outcome.status)
        return ended

    def said(self) -> list[Said]:
        """The messages in the channel of alarms, the oldest first."""
        query = (
            select(runs)
            .join(messages, messages.c.run_id == runs.c.id)
            .where(messages.c.channel == CHANNEL)
            .order_by(runs.c.created_at, runs.c.id)
        )
        with self.app.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Said(
                at=row["created_at"],
                is_over=row["status"] == Status.SUCCEEDED.value,
                text=row["reply"]["text"],
                buttons=len(row["reply"]["buttons"]),
            )
            for row in rows
        ]

    def open(self) -> list[str]:
        """The keys of what is open."""
        return [alarm.key for alarm in self.app.services.alarms.open()]
