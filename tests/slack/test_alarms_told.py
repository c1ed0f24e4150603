"""Alarms as people in Slack see them: once in the channel, again a day later, once when over, with their buttons."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.alarms import watch
from bot.model import Status
from bot.playground import Message
from tests.slack.reading import buttons_of, signature_of, words_of
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

ALARMS = '\n[alarms]\nchannel = "C0OPS"\nmax_age_hours = 26\nages = { "other*" = 0 }\n'


def _told(work: Workplace) -> list[Message]:
    return [
        message
        for message in work.world.messages("C0OPS")
        if message.user == BOT_USER and "asked by shipkeeper" in signature_of(message)
    ]


def _look_until(work: Workplace, number: int) -> list[Message]:
    """Look thrice, as in three minutes; so many messages must be there, and no more."""
    for _ in range(3):
        work.bot.app.alarms.look()
        work.ahead += timedelta(minutes=1)
    wait_for(lambda: len(_told(work)) >= number, saying=f"message {number}")
    work.wait_until_quiet()
    assert len(_told(work)) == number
    return _told(work)


def test_a_backup_that_is_too_old_is_told(closed: Workplace) -> None:
    """Once, openly; a day later again, by another process; a press of its button ends it, and that is told once."""
    closed.more_toml = ALARMS
    closed.open()
    try:
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
        closed.ahead += timedelta(hours=25)
        _look_until(closed, 0)
        closed.ahead += timedelta(hours=1)
        (first,) = _look_until(closed, 1)
        assert "1 alarm:" in words_of(first)
        assert "The newest verified backup of pgdata on local was begun" in words_of(first)
        assert "❌" in words_of(first)
        assert buttons_of(first) == ["Back up pgdata", "Open alarms"]

        closed.restart()
        _look_until(closed, 1)
        closed.ahead += timedelta(hours=24)
        second = _look_until(closed, 2)[1]
        assert "1 alarm stays:" in words_of(second)

        closed.told(closed.press(second, "Back up pgdata"), Status.SUCCEEDED)
        third = _look_until(closed, 3)[2]
        assert "1 alarm is over:" in words_of(third)
        closed.refuse_untrue()
    finally:
        closed.close()


def test_names_of_volumes_call_nobody(closed: Workplace) -> None:
    """What a host calls its volumes is text of strangers, in an alarm, too."""
    closed.more_toml = ALARMS
    closed.engine.add_volume("x<!channel>*_", {"a": b"1"})
    closed.open()
    try:
        (first,) = _look_until(closed, 1)
        assert "2 volumes on local have neither a verified backup" in words_of(first)
        closed.refuse_untrue()
    finally:
        closed.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_that_died_shows(closed: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw ends the thread: the bot is not ready, the channel is told once, the heart stops."""
    monkeypatch.setattr(watch, "_EVERY_SECONDS", 0.05)
    closed.more_toml = ALARMS
    beats: list[int] = []
    bot = closed.open()
    try:
        wait_for(lambda: len(_told(closed)) == 1, saying="the first look")
        monkeypatch.setattr(bot.app.heartbeat, "beat", lambda: beats.append(1))
        bot.app.beat()
        assert (_ready(closed)["alarms"], beats) == (True, [1])
        bot.app.alarms.watch_itself()
        assert len(_told(closed)) == 1

        def broken(*_: object) -> object:
            raise RuntimeError("nobody foresaw this")

        monkeypatch.setattr(bot.app.alarms._hosts, "ask", broken)
        thread = bot.app.alarms._thread
        assert thread is not None
        thread.join(10)
        assert not bot.app.alarms.is_well
        bot.app.beat()
        assert beats == [1]
        wait_for(lambda: not _ready(closed)["alarms"], saying="that it is not ready")
        for _ in range(3):
            bot.app.alarms.watch_itself()
        wait_for(lambda: len(_told(closed)) == 2, saying="the alarm")
        closed.wait_until_quiet()
        assert "Nobody looks any more whether volumes are protected" in words_of(_told(closed)[1])
        monkeypatch.undo()
        closed.restart()
        last = _look_until(closed, 3)[2]
        assert "1 alarm is over:" in words_of(last)
    finally:
        closed.close()


def test_metrics_tell_of_alarms_and_ages(closed: Workplace) -> None:
    """Open alarms by kind, the age of each newest verified backup, and schedules that fire."""
    closed.more_toml = ALARMS
    bot = closed.open()
    try:
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
        closed.ahead += timedelta(hours=27)
        bot.app.alarms.look()
        said = _asked(closed, "metrics", str)
        assert 'shipkeeper_alarms{kind="stale"} 1.0' in said
        assert 'shipkeeper_alarms{kind="host"} 0.0' in said
        assert 'shipkeeper_schedules{kind="on"} 0.0' in said
        (line,) = [
            line for line in said.splitlines() if line.startswith("shipkeeper_last_verified_age_seconds{")
        ]
        assert '{host="local",volume="pgdata"}' in line
        assert 27 * 3600 <= float(line.rsplit(" ", 1)[1]) < 27 * 3600 + 120
    finally:
        closed.close()


def _ready(work: Workplace) -> dict[str, bool]:
    found: dict[str, bool] = _asked(work, "readyz", json.loads)
    return found


def _asked(work: Workplace, path: str, made_of: Callable[[str], object]) -> object:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{work.port}/{path}", timeout=5) as answer:
            return made_of(answer.read().decode())
    except urllib.error.HTTPError as error:
        return made_of(error.read().decode())
