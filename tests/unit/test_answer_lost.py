"""A bot that dies after the one step that a command comes to: nobody is told that it was taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import App
from bot.model import Plan, Status
from bot.stores.claims import Claim
from bot.stores.journal import Entry
from tests.fakes import FakeEngine
from tests.support.house import at_work, built, invocation, settings

TAKEN_BACK, LOST = "What had begun was taken back", "look whether it did before you type it again"


@pytest.fixture
def engine() -> FakeEngine:
    """A volume with something in it."""
    made = FakeEngine()
    made.add_volume("pgdata", {"table": b"rows"})
    return made


def _held(app: App, line: str) -> Claim:
    """A run in the hands of a process that then dies."""
    run_id = app.dispatcher.accept(invocation(line), told=True).run_id
    claim = app.dispatcher._ledger.claims.claim(app.services.runs.get(run_id), "dead")
    assert claim is not None
    return claim


def test_what_was_done_in_one_step_is_not_called_taken_back(engine: FakeEngine, tmp_path: Path) -> None:
    """A backup was released and its bot died before the answer: people are told to look."""
    made = settings(tmp_path / "state")
    with at_work(made, {"local": engine}) as house:
        backup_id = house.say("backup pgdata").run_id
        house.say(f"hold {backup_id}")
    with built(made, {"local": engine}) as app:
        claim = _held(app, f"release {backup_id}")
        plan = Plan(text="Release it.", targets=("volume:pgdata",))
        event = app.housekeeper._endings.event(claim.run, None, plan.text)
        app.dispatcher._ledger.claims.start(claim, plan, event)
        backup = app.services.archive.find(backup_id)
        app.services.archive.mark(backup, lambda marks: replace(marks, hold=None))
    with at_work(made, {"local": engine}) as house:
        outcome = house.ending(claim.run.id)
    assert outcome.status is Status.INTERRUPTED
    assert (LOST in outcome.reply.text, TAKEN_BACK in outcome.reply.text) == (True, False)


@pytest.mark.parametrize(
    "line", ["approve 7f3a2c1b", "deny 7f3a2c1b", "retry 7f3a2c1b", "close-review 7f3a2c1b"]
)
def test_a_word_that_may_have_counted_is_not_called_taken_back(
    engine: FakeEngine, tmp_path: Path, line: str
) -> None:
    """Whether somebody's yes was stored nobody knows from the run alone."""
    made = settings(tmp_path / "state")
    with built(made, {"local": engine}) as app:
        run_id = _held(app, line).run.id
    with at_work(made, {"local": engine}) as house:
        text = house.ending(run_id).reply.text
    assert (LOST in text, TAKEN_BACK in text) == (True, False)


def test_what_was_taken_back_is_called_so(engine: FakeEngine, tmp_path: Path) -> None:
    """A run that wrote down what it did has had all of it taken back."""
    made = settings(tmp_path / "state")
    with built(made, {"local": engine}) as app:
        claim = _held(app, "verify 7f3a2c1b")
        entry = Entry(
            id=0, run_id=claim.run.id, host="local", verb="remove_helper", arguments={"name": "shipkeeper-x"}
        )
        app.dispatcher._ledger.journal.write(entry, epoch=claim.epoch, at=app.services.clock())
    with at_work(made, {"local": engine}) as house:
        text = house.ending(claim.run.id).reply.text
    assert (LOST in text, TAKEN_BACK in text) == (False, True)
