"""The real timer is watched: when its loop dies the channel hears of it once, /readyz shows it, the heartbeat stops."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from bot.schedules import timer
from tests.slack.reading import signature_of, words_of
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for
from tests.support.scripted_http import Said, ScriptedHttp

pytestmark = pytest.mark.slack

ALARMS = """
[alarms]
channel = "C0OPS"
unprotected = false
heartbeat = "http://{host}/heart"
heartbeat_seconds = 5
"""


def _told(work: Workplace) -> list[str]:
    return [
        words_of(message)
        for message in work.world.messages("C0OPS")
        if message.user == BOT_USER and "asked by shipkeeper" in signature_of(message)
    ]


def _look(work: Workplace, number: int) -> list[str]:
    for _ in range(3):
        work.bot.app.alarms.look()
        work.ahead += timedelta(minutes=1)
    wait_for(lambda: len(_told(work)) >= number, saying=f"message {number}")
    work.wait_until_quiet()
    assert len(_told(work)) == number
    return _told(work)


def _ready(work: Workplace) -> dict[str, bool]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{work.port}/readyz", timeout=5) as answer:
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        return dict(json.loads(error.read()))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_timer_that_died_is_told(
    closed: Workplace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the channel, by /readyz and by the silence of the heartbeat; a new process announces the recovery."""
    assert tmp_path
    monkeypatch.setattr(timer, "_COMPARE_SECONDS", 0.05)
    with ScriptedHttp(lambda _: Said()) as outside:
        closed.more_toml = ALARMS.format(host=outside.host)
        bot = closed.open()
        try:
            wait_for(lambda: len(outside.asked) >= 2, seconds=20, saying="two beats of the heart")
            _look(closed, 0)
            assert _ready(closed)["scheduler"]

            def broken() -> None:
                raise RuntimeError("nobody foresaw this")

            bot.timer.on_beat.insert(0, broken)
            wait_for(lambda: not bot.timer.is_alive, saying="the end of the timer")
            beats = len(outside.asked)
            (first,) = _look(closed, 1)
            assert "The scheduler has stopped" in first
            wait_for(lambda: not _ready(closed)["scheduler"], saying="that it is not ready")
            assert _ready(closed)["alarms"]
            assert len(outside.asked) - beats <= 1

            closed.restart()
            assert "1 alarm is over" in _look(closed, 2)[1]
            wait_for(lambda: len(outside.asked) > beats + 1, seconds=20, saying="the heart again")
        finally:
            closed.close()
