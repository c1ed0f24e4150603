"""Looking at Home pages in a workplace as their owners do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.playground import Delivery
from bot.slack import home
from tests.slack.workplace import Workplace
from tests.support.house import wait_for


def be_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses than in earnest."""
    monkeypatch.setattr(home, "_BETWEEN", 0.3)
    monkeypatch.setattr(home, "_PULSE_SECONDS", 0.1)
    monkeypatch.setattr(home, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(home, "_FRESH_SECONDS", 0.0)


def blocks_of(work: Workplace, user: str = "U0ANN") -> list[dict[str, Any]]:
    """What stands on somebody's page now."""
    view = work.playground.views.home(user)
    return [] if view is None else list(view.body["blocks"])


def words_on(work: Workplace, user: str = "U0ANN") -> str:
    """Everything that can be read there."""
    return json.dumps(blocks_of(work, user), ensure_ascii=False)


def opened(work: Workplace, user: str = "U0ANN") -> str:
    """Open the page, and wait until it says something."""
    before = work.playground.views.home(user)
    known = before.hash if before is not None else None
    work.acked(work.playground.open_home(user=user))

    def published() -> bool:
        now = work.playground.views.home(user)
        return now is not None and now.hash != known

    wait_for(published, saying="the page")
    return words_on(work, user)


def says(work: Workplace, said: str, user: str = "U0ANN") -> None:
    """Wait until the page says that."""
    wait_for(lambda: said in words_on(work, user), saying=f"“{said}” on the page")


def pressed(work: Workplace, label: str, user: str = "U0ANN") -> Delivery:
    """Press a button of the page."""
    view = work.playground.views.home(user)
    assert view is not None
    return work.acked(work.playground.press_in_view(view, label, user=user))


def published(work: Workplace) -> int:
    """How often a page was published."""
    return len([call for call in work.world.calls("views.publish") if call.error is None])
