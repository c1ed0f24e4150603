"""Shells without a bot: the one that executes answers the others too, and works for itself alone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import handlers
from bot.app import App
from bot.command import Command
from bot.context import RunContext
from bot.following import carried
from bot.model import Outcome, Reply, Right, Status
from bot.services import Services
from bot.stores.runrow import Lane
from tests.fakes import FakeEngine
from tests.support.approving import RULES, let_time_pass
from tests.support.house import (
    ROLES,
    House,
    built,
    from_slack,
    invocation,
    refuse_untrue,
    settings,
    wait_for,
)


@dataclass(frozen=True)
class Arguments:
    """`gaze` takes nothing."""


class Gaze:
    """A look that stands still until the test lets it go on."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def _run(self, _arguments: Arguments, _services: Services, _run: RunContext) -> Reply:
        self.began.set()
        assert self.go_on.wait(10)
        return Reply(text="Looked.")

    def commands(self) -> dict[str, Command]:
        """All commands, and `gaze`."""
        command = Command(
            name="gaze", summary="Look for long", right=Right.VIEW, arguments=Arguments, run=self._run
        )
        return {**handlers.load(), "gaze": command}


@pytest.fixture
def gaze() -> Gaze:
    """The look that tests hold back."""
    return Gaze()


@pytest.fixture
def shells(tmp_path: Path, fake_engine: FakeEngine, gaze: Gaze) -> Iterator[tuple[House, House]]:
    """Two shells on one state directory; the first executes, for a run of its own that never comes."""
    made, engines = settings(tmp_path / "state"), {"local": fake_engine}
    with (
        built(made, engines, commands=gaze.commands()) as first,
        built(made, engines, commands=gaze.commands()) as second,
    ):
        assert first.sole.take("a shell")
        first.begin(only=frozenset({"00000000"}))
        yield House(first), House(second)
        refuse_untrue(second)


def _ended(app: App) -> threading.Thread:
    ending = threading.Thread(target=app.end)
    ending.start()
    wait_for(app.queue._stopping.is_set, saying="the end of the shell")
    return ending


def test_a_question_of_another_shell_is_answered_and_not_cut_off(
    shells: tuple[House, House], gaze: Gaze
) -> None:
    """The shell that executes answers it, and a shell that is through waits for it before it lets go."""
    first, second = shells
    run_id = second.accept("gaze")
    assert gaze.began.wait(5), "nobody looks"
    ending = _ended(first.app)
    assert not second.app.sole.take("another shell")
    gaze.go_on.set()
    ending.join(5)
    assert second.run(run_id).status is Status.SUCCEEDED
    assert second.app.sole.take("another shell")


def test_the_work_of_another_shell_is_decided_and_left_to_it(shells: tuple[House, House]) -> None:
    """A mistake is refused at once; a backup waits, decided, for its own shell to be the one that executes."""
    first, second = shells
    assert second.say("backup nothing-here --quiesce pauze", seconds=5).status is Status.REJECTED
    run_id = second.accept("backup pgdata")
    wait_for(lambda: second.run(run_id).lane is Lane.WORK, saying="the decision")
    assert second.say("runs", seconds=5).status is Status.SUCCEEDED
    assert second.run(run_id).status is Status.QUEUED
    first.app.end()
    assert second.app.sole.take("backup pgdata")
    second.app.begin(only=frozenset({run_id}))
    assert second.ending(run_id).status is Status.SUCCEEDED


@pytest.fixture
def waiting(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[App]:
    """A shell alone, where backing up pgdata needs approval."""
    with built(settings(tmp_path / "state", toml=ROLES + RULES), {"local": fake_engine}) as app:
        yield app


def _carried(app: App, meanwhile: Callable[[str], object]) -> Outcome:
    """What comes of the shell's command, when somebody does that with the run as soon as it waits."""

    def act() -> None:
        runs = app.services.runs
        waiting = wait_for(lambda: runs.newest(limit=1, status=Status.WAITING), saying="the waiting")
        meanwhile(waiting[0].id)

    somebody = threading.Thread(target=act)
    somebody.start()
    outcome = carried(app, invocation("backup pgdata"))
    somebody.join()
    return outcome


def test_a_shell_alone_says_whose_word_it_waits_for(waiting: App, capfd: pytest.CaptureFixture[str]) -> None:
    """Plan, what binds it, role and time limit are said once; approved, it goes on by itself."""
    told: list[str] = []

    def approve(run_id: str) -> None:
        def is_told() -> bool:
            told.append(capfd.readouterr().err)
            return "waits for approval until" in "".join(told)

        wait_for(is_told, saying="who may approve")
        House(waiting).say(from_slack(f"approve {run_id}", user="U0ADA"))

    assert _carried(waiting, approve).status is Status.SUCCEEDED
    said = "".join([*told, capfd.readouterr().err])
    assert said.count("waits for approval until") == 1
    assert "Rule prod wants 1 more person of role leads" in said
    assert "Only for exactly this: container db" in said


def test_a_shell_alone_keeps_its_time_limit(waiting: App) -> None:
    """Where no bot keeps house the shell ends it itself."""
    assert _carried(waiting, lambda run_id: let_time_pass(waiting, run_id)).status is Status.EXPIRED


def test_ctrl_c_takes_back_what_waits(waiting: App) -> None:
    """Cancelled, it ends at once, and nothing was changed."""
    outcome = _carried(waiting, lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert outcome.status is Status.CANCELLED
    assert "Nothing was changed" in outcome.reply.text
