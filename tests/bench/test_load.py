"""Many people at once while every worker is blocked: Slack is answered in time, and no word was untrue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.model import Status
from bot.playground import Delivery, Playground, User
from tests.slack.workplace import Workplace
from tests.support.house import refuse_untrue, wait_for

pytestmark = pytest.mark.slack

USERS = [f"U0L{number:03d}" for number in range(50)]
COMMANDS = 200
WORKERS = 4
SLOWEST_ACK = 1.0
SLOWEST_P99 = 0.5
ENDINGS_WITHIN = 120.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """How fast the commands come, and how long the workers are blocked at least."""

    commands_seconds: float
    blocked_seconds: float


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    """A bot with fifty people and a volume for each fourth command."""
    with Playground() as playground:
        made = Workplace(playground, tmp_path / "state")
        made.workers = WORKERS
        made.keepers = USERS
        for user in USERS:
            playground.add_user(User(id=user, name=user.lower()))
        for number in range(COMMANDS):
            made.engine.add_volume(f"volume{number:03d}", {"file": b"x"})
        made.open()
        try:
            yield made
        finally:
            made.engine.faults.go_on.set()
            made.close()


def test_two_hundred_commands_while_all_workers_are_blocked(
    work: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everybody is acked in time, each run is older than its ack, and all end once the workers are free."""
    figures = besiege(work, Load(commands_seconds=8, blocked_seconds=8))
    with capsys.disabled():
        print(f"\n{figures}")


@pytest.mark.bench
def test_two_hundred_commands_in_a_minute_of_blocked_workers(
    work: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same, with the workers blocked for sixty seconds and the commands spread over twenty."""
    figures = besiege(work, Load(commands_seconds=20, blocked_seconds=60))
    with capsys.disabled():
        print(f"\n{figures}")


def besiege(work: Workplace, load: Load) -> str:
    """Block, shout, release, and look at everything; the figures in a line."""
    with work.stalled_reads():
        since = time.monotonic()
        block(work)
        deliveries = shout(work, load.commands_seconds)
        took = sorted(answered(deliveries))
        figures = (
            f"{len(took)} commands of {len(USERS)} people while {WORKERS} of {WORKERS} workers are blocked: "
            f"acked {100 * len(took) / len(deliveries):.0f} %, p50 {took[len(took) // 2] * 1000:.0f} ms, "
            f"p99 {took[int(len(took) * 0.99) - 1] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms"
        )
        refuse_changes(work)
        threading.Event().wait(max(0.0, since + load.blocked_seconds - time.monotonic()))
        assert busy(work) == WORKERS
    assert len(took) == len(deliveries), figures
    assert took[-1] < SLOWEST_ACK, figures
    assert took[int(len(took) * 0.99) - 1] < SLOWEST_P99, figures
    refuse_untruth(work, deliveries)
    return figures


def block(work: Workplace) -> None:
    """Give every worker a backup that does not move."""
    for number in range(WORKERS):
        work.playground.slash("/backup", f"volume{number:03d}", user=USERS[number])
    wait_for(lambda: busy(work) == WORKERS, saying="all workers being blocked")
    running = lambda: len(work.bot.app.services.runs.running()) == WORKERS  # noqa: E731
    wait_for(running, saying="all runs being under way")


def busy(work: Workplace) -> int:
    """How many workers have a run in hand that is long."""
    return sum(worker.lane.value == "work" for worker in work.bot.app.queue.workers())


def shout(work: Workplace, seconds: float) -> list[Delivery]:
    """Two hundred commands of fifty people, evenly over that time: looks, backups, mistakes."""
    began = time.monotonic()
    pause = threading.Event()
    said = []
    for number in range(COMMANDS):
        pause.wait(max(0.0, began + number * seconds / COMMANDS - time.monotonic()))
        lines = (
            ("/docker", "runs --mine"),
            ("/backup", "volume000"),
            ("/backup", f"volume{WORKERS + number:03d}" if number + WORKERS < COMMANDS else "volume199"),
            ("/docker", ("help", "bakcup pgdata", "backup --flag", "whoami")[number // 4 % 4]),
        )
        command, text = lines[number % 4]
        said.append(work.playground.slash(command, text, user=USERS[number % len(USERS)]))
    return said


def answered(deliveries: list[Delivery]) -> list[float]:
    """Seconds to the ack of each command that got one within Slack's patience."""

    def settled() -> bool:
        return all(one.acked_at is not None or one.error is not None for one in deliveries)

    wait_for(settled, seconds=10, saying="an ack or a timeout of each command")
    return [one.took for one in deliveries if one.took is not None and one.error is None]


def refuse_changes(work: Workplace) -> None:
    """While the workers are blocked nothing of all this can have been done."""
    assert not work.bot.app.services.archive.backups()


def refuse_untruth(work: Workplace, deliveries: list[Delivery]) -> None:
    """Everything has one ending, and what Slack called failed was never run."""
    counts = work.bot.app.services.runs.counts
    wait_for(
        lambda: all(status.is_ending for status in counts()), seconds=ENDINGS_WITHIN, saying="all endings"
    )
    by_key = {run.invocation.key: run for run in work.runs()}
    assert len(by_key) == COMMANDS + WORKERS
    for delivery in deliveries:
        (run,) = work.runs_of(delivery)
        if delivery.error is not None:
            assert run.status is Status.EXPIRED, f"{delivery.summary} ran, though Slack said it failed"
    succeeded = [run for run in by_key.values() if run.command == "backup" and run.status is Status.SUCCEEDED]
    assert len(work.bot.app.services.archive.backups()) == len(succeeded) == WORKERS + COMMANDS // 4
    assert not work.too_early, f"acked before the run was stored: {work.too_early}"
    assert not work.world.rate_violations
    refuse_untrue(work.bot.app)
