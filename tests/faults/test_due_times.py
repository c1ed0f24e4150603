"""Three bots on one database, killed and started again at random: each due time comes to exactly one run, in time."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import App
from bot.model import Status
from bot.times.when import by_interval
from tests.fakes import FakeEngine
from tests.stores.conftest import database_url, dialect, postgres
from tests.support.house import ROLES, built, refuse_untrue, settings
from tests.support.process import until
from tests.support.scheduling import a_schedule, event_of
from tests.support.ticking import Ticking

__all__ = ["database_url", "dialect", "postgres"]  # fixtures

pytestmark = pytest.mark.faults

DUE_TIMES = int(os.environ.get("SHIPKEEPER_DUE_TIMES", "150"))
SECONDS = float(os.environ.get("SHIPKEEPER_DUE_SECONDS", "6"))
PROCESSES = 3
LATEST = timedelta(seconds=60)
_PAUSE = (0.5, 2.0)
_END_SECONDS = 240.0


@pytest.fixture
def app(tmp_path: Path, database_url: str) -> Iterator[App]:
    """A look at the same database from outside of the processes."""
    made = settings(tmp_path / "state", toml=ROLES, SHIPKEEPER_DATABASE_URL=database_url)
    with built(made, {"local": FakeEngine()}) as app:
        yield app


@pytest.fixture
def bots(app: App, database_url: str) -> Iterator[list[Ticking]]:
    """Three processes, of which one executes; all of them look at due times."""
    state = app.settings.state
    environment = {
        "SHIPKEEPER_STATE": str(state),
        "SHIPKEEPER_SETTINGS": str(state / "settings.toml"),
        "SHIPKEEPER_DATABASE_URL": database_url,
    }
    with ExitStack() as stack:
        made = [Ticking(environment) for _ in range(PROCESSES)]
        for one in made:
            stack.callback(one.kill)
        until(lambda: all(one.is_up for one in made), seconds=60, saying="three bots that look")
        yield made


def _plan(app: App, first: datetime) -> dict[str, datetime]:
    """Daily schedules, each with one due time in those seconds; the keys of their runs, and when these are due."""
    keys: dict[str, datetime] = {}
    for number in range(DUE_TIMES):
        due = first + timedelta(seconds=round(SECONDS * number / DUE_TIMES))
        when = by_interval(timedelta(days=1), due, "UTC", text="every 1d")
        made = a_schedule(f"due-{number}", when, created_at=first, dealt_with_at=first - timedelta(hours=1))
        app.services.schedules.add(made, event_of(made))
        keys[made.key(due)] = due
    return keys


def _kill_at_random(bots: list[Ticking], chance: random.Random, end: datetime) -> int:
    """Now and then kill some of them, perhaps all; each is started again at once, or at the next turn."""
    killed, pause = 0, threading.Event()
    while not killed or datetime.now(UTC) < end:
        pause.wait(chance.uniform(*_PAUSE))
        for bot in bots:
            if not bot.is_dead and chance.random() < 0.25:
                bot.kill()
                killed += 1
            if bot.is_dead and chance.random() < 0.8:
                bot.start()
    for bot in bots:
        if bot.is_dead:
            bot.start()
    return killed


def test_each_due_time_comes_to_one_run_within_a_minute(
    app: App, bots: list[Ticking], dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever dies when: no due time is lost, doubled, missed or late, and every run of them succeeds or is told."""
    chance = random.Random(7)
    due_at = _plan(app, datetime.now(UTC) + timedelta(seconds=1))
    killed = _kill_at_random(bots, chance, max(due_at.values()))
    until(lambda: all(bot.is_up for bot in bots), seconds=60, saying="all bots at work again")
    services = app.services
    until(lambda: len(_fired(app)) == DUE_TIMES, seconds=60, saying=f"{DUE_TIMES} runs", every=0.2)
    open_ones = lambda: [one for one in services.runs.counts() if not one.is_ending]  # noqa: E731
    until(lambda: not open_ones(), seconds=_END_SECONDS, saying="the end of all runs", every=0.2)
    for bot in bots:
        assert bot.stop() == 0
    runs = services.runs.newest(limit=2 * DUE_TIMES)
    assert sorted(run.invocation.key or "" for run in runs) == sorted(due_at)
    late = {run.invocation.key or "": run.invocation.at - due_at[run.invocation.key or ""] for run in runs}
    ends = Counter(run.status for run in runs)
    with capsys.disabled():
        print(
            f"\n{dialect}: {DUE_TIMES} due times in {SECONDS:g} s, {killed} kills: {dict(ends)}; the latest was stored "
            f"{max(late.values()).total_seconds():.1f} s after it was due"
        )
    assert timedelta(0) <= min(late.values()) <= max(late.values()) <= LATEST
    assert ends.keys() <= {Status.SUCCEEDED, Status.INTERRUPTED}
    assert killed > 0
    refuse_untrue(app)


def _fired(app: App) -> list[str]:
    return [run.id for run in app.services.runs.newest(limit=2 * DUE_TIMES)]
