"""The digest that the settings ask for, as a schedule like others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import handlers
from bot.commandline import split
from bot.errors import UsageError
from bot.model import Actor
from bot.parsing import find, parse
from bot.schedules.weekly import DIGEST, digest_schedule
from bot.stores.schedules import Kept, Schedule

SETTINGS = Actor(id="cli:settings", name="settings")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def _made(words: str, zone: str = "Asia/Seoul", channel: str = "C0OPS") -> Schedule | None:
    return digest_schedule(words, zone, channel, owner=SETTINGS, at=NOW)


@pytest.mark.parametrize("words", ["mondays at 09:00", "0 9 * * 1", "매주 월요일 9시"])
def test_it_is_posted_weekly_in_the_channel_of_alarms(words: str) -> None:
    """At the hour of the zone, openly, as the settings, and it can be carried out."""
    made = _made(words)
    assert made is not None
    assert (made.name, made.kept, made.channel, made.quiet) == (DIGEST, Kept.SETTINGS, "C0OPS", False)
    assert made.when.after(NOW) == datetime(2026, 11, 30, 0, tzinfo=UTC)
    typed = split(made.line)
    command = find(handlers.load(), typed)
    assert command.name == "digest"
    assert command.only_looks
    parse(command, typed[1:])


def test_without_words_there_is_none() -> None:
    """Whatever else is set."""
    assert _made(" ") is None


@pytest.mark.parametrize(
    ("words", "zone", "channel", "said"),
    [
        ("mondays at 09:00", "UTC", "", "has to be posted somewhere"),
        ("sometimes", "UTC", "C0OPS", "is no time that something could be due at"),
        ("daily at 03:00 backup pgdata", "UTC", "C0OPS", "“backup pgdata” stands behind"),
        ("daily", "Asia/Soul", "C0OPS", "did you mean Asia/Seoul"),
    ],
)
def test_what_cannot_be_is_said(words: str, zone: str, channel: str, said: str) -> None:
    """So that settings with it are refused when they are read."""
    with pytest.raises(UsageError, match=said):
        _made(words, zone, channel)
