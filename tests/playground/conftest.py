"""A playground for each test, and a real Bolt app connected to it over Socket Mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playground_wire import Bot, client_of, connected_bot
from slack_sdk import WebClient

from bot.playground import Playground


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """slack_sdk sends even loopback traffic through a proxy named in the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def playground() -> Iterator[Playground]:
    """A started playground with Slack's rate limits off."""
    with Playground(enforce_rates=False) as started:
        yield started


@pytest.fixture
def client(playground: Playground) -> WebClient:
    """A client with the bot's token that never retries."""
    return client_of(playground)


@pytest.fixture
def bot(playground: Playground) -> Iterator[Bot]:
    """The small Bolt app, connected by one socket."""
    with connected_bot(playground) as connected:
        yield connected
