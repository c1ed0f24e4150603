"""What people read in Slack of due times: runs, missed ones told once, refusals in the open, quiet successes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest

from bot.errors import EngineError
from bot.model import Actor, Status
from bot.playground import Message
from bot.schedules import timer
from bot.stores.runrow import Run
from bot.stores.schedules import Schedule
from bot.times.when import by_cron
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for
from tests.support.scheduling import ANN, a_schedule, event_of

pytestmark = pytest.mark.slack


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer compares itself with the table more often than in earnest."""
    monkeypatch.setattr(timer, "_COMPARE_SECONDS", 0.2)


def _behind(name: str, cron: str, *, by: timedelta, **changes: object) -> Schedule:
    """A schedule whose due times of so long are not dealt with, as if the bot had been off."""
    since = datetime.now(UTC) - by
    made = a_schedule(
        name, by_cron(cron, "Asia/Seoul"), owner=ANN, channel="C0OPS", line="backup other1 --wait"
    )
    return replace(made, **{"created_at": since, "dealt_with_at": since, **changes})  # type: ignore[arg-type]


def _add(work: Workplace, schedule: Schedule) -> None:
    work.bot.app.services.schedules.add(schedule, event_of(schedule))


def _ended(work: Workplace, name: str, status: Status) -> Run:
    """Wait until the schedule has a run that ended so; the only one."""

    def found() -> list[Run]:
        return [run for run in work.runs() if run.invocation.schedule == name and run.status is status]

    wait_for(found, seconds=20, saying=f"a run of {name} that is {status}")
    (run,) = found()
    return run


def _told(work: Workplace, run: Run) -> Message:
    wait_for(lambda: work.messages_of(run), seconds=20, saying=f"the message of run {run.id}")
    (message,) = work.messages_of(run)
    return message


def test_after_three_days_each_schedule_runs_once_and_tells_once(work: Workplace) -> None:
    """Hourly and daily: one run each, one message each of what was missed; nothing more after a restart."""
    _add(work, _behind("hourly", "0 * * * *", by=timedelta(days=3)))
    _add(work, _behind("daily", "0 3 * * *", by=timedelta(days=3), line="backup other2"))
    for name in ("hourly", "daily"):
        _told(work, _ended(work, name, Status.SUCCEEDED))
    work.wait_until_quiet()
    work.restart()
    work.wait_until_quiet()
    counts = {
        (name, status): 0 for name in ("hourly", "daily") for status in (Status.MISSED, Status.SUCCEEDED)
    }
    for run in work.runs():
        counts[run.invocation.schedule or "", run.status] += 1
    assert counts["hourly", Status.SUCCEEDED] == counts["daily", Status.SUCCEEDED] == 1
    assert counts["hourly", Status.MISSED] == 71
    assert counts["daily", Status.MISSED] == 2
    told = [words_of(message) for message in work.world.messages() if "were missed" in words_of(message)]
    assert len(told) == 2
    assert all(message.channel == "C0OPS" for message in work.world.messages())
    assert work.backups("other1") == work.backups("other2") == 1


def test_the_schedule_of_somebody_deactivated_is_suspended_and_told(work: Workplace) -> None:
    """Nothing runs; its channel reads why, and offers to resume it."""
    work.playground.add_user(replace(work.world.users["U0ADA"], deleted=True))
    owner = Actor(id="U0ADA", name="ada")
    _add(work, _behind("daily", "0 3 * * *", by=timedelta(days=1), owner=owner))
    message = _told(work, _ended(work, "daily", Status.DENIED))
    assert message.channel == "C0OPS"
    assert "U0ADA is deactivated" in words_of(message)
    assert "the schedule is suspended" in words_of(message)
    assert "Resume" in buttons_of(message)
    assert work.bot.app.services.schedules.get("daily").suspended
    assert work.backups("other1") == 0


def test_an_owner_whose_role_was_taken_away_is_denied_in_the_open(work: Workplace) -> None:
    """The road asks at each run; everybody in the schedule's channel reads the refusal."""
    owner = Actor(id="U0BOB", name="bob")
    _add(work, _behind("daily", "0 3 * * *", by=timedelta(days=1), owner=owner, quiet=True))
    message = _told(work, _ended(work, "daily", Status.DENIED))
    assert message.channel == "C0OPS"
    assert message.ephemeral_for is None
    assert "You may not use `backup`" in words_of(message)
    assert work.bot.app.services.schedules.get("daily").is_on


def test_a_quiet_schedule_is_silent_until_something_goes_wrong(work: Workplace) -> None:
    """A success is not posted; a failure is."""
    _add(work, _behind("well", "0 3 * * *", by=timedelta(days=1), quiet=True))
    done = _ended(work, "well", Status.SUCCEEDED)
    work.engine.faults.failing["read_volume"] = EngineError("Docker is not well. Nothing was changed.")
    _add(work, _behind("ill", "0 3 * * *", by=timedelta(days=1), quiet=True, line="backup other2"))
    assert "Docker is not well" in words_of(_told(work, _ended(work, "ill", Status.FAILED)))
    work.engine.faults.failing.clear()
    work.wait_until_quiet()
    assert work.messages_of(done) == []


def test_old_backups_go_after_the_one_of_a_schedule(work: Workplace) -> None:
    """As a run of its own, told in the schedule's channel."""
    _add(work, _behind("daily", "0 3 * * *", by=timedelta(days=1), prune=True))
    _ended(work, "daily", Status.SUCCEEDED)
    pruned = lambda: [run for run in work.runs() if run.command == "prune" and run.status.is_ending]  # noqa: E731
    wait_for(pruned, seconds=20, saying="the pruning")
    (run,) = pruned()
    assert run.invocation.line == "prune other1 --host local --wait"
    assert _told(work, run).channel == "C0OPS"


def test_readiness_tells_of_the_scheduler(work: Workplace) -> None:
    """`/readyz` says whether due times are noticed, and is not ready when they are not."""
    with urlopen(f"http://127.0.0.1:{work.port}/readyz", timeout=5) as answer:
        assert json.load(answer)["scheduler"] is True
    work.bot.timer.stop()
    assert not work.bot._checks()["scheduler"]
