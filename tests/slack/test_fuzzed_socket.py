"""Socket Mode under frames that are no envelopes: the connection lasts or comes back, nothing runs, commands work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from bot.model import Status
from bot.slack.envelopes import envelope_in
from tests.slack.recorded import recorded
from tests.slack.workplace import Workplace
from tests.support.effort import drawn_seed
from tests.support.fuzzed import Fuzz, deep
from tests.support.house import wait_for
from tests.support.logged import logged

pytestmark = pytest.mark.slack

FRAMES = int(os.environ.get("SHIPKEEPER_FUZZ", "1000"))
SEED = drawn_seed()
AT_ONCE = 100
"""The SDK's reader calls itself for each frame that came meanwhile: a thousand at once cost the connection."""
_ODD = (
    "{",
    "}",
    "null",
    "[]",
    '"hello"',
    "5",
    "{}",
    '{"type": 5}',
    '{"type": "x"}',
    "\0",
    "🙂",
    "ping",
    "NaN",
)
"""None is empty: of a frame of two bytes the SDK's reader (3.48) waits for more, and forgets all that came in the same
read when no more comes within three seconds. Slack sends such commands again, for nobody acknowledged them.
"""


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What is logged as an error from here on."""
    with logged() as lines:
        yield lines


def _frame(fuzz: Fuzz) -> str:
    """A frame that is not what Slack sends."""
    way = fuzz.random.randrange(6)
    if way == 0:
        return fuzz.random.choice(_ODD)
    why, payload = fuzz.payload() if fuzz.random.random() < 0.7 else fuzz.command()
    envelope = {"type": "interactive", "envelope_id": f"fuzz-{why[:20]}", "payload": payload}
    if way == 1:
        text = json.dumps(envelope)
        return text[: fuzz.random.randrange(1, len(text))]
    if way == 2:
        del envelope[fuzz.random.choice(list(envelope))]
    if way == 3:
        name = fuzz.random.choice(["type", "envelope_id"])
        envelope[name] = fuzz.random.choice([5, None, [], {}, "x" * 5_000, True, ["a"], "\0", "é"])
    if way == 4:
        return deep(fuzz.random.choice([100, 3_000]), fuzz.random)
    return json.dumps(
        {**envelope, "envelope_id": envelope.get("envelope_id", "").replace(" ", "-")}
        if way == 5
        else envelope
    )


def test_what_is_no_envelope_is_dropped(
    work: Workplace, errors: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """None of the frames makes a run, an error or an acknowledgement, and the next command is carried out."""
    good = recorded(work)
    work.wait_until_quiet()
    before = {run.id for run in work.runs()}
    fuzz, opened = Fuzz(good, SEED), work.playground.hub.opened
    turned_away = sum(work.bot.slack.refusals().values())
    for number in range(1, FRAMES + 1):
        assert work.playground.hub.send_text(_frame(fuzz))
        if number % AT_ONCE == 0 or number == FRAMES:
            wait_for(
                lambda sent=turned_away + number: sum(work.bot.slack.refusals().values()) >= sent,
                seconds=30,
                saying=f"that all of {number} frames of seed {SEED} are dropped",
            )
    assert {run.id for run in work.runs()} == before, f"seed {SEED}"
    assert not errors, f"seed {SEED}"
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    with capsys.disabled():
        print(f"\n{FRAMES} frames, seed {SEED}; {work.playground.hub.opened - opened} new connections")


def test_a_huge_frame_is_dropped(work: Workplace) -> None:
    """Megabytes in one frame are read and forgotten; the connection stays."""
    opened = work.playground.hub.opened
    assert work.playground.hub.send_text(_huge(3_000_000))
    wait_for(lambda: work.bot.slack.refusals(), seconds=30, saying="the refusal")
    assert not work.runs()
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    assert work.playground.hub.opened == opened


def test_a_frame_that_cannot_be_read_costs_the_connection_alone(work: Workplace) -> None:
    """What is too much for the SDK's reader brings a new connection, and the next command is carried out."""
    socket: Any = work.bot.slack._socket
    socket.client.receive_buffer_size = 64
    opened = work.playground.hub.opened
    work.playground.drop_sockets()
    wait_for(
        lambda: work.playground.hub.opened > opened, saying="a connection that reads so little at a time"
    )
    work.wait_until_connected()
    opened = work.playground.hub.opened
    socket.client.receive_buffer_size = 1 << 16
    assert work.playground.hub.send_text(_huge(200_000))
    wait_for(lambda: work.playground.hub.opened > opened, seconds=30, saying="the next connection")
    work.wait_until_connected()
    assert not work.runs()
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def _huge(size: int) -> str:
    payload = {"command": "/backup", "user_id": "U0ANN", "channel_id": "C0OPS", "trigger_id": "1.1.x"}
    return json.dumps(
        {"type": "slash_commands", "envelope_id": "huge", "payload": {**payload, "text": "x" * size}}
    )


def test_thousands_at_once_cost_the_connection_at_most(work: Workplace) -> None:
    """Whether the reader gets through them or gives the socket up: soon commands arrive again."""
    for _ in range(5_000):
        work.playground.hub.send_text("{}")
    heard: list[Status] = []

    def arrives() -> bool:
        delivery = work.playground.slash("/docker", "whoami")
        wait_for(lambda: delivery.acked_at or delivery.error, saying="an answer of either kind")
        heard.extend([work.ended(delivery, Status.SUCCEEDED).status] if delivery.error is None else [])
        return bool(heard)

    wait_for(arrives, seconds=30, saying="a command that is carried out")


def test_an_odd_goodbye_brings_a_new_connection(work: Workplace) -> None:
    """A disconnect message whose reason makes no sense is a disconnect message all the same."""
    for odd in ({"reason": 5}, {"reason": ["x"]}, {"debug_info": "x", "payload": "y"}):
        opened = work.playground.hub.opened
        work.playground.hub.send_text(json.dumps({"type": "disconnect", **odd}))
        wait_for(lambda opened=opened: work.playground.hub.opened > opened, saying="the next connection")
        work.wait_until_connected()
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def test_nobody_is_counted_who_is_never_told(work: Workplace) -> None:
    """Slack's own words with an id, and an envelope behind a blank: nobody seems to wait for ever, and work goes on."""
    hub, good = work.playground.hub, next(one for one in recorded(work) if "command" in one.payload)
    hub.send_text(json.dumps({"type": "hello", "envelope_id": "a-b-c"}))
    envelope = {"type": "slash_commands", "envelope_id": "d-e-f", "payload": good.payload}
    hub.send_text(f" {json.dumps({**envelope, 'accepts_response_payload': True})}")
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    wait_for(lambda: not work.bot.app.crowd.is_there, saying="an empty door")


def test_what_slack_sends_is_taken_in(work: Workplace) -> None:
    """Every kind of payload, and Slack's words about the socket itself, pass."""
    for one in recorded(work):
        envelope = {
            "type": "x",
            "envelope_id": "a-b-c",
            "payload": one.payload,
            "accepts_response_payload": True,
        }
        assert envelope_in(json.dumps(envelope)) == envelope
    for about in ({"type": "hello", "num_connections": 1}, {"type": "disconnect", "reason": "warning"}):
        assert envelope_in(json.dumps(about)) == about
