"""A shell beside a served bot: the run is carried out there, and its progress is shown here all the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bot.model import Status
from tests.slack.workplace import Workplace
from tests.support.at_terminal import AtTerminal
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


def typed(work: Workplace, *words: str) -> AtTerminal:
    """Begin the command line in a terminal on the bot's machine."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work.state),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SHIPKEEPER_STATE": str(work.state),
        "SHIPKEEPER_SETTINGS": str(work.state / "settings.toml"),
    }
    return AtTerminal([sys.executable, "-m", "bot", *words], environment)


def test_progress_of_a_run_that_the_bot_carries_out(work: Workplace) -> None:
    """Step, bytes and time come from its row; the result is told as if this process had done it."""
    with work.stalled_reads(), typed(work, "backup", "pgdata") as shell:
        shell.shows("copying")
        shell.shows("512 B")
        (run,) = work.runs()
        assert run.status is Status.RUNNING
        shell.shows(run.id)
        work.engine.faults.go_on.set()
        assert shell.ends() == 0
        assert "✅ Volume pgdata is backed up and proven" in shell.seen


def test_ctrl_c_asks_the_bot_to_cancel(work: Workplace) -> None:
    """It says who takes back what was begun, and tells the ending."""
    with work.stalled_reads(), typed(work, "backup", "pgdata") as shell:
        shell.shows("512 B")
        shell.says("\x03", until="the bot that carries the run out takes it back")
        assert shell.ends() == 1
        assert work.runs()[0].status is Status.CANCELLED


def test_each_run_that_is_waited_for_has_a_bar(work: Workplace) -> None:
    """What waits for its turn shows those at work, each with how far it is."""
    work.close()
    work.workers = 1
    work.open()
    with work.stalled_reads(), typed(work, "backup", "pgdata") as first:
        first.shows("512 B")
        with typed(work, "backup", "other1") as second:
            second.shows("waits while others are at work")
            second.shows("copying")
            second.shows("It goes on by itself.")
            wait_for(lambda: len(work.runs()) == 2, saying="both")
            work.engine.faults.go_on.set()
            assert second.ends() == 0
        assert first.ends() == 0
