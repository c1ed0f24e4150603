"""Every listener that is registered with Bolt goes through the one gate, and the gate stores before it acknowledges."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App, BoltContext

import handlers
from bot.errors import StoreError
from bot.model import Actor, Place
from bot.serve import Bot
from bot.slack.gate import RUN, Answer, Gate
from tests.fakes import FakeEngine
from tests.support.house import settings


def ungated(app: App, gate: Gate) -> list[str]:
    """The names of listeners that Bolt would call past the gate."""
    heard = [*app._listeners]
    assert heard, "nothing is listened to"
    return [
        listener.ack_function.__qualname__
        for listener in heard
        if listener.ack_function not in gate.listeners or list(listener.lazy_functions)
    ]


@pytest.fixture
def bot(tmp_path: Path) -> Any:
    """The whole bot, built and not started."""
    tokens = {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
    }
    made = Bot(settings(tmp_path / "state", **tokens), handlers.load(), engines={"local": FakeEngine()})
    yield made
    made.stop()


def test_every_listener_goes_through_the_gate(bot: Any) -> None:
    """Nothing that Slack sends reaches the bot beside it."""
    assert ungated(bot.slack.bolt, bot.slack.gate) == []
    assert len(bot.slack.bolt._listeners) == len(bot.slack.gate.listeners) >= 11


def test_a_listener_beside_the_gate_is_noticed(bot: Any) -> None:
    """The check above fails for a listener that was registered with Bolt itself."""

    @bot.slack.bolt.event("message")  # type: ignore[untyped-decorator]
    def beside(body: Any) -> None:
        del body

    assert [name.rpartition(".")[2] for name in ungated(bot.slack.bolt, bot.slack.gate)] == ["beside"]


def test_what_cannot_be_stored_is_not_acknowledged() -> None:
    """The ack comes after the run is stored, with its id left for the door; without it there is none."""
    happened: list[Any] = []

    def accept(invocation: Any) -> str:
        happened.append(("stored", invocation.line))
        if invocation.line == "whoami":
            raise StoreError("the database is away")
        return "7f3a2c1b"

    gate = Gate(accept, lambda: datetime(2026, 11, 24, tzinfo=UTC), lambda _: None)

    def translate(body: Any) -> Answer:
        place = Place(channel="C0OPS", user="U0ANN")
        actor = Actor(id="U0ANN", name="ann")
        return gate.stored(gate.invocation(line=body["text"], actor=actor, key="k", place=place))

    listen = gate.listener(translate)
    context = BoltContext({})
    listen({"text": "help"}, lambda **said: happened.append(("acked", said)), context)
    assert happened == [("stored", "help"), ("acked", {})]
    assert context[RUN] == "7f3a2c1b"
    with pytest.raises(StoreError):
        listen({"text": "whoami"}, lambda **said: happened.append(("acked", said)), context)
    assert happened[-1] == ("stored", "whoami")
