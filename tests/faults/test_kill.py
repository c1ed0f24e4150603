"""kill -9 of the bot while it backs up a volume whose user it has paused: nothing is left, and people are told."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bot.playground import Fault
from tests.support.effort import drawn_seed
from tests.support.house import House, from_slack
from tests.support.process import Served, Site, until
from tests.support.yard import Yard, refuse_anything_untrue

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slack]

KILLS = int(os.environ.get("SHIPKEEPER_KILLS", "2"))
TOLD_WITHIN_SECONDS = 10.0 if "PYTEST_XDIST_WORKER" not in os.environ else 40.0
"""Alone. Beside three other test processes on two cores a start of the program takes several times as long."""


@dataclass
class Campaign:
    """What came of the kills so far."""

    endings: dict[str, int] = field(default_factory=dict)
    slowest_told: float = 0.0

    def count(self, ending: str, told_after: float) -> None:
        """One more run."""
        self.endings[ending] = self.endings.get(ending, 0) + 1
        self.slowest_told = max(self.slowest_told, told_after)


def come_back(site: Site, run_id: str) -> tuple[Served, float]:
    """Start the bot again; it, and how many seconds after that people were told the run's ending."""
    began = time.monotonic()
    bot = site.serve()
    until(lambda: site.has_ended(run_id), seconds=60, saying=f"the end of run {run_id}")
    ended = time.monotonic()
    until(lambda: site.told(run_id), seconds=TOLD_WITHIN_SECONDS, saying=f"the telling of run {run_id}")
    # A run that was still queued is carried out as if nothing had happened: that takes its time.
    since = ended if site.status_of(run_id) == "succeeded" else began
    return bot.connected(), time.monotonic() - since


def refuse_remains(site: Site, yard: Yard, run_id: str, user: str) -> None:
    """Fail unless the run's ending is true, told once, and nothing of it is left half done."""
    status = site.status_of(run_id)
    backups = [path for path in site.files(".manifest.json") if run_id in path.name]
    assert (status, len(backups)) in (("interrupted", 0), ("succeeded", 1)), (status, backups)
    site.refuse_told_twice(run_id)
    site.refuse_loose_ends()
    assert yard.state(user) == "running"
    assert yard.helpers() == []


def test_bot_killed_at_random_instants_leaves_nothing_and_tells_people(
    site: Site, yard: Yard, volume: str, user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run ends interrupted, or was really done; it is told once and soon, and nothing is left."""
    seed = drawn_seed()
    chance, clock, campaign = random.Random(seed), threading.Event(), Campaign()
    bot = site.serve().connected()
    began = time.monotonic()
    first = bot.backing_up(f"{volume} --quiesce pause")
    until(lambda: site.has_ended(first), seconds=60)
    whole = time.monotonic() - began
    for number in range(KILLS):
        run_id = bot.backing_up(f"{volume} --quiesce pause")
        # One instant in each slice of the run, so that few kills still meet all of it.
        clock.wait(whole * 1.15 * (number + chance.random()) / KILLS)
        bot.kill()
        bot, told_after = come_back(site, run_id)
        refuse_remains(site, yard, run_id, user)
        campaign.count(site.status_of(run_id), told_after)
        assert told_after < TOLD_WITHIN_SECONDS
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)
    with capsys.disabled():
        print(
            f"\n{KILLS} kills (seed {seed}, {whole:.1f} s a backup): "
            f"{campaign.endings.get('interrupted', 0)} interrupted, {campaign.endings.get('succeeded', 0)} done, "
            f"told {campaign.slowest_told:.1f} s after the start at the latest"
        )


@dataclass(frozen=True)
class Sight:
    """What can be seen of a run from outside."""

    site: Site
    yard: Yard
    run_id: str
    user: str

    def decided(self) -> bool:
        """A worker has it."""
        return bool(self.site.run(self.run_id)["epoch"])

    def paused(self) -> bool:
        """The user of the volume is asleep."""
        return self.yard.state(self.user) == "paused"

    def stored(self) -> bool:
        """The first bytes are on the disk."""
        return any(path.stat().st_size for path in self.site.files(".tar.zst.part"))

    def woken(self) -> bool:
        """The reading is over."""
        struck_off = "SELECT 1 FROM journal WHERE run_id = ? AND verb = 'unpause' AND settled_at IS NOT NULL"
        return bool(self.site.rows(struck_off, self.run_id))

    def has(self, ending: str) -> bool:
        """A file of the run's whose name ends so is in the archive."""
        return any(self.run_id in path.name for path in self.site.files(ending))


Reached = Callable[[Sight], bool]
INSTANTS: dict[str, tuple[Reached, set[str]]] = {
    "acknowledged": (lambda _: True, {"succeeded", "interrupted"}),
    "taken by a worker": (Sight.decided, {"succeeded", "interrupted"}),
    "container paused": (Sight.paused, {"interrupted"}),
    "first bytes stored": (Sight.stored, {"interrupted"}),
    "read over and container woken": (Sight.woken, {"interrupted"}),
    "tar renamed": (lambda seen: seen.has(".tar.zst"), {"interrupted", "succeeded"}),
    "manifest published": (lambda seen: seen.has(".manifest.json"), {"succeeded"}),
}
"""When to kill, and what the run may then have come to."""


def test_bot_killed_at_every_named_instant_leaves_nothing(
    site: Site, yard: Yard, volume: str, user: str
) -> None:
    """Wherever between the ack and the last write it dies, the run's ending is true and nothing is left."""
    bot = site.serve().connected()
    for instant, (reached, endings) in INSTANTS.items():
        run_id = bot.backing_up(f"{volume} --quiesce pause")
        until(lambda: reached(Sight(site, yard, run_id, user)), every=0.004, saying=instant)  # noqa: B023
        bot.kill()
        bot, told_after = come_back(site, run_id)
        refuse_remains(site, yard, run_id, user)
        assert told_after < TOLD_WITHIN_SECONDS, instant
        assert site.status_of(run_id) in endings, instant
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_an_ending_that_was_not_told_before_the_kill_is_told_afterwards(
    site: Site, yard: Yard, volume: str, user: str
) -> None:
    """The run ended while Slack was out; the bot died before it could edit the message; the next one edits it."""
    assert site.slack is not None
    small = yard.volume("small", "echo rows > table")
    bot = site.serve().connected()
    run_id = bot.backing_up(f"{volume} --quiesce pause")
    until(lambda: site.messages_of(run_id), saying="the first message")
    site.slack.faults.outage(True)
    other = bot.backing_up(small)
    until(lambda: site.has_ended(run_id) and site.has_ended(other))
    bot.kill()
    assert not site.told(run_id)
    site.slack.faults.outage(False)
    for one in (run_id, other):
        assert site.status_of(one) == "succeeded"
    bot, told_after = come_back(site, run_id)
    assert yard.state(user) == "running"
    until(lambda: site.told(other), seconds=TOLD_WITHIN_SECONDS)
    assert told_after < TOLD_WITHIN_SECONDS
    for one in (run_id, other):
        site.refuse_told_twice(one)
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_a_message_whose_answer_was_lost_in_the_kill_is_found_and_not_posted_again(
    site: Site, yard: Yard, volume: str, user: str
) -> None:
    """Slack took the first message, the bot died before it heard so; the next bot edits that message."""
    assert site.slack is not None
    bot = site.serve().connected()
    site.slack.faults.next("chat.postMessage", Fault.slow(5))
    run_id = bot.backing_up(f"{volume} --quiesce pause")
    until(lambda: site.messages_of(run_id), saying="the first message")
    assert site.rows("SELECT ts FROM messages WHERE run_id = ?", run_id)[0]["ts"] is None
    bot.kill()
    bot, told_after = come_back(site, run_id)
    assert told_after < TOLD_WITHIN_SECONDS
    refuse_remains(site, yard, run_id, user)
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_a_fresh_bot_does_not_sit_out_the_waits_of_the_one_before(house: House) -> None:
    """What failed for want of Slack is tried at once by the next bot; what Slack asked to wait for still waits."""
    outbox, minute = house.app.outbox, timedelta(minutes=1)
    failed, limited = (house.accept(from_slack(line)) for line in ("whoami", "backups"))
    for run_id in (failed, limited):
        house.ending(run_id)
    outbox.later(failed, minute, "no answer from Slack")
    outbox.later(limited, minute)
    assert outbox.behind(10) == ()
    outbox.hurry()
    assert [message.run.id for message in outbox.behind(10)] == [failed]
