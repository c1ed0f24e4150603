"""A workplace for each test, checked afterwards: nothing half done, everything told once, Slack's rules kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.playground import Playground
from bot.slack import delivery
from tests.slack.scopes import SCOPES
from tests.slack.workplace import Workplace
from tests.support import canaries


@pytest.fixture
def scopes() -> frozenset[str]:
    """What the bot's token may do: exactly what its manifest asks for; tests parametrize it."""
    return SCOPES


@pytest.fixture
def playground(scopes: frozenset[str]) -> Iterator[Playground]:
    """A Slack that enforces its rate limits."""
    with Playground(scopes=scopes, credentials=canaries.SLACK) as started:
        yield started
        canaries.refuse_told(started)


@pytest.fixture
def between_edits(monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """The pause between two edits of a message, shorter than in earnest; one test has the real one."""
    pause = timedelta(seconds=0.4)
    monkeypatch.setattr(delivery, "_BETWEEN_EDITS", pause)
    return pause


@pytest.fixture
def closed(
    playground: Playground, tmp_path: Path, request: pytest.FixtureRequest, between_edits: timedelta
) -> Workplace:
    """A workplace whose bot has not been built yet; Socket Mode unless a test asks for `http`."""
    assert between_edits
    return Workplace(playground, tmp_path / "state", http=getattr(request, "param", "socket") == "http")


@pytest.fixture
def work(closed: Workplace) -> Iterator[Workplace]:
    """A workplace with the bot at work; afterwards everything must be true."""
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.engine.faults.go_on.set()
        closed.close()
