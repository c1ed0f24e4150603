"""kill -9 between what is done to a schedule and the run's ending: it is done once, and the next process says so."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import Status
from tests.fakes import FakeEngine
from tests.support.house import at_work, refuse_untrue, wait_for
from tests.support.process import Site

pytestmark = pytest.mark.faults

_ROOT = Path(__file__).parents[2]
_DYING = """
import os, signal, sys
import handlers
from bot.cli import main
from bot.stores.claims import Claims
Claims.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:], handlers.load())
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Site]:
    """A state directory without Slack, whose Docker does not answer: schedules need neither."""
    with Site(tmp_path / "state", docker_host=f"unix://{tmp_path}/none.sock") as made:
        yield made


def killed(site: Site, line: str) -> None:
    """Carry it out in a shell whose process dies where its ending would be written."""
    words = [sys.executable, "-c", _DYING, *line.split(" ")]
    done = subprocess.run(words, cwd=_ROOT, env=site.environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("before", "line", "said"),
    [
        ([], "schedule nightly daily at 03:00 backup pgdata", "Schedule nightly is set"),
        (["schedule nightly hourly backup pgdata"], "pause nightly", "Schedule nightly is paused"),
        (["schedule nightly hourly backup pgdata"], "unschedule nightly", "Schedule nightly is removed"),
    ],
)
def test_what_was_done_is_told_by_the_next_process(
    alone: Site, before: list[str], line: str, said: str
) -> None:
    """The killed run succeeded, its effect is there once, and nothing is to be typed again."""
    for one in before:
        assert alone.say(*one.split(" ")).returncode == 0
    killed(alone, line)
    engines = {"local": FakeEngine()}
    with at_work(alone.settings(), engines) as house:
        (run,) = [one for one in house.app.services.runs.newest(limit=9) if one.invocation.line == line]
        wait_for(lambda: house.run(run.id).status.is_ending, saying="the ending")
        ended = house.run(run.id)
        assert ended.reply is not None
        assert (ended.status, ended.reply.text[: len(said)]) == (Status.SUCCEEDED, said)
        kinds = [one.event.kind for one in house.app.services.audit.lines(limit=9, run_id=run.id)]
        assert len([kind for kind in kinds if kind.startswith("schedule-")]) == 1
        assert len(house.app.services.schedules.all()) == (0 if line.startswith("un") else 1)
        refuse_untrue(house.app)


def test_what_was_not_done_is_told_as_interrupted(alone: Site) -> None:
    """A name that was taken: the killed run did nothing, and the next process does not say that it did."""
    assert alone.say("schedule", "nightly", "hourly", "backup", "pgdata").returncode == 0
    killed(alone, "schedule nightly daily at 03:00 backup other1")
    with at_work(alone.settings(), {"local": FakeEngine()}) as house:
        run = house.app.services.runs.newest(limit=1)[0]
        wait_for(lambda: house.run(run.id).status.is_ending, saying="the ending")
        assert house.run(run.id).status is Status.INTERRUPTED
        assert [one.line for one in house.app.services.schedules.all()] == ["backup pgdata"]
        refuse_untrue(house.app)
