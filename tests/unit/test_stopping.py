"""How long a stop takes: the grace once, and whoever kills the process waits for longer than that."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

import bot.queue
from bot.sections import LimitsSection
from tests.fakes import FakeEngine
from tests.support.house import built, from_slack, settings, wait_for

_DEPLOY = Path(__file__).parents[2] / "deploy"


def test_work_that_does_not_end_gets_the_grace_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the bot is told to stop, as it is by each of its parts."""
    monkeypatch.setattr(bot.queue, "_LAST_SECONDS", 0.5)
    free = threading.Event()
    with built(settings(tmp_path / "state"), {"local": FakeEngine()}) as app:
        assert app.sole.take("serve")
        app.queue.may_execute = app.sole.keep
        app.queue.start(lambda *_: free.wait(60))
        app.dispatcher.accept(from_slack("whoami"), told=True)
        wait_for(app.queue.workers, saying="the work")
        began = time.monotonic()
        app.queue.stop(1.0)
        once = time.monotonic() - began
        app.queue.stop(1.0)
        twice = time.monotonic() - began
        assert app.queue.workers()
        free.set()
    assert once >= 1.5
    assert twice - once < 0.5


@pytest.mark.parametrize(
    ("file", "limit"),
    [("shipkeeper.service", r"^TimeoutStopSec=(\d+)$"), ("compose.yaml", r"^ +stop_grace_period: (\d+)s$")],
)
def test_nobody_is_killed_within_the_grace(file: str, limit: str) -> None:
    """Both ways to deploy wait for the grace and 20 seconds more, as the settings' manual says."""
    (seconds,) = re.findall(limit, (_DEPLOY / file).read_text(), re.MULTILINE)
    grace = LimitsSection.model_fields["grace"]
    assert int(seconds) == grace.default + 20
    assert "20 more" in str(grace.description)
