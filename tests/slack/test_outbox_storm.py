"""Many runs told over a Slack that refuses a third of all calls: each result once, and no call before its time.

The clock of both sides is simulated, so that minutes of waiting take none.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot.model import Button, Place, Plan, Status
from bot.playground import Channel, Fault, Playground
from bot.slack.delivery import Delivery
from bot.slack.rates import Budget
from bot.stores.claims import Claim
from tests.slack.reading import buttons_of, signature_of
from tests.stores.bench import Bench
from tests.support.effort import drawn_seed
from tests.support.house import from_slack
from tests.support.migrated import put_database

pytestmark = pytest.mark.slack

RUNS = int(os.environ.get("SHIPKEEPER_TOLD_RUNS", "100"))
CHANNELS = tuple(f"C0OPS{number}" for number in range(20))
ENDINGS = (Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED)
ROUND_SECONDS = 1.0
LONGEST_ROUNDS = 20_000


class Storm:
    """Which fault a call meets: 30 % are told to wait, 5 % break, half of those after Slack had done it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.counts: Counter[str] = Counter()

    def take(self, method: str) -> Fault | None:
        """Stands for `Faults.take`."""
        dice = self._chance.random()
        if dice < 0.30:
            fault = Fault.rate_limited(self._chance.randint(1, 30))
        elif dice < 0.325:
            fault = Fault.status(500)
        elif dice < 0.35:
            fault = Fault.reset_after_store()
        else:
            return None
        self.counts[f"{method} {fault.kind.value}"] += 1
        return fault


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """The stores, with a clock that only the test moves."""
    put_database(tmp_path / "shipkeeper.db")
    bench = Bench(f"sqlite:///{tmp_path / 'shipkeeper.db'}")
    yield bench
    bench.close()


@pytest.fixture
def slack(bench: Bench) -> Iterator[Playground]:
    """A Slack on the same clock, with a channel for every few runs."""
    with Playground(clock=lambda: bench.now.timestamp()) as started:
        people = started.world.channels["C0OPS"].members
        for channel in CHANNELS:
            started.add_channel(Channel(id=channel, name=channel.lower(), members=people))
        yield started


def asked(bench: Bench, number: int) -> Claim:
    """A backup at work, asked for in one of the channels."""
    place = Place(channel=CHANNELS[number % len(CHANNELS)], user="U0ANN")
    run = bench.submit(replace(from_slack(f"backup volume{number}"), at=bench.now, place=place))
    claim = bench.passed_on(run)
    plan = Plan(text="Back it up.", targets=(f"volume:volume{number}",))
    bench.claims.start(claim, plan, bench.event(run, "started"))
    return claim


def test_every_result_is_told_once_and_nothing_is_sent_too_early(
    bench: Bench, slack: Playground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs begin and end in any order over the storm; afterwards each message tells its ending, once."""
    seed = drawn_seed()
    chance = random.Random(seed)
    storm = Storm(chance)
    client = WebClient(token=slack.bot_token, base_url=slack.api_url, timeout=10, retry_handlers=[])
    delivery = Delivery(client, bench.outbox, bench.runs, bench.clock)
    delivery._budget = Budget(monotonic=lambda: bench.now.timestamp())
    monkeypatch.setattr(slack.faults, "take", storm.take)
    at_work: list[Claim] = []
    begun = rounds = 0
    while begun < RUNS or at_work or bench.outbox.behind(1) or unsaid(bench):
        for _ in range(min(5, RUNS - begun)):
            at_work.append(asked(bench, begun))
            begun += 1
        chance.shuffle(at_work)
        for _ in range(min(len(at_work), chance.randint(0, 5))):
            claim = at_work.pop()
            bench.finish(
                claim, chance.choice(ENDINGS), Button(label="Details", line=f"details {claim.run.id}")
            )
        delivery._round()
        bench.later(ROUND_SECONDS)
        rounds += 1
        assert rounds < LONGEST_ROUNDS, f"after {rounds} rounds {unsaid(bench)} messages are still to be sent"
    refuse_wrong_telling(bench, slack)
    assert not slack.world.rate_violations
    with capsys.disabled():
        calls = len(slack.world.calls())
        print(
            f"\n{RUNS} runs told by {calls} calls (seed {seed}), {storm.counts.total()} of them met a fault:",
            end=" ",
        )
        print(dict(storm.counts))


def unsaid(bench: Bench) -> int:
    """How many messages do not tell the last word yet."""
    with bench.database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM messages WHERE closed = 0")).scalar_one())


def refuse_wrong_telling(bench: Bench, slack: Playground) -> None:
    """Each run has one message, which tells its ending and offers what its ending offers."""
    told: Counter[str] = Counter()
    for message in slack.world.messages():
        run = bench.runs.get(signature_of(message).split()[1])
        told[run.id] += 1
        assert f" {run.status.value} " in signature_of(message)
        assert buttons_of(message) == ["Details"]
    assert set(told.values()) == {1}
    assert len(told) == RUNS
