"""The built house for tests: the real road, a real database and archive, and an engine of the test's choice.

`refuse_untrue` is the product's own verifier, used as the assertion after each test.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select

import handlers
from bot.app import App, build
from bot.command import Command
from bot.engine import RUN_LABEL, Engine
from bot.model import Actor, Invocation, Origin, Outcome, Place, Status
from bot.operations.registries import Registries
from bot.sections.targets import KINDS
from bot.settings import Settings, read
from bot.stores.runrow import Run
from bot.stores.schema import run_targets
from tests.support.glance import Glance
from tests.support.migrated import put_database

T = TypeVar("T")
_ENDINGS = {status.value for status in Status if status.is_ending}

ROLES = """
[roles.operators]
members = ["U0ANN", "U0ADA"]
right = "admin"
"""

AS_FAST_AS_TESTS = "[limits]\nper_minute = 0\n"
"""Where a test says nothing of limits, nobody is too fast: its person types as fast as a machine."""


def wait_for(what: Callable[[], T], *, seconds: float = 30.0, saying: str = "it") -> T:
    """Look until it is truthy, and return it; fails the test after that many seconds.

    It looks ever more seldom, up to 30 times a second: looking takes from what is looked at.
    """
    pause, deadline, wait = threading.Event(), time.monotonic() + seconds, 0.003
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{saying} did not happen within {seconds} s")
        pause.wait(wait)
        wait = min(wait * 1.2, 0.03)


def settings(state: Path, *, toml: str = ROLES, **environment: str) -> Settings:
    """Settings as they are read in earnest, from a file and an environment made here."""
    state.mkdir(parents=True, exist_ok=True)
    file = state / "settings.toml"
    file.write_text(toml if "[limits]" in toml else f"{toml}\n{AS_FAST_AS_TESTS}")
    if "SHIPKEEPER_DATABASE_URL" not in environment:
        put_database(state / "shipkeeper.db")
    return read({"SHIPKEEPER_STATE": str(state), "SHIPKEEPER_SETTINGS": str(file), **environment})


def invocation(line: str, **changes: object) -> Invocation:
    """An administrator's command line from a shell, or whatever `changes` makes of it."""
    made: dict[str, object] = {
        "line": line,
        "actor": Actor(id="cli:tester", name="tester"),
        "origin": Origin.CLI,
        "at": datetime.now(UTC),
    }
    return Invocation(**{**made, **changes})  # type: ignore[arg-type]


def from_slack(line: str, *, user: str = "U0ANN", key: str | None = None) -> Invocation:
    """A command line as if typed in Slack's #ops."""
    return invocation(
        line,
        actor=Actor(id=user, name=user.lower()),
        origin=Origin.SLACK,
        key=key,
        place=Place(channel="C0OPS", user=user),
    )


class House:
    """An app that executes, and what tests ask of it."""

    def __init__(self, app: App) -> None:
        self.app = app

    def say(self, asked: Invocation | str, *, seconds: float = 30.0) -> Outcome:
        """Send it down the road and wait for its ending."""
        made = invocation(asked) if isinstance(asked, str) else asked
        return self.ending(self.accept(made), seconds=seconds)

    def accept(self, asked: Invocation | str) -> str:
        """Send it down the road; the run's id."""
        made = invocation(asked) if isinstance(asked, str) else asked
        return self.app.dispatcher.accept(made, told=True).run_id

    def run(self, run_id: str) -> Run:
        """The run as it is stored."""
        return self.app.services.runs.get(run_id)

    def ending(self, run_id: str, *, seconds: float = 30.0) -> Outcome:
        """Wait until the run has ended."""
        with closing(Glance(self.app.settings.database_url)) as glance:
            look = lambda: glance.may_have_ended(run_id) and self.run(run_id).outcome  # noqa: E731
            return wait_for(look, seconds=seconds, saying=f"the end of run {run_id}")


@contextmanager
def built(
    made: Settings,
    engines: Mapping[str, Engine],
    *,
    commands: Mapping[str, Command] | None = None,
    registries: Registries | None = None,
) -> Iterator[App]:
    """An app that has not begun to execute; everything is given back at the end."""
    app = build(made, commands or handlers.load(), engines=engines, registries=registries)
    try:
        yield app
    finally:
        app.end()


@contextmanager
def at_work(
    made: Settings,
    engines: Mapping[str, Engine],
    *,
    commands: Mapping[str, Command] | None = None,
    registries: Registries | None = None,
) -> Iterator[House]:
    """An app that holds the lock and executes."""
    with built(made, engines, commands=commands, registries=registries) as app:
        assert app.sole.take("serve"), f"somebody else executes in {made.state}"
        app.begin()
        yield House(app)


def refuse_untrue(app: App, *, engines: Mapping[str, Engine] | None = None) -> None:
    """Fail unless nothing is left half done: the checks that must hold after everything, even after a crash."""
    runs = app.services.runs.newest(limit=10_000)
    open_runs = [(run.id, run.status) for run in runs if not run.status.is_ending]
    assert not open_runs, f"runs without an ending: {open_runs}"
    kinds = {target.partition(":")[0] for run in runs for target in run.about} - {"*"}
    assert kinds <= set(KINDS), f"targets of a kind that no role can name: {kinds}"
    _refuse_loose_ends(app, {run.id for run in runs}, engines or app.services.engines)
    _refuse_half_backups(app)
    wait_for(lambda: not app.crowd.is_there, saying="that everybody at the door has been told")
    chain = app.services.audit.check_chain()
    assert chain.broken_at is None, f"the audit chain breaks at line {chain.broken_at}"
    wait_for(lambda: _one_ending_each(app), saying="that both lists are of the same moment")


def _one_ending_each(app: App) -> bool:
    """Fail unless each run has one; False when a run came between the two looks, as when an alarm is told."""
    runs = Counter(run.id for run in app.services.runs.newest(limit=10_000))
    lines = app.services.audit.lines(limit=100_000)
    endings = Counter(line.event.run_id for line in lines if line.event.kind in _ENDINGS)
    if len(runs) != len(app.services.runs.newest(limit=10_000)):
        return False
    assert endings == runs, f"endings in the audit log: too many {endings - runs}, missing {runs - endings}"
    return True


def _refuse_loose_ends(app: App, ours: set[str], engines: Mapping[str, Engine]) -> None:
    with app.database.read() as connection:
        held = connection.execute(select(run_targets)).all()
    assert not held, f"targets are still held: {held}"
    left = app.dispatcher._ledger.journal.open_entries()
    assert not left, f"the journal has open entries: {left}"
    for engine in engines.values():
        helpers = [helper.name for helper in engine.helpers() if helper.labels.get(RUN_LABEL) in ours]
        assert not helpers, f"helper containers are left on {engine.host}: {helpers}"
        for volume in _touched(app):
            asleep = [user.name for user in engine.users_of(volume) if user.state == "paused"]
            assert not asleep, f"containers are left paused: {asleep}"


def _touched(app: App) -> set[str]:
    """The volumes that runs of this house held; others may be in the hands of tests beside this one."""
    plans = [run.plan for run in app.services.runs.newest(limit=10_000) if run.plan]
    targets = {target for plan in plans for target in plan.targets}
    return {target.removeprefix("volume:") for target in targets if target.startswith("volume:")}


def _refuse_half_backups(app: App) -> None:
    archive = app.services.archive
    assert not archive.damaged(), f"damaged backups are listed: {archive.damaged()}"
    parts = sorted(path.name for path in app.settings.archive_path.rglob("*.part"))
    assert not parts, f"partial files are left: {parts}"
    for backup in archive.backups():
        archive.prove(backup, lambda _: None)
