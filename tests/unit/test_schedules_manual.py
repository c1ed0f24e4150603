"""docs/schedules.md is true: each of its commands is one, each of its times is one, its settings can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import handlers
from bot.command import Takes, find, parameters, parse
from bot.commandline import repair, split
from bot.settings import read
from bot.whenwords import found

MANUAL = Path(__file__).parents[2] / "docs" / "schedules.md"
TEXT = MANUAL.read_text()
NOW = datetime(2027, 1, 1, tzinfo=UTC)
_BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LONGEST = 120


def _blocks(kind: str) -> list[str]:
    return [block["text"] for block in _BLOCK.finditer(TEXT) if block["kind"] == kind]


def _times() -> list[str]:
    """The first cells of the table whose heading is `when`."""
    table = TEXT.split("| when | means |\n")[1].split("\n\n")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines()[1:]]
    return [span for row in rows for span in _SPAN.findall(row)]


def _told() -> list[str]:
    """Commands with all their words that stand in the midst of sentences; with capitals they are patterns."""
    prose = _BLOCK.sub("", TEXT)
    spans = [span.removeprefix("/docker ").removeprefix("/") for span in _SPAN.findall(prose)]
    first = {"drill", "verify", "digest", "schedule", "unschedule", "pause", "resume", "run-now"}
    return [one for one in spans if one.split(" ")[0] in first and "…" not in one]


LINES = [line for block in _blocks("") for line in block.splitlines() if line]


def _read(words: list[str]) -> Any:
    """As the road reads it, and what a schedule is to carry out as well."""
    commands = handlers.load()
    command = find(commands, words)
    made = parse(command, words[1:])
    if command.name == "schedule":
        (typed,) = (one.name for one in parameters(command) if one.takes is Takes.REST)
        _, rest = found(getattr(made, typed), "UTC", NOW)
        assert not find(commands, rest).needs_person
        _read(list(rest))
    return made


@pytest.mark.parametrize("line", LINES)
def test_each_command_is_one(line: str) -> None:
    """It can be typed as it stands, after `/docker` or as a slash command of its own."""
    assert repair(line) == line
    _read(split(line.removeprefix("/docker ").removeprefix("/")))


@pytest.mark.parametrize("line", [one for one in _told() if " " in one])
def test_each_command_in_a_sentence_is_one(line: str) -> None:
    """Also those that are named in passing."""
    _read(split(line))


@pytest.mark.parametrize("name", sorted({one for one in _told() if " " not in one}))
def test_each_named_command_is_there(name: str) -> None:
    """By its name alone."""
    find(handlers.load(), [name])


@pytest.mark.parametrize("words", _times())
def test_each_time_is_one(words: str) -> None:
    """In both languages, quoted and word by word."""
    assert found((words,), "Asia/Seoul", NOW)[0] == found(words.split(), "Asia/Seoul", NOW)[0]
    assert found([*words.split(), "backup", "pgdata"], "UTC", NOW)[1] == ("backup", "pgdata")


def test_the_settings_can_be_read(tmp_path: Path) -> None:
    """Each block of them as a file."""
    for number, block in enumerate(_blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        read({"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(tmp_path)})


def test_it_says_what_is_found_in_it() -> None:
    """The tests above look at something, and people read it to its end."""
    assert len(LINES) > 12
    assert len(_times()) > 15
    assert len(TEXT.splitlines()) <= _LONGEST
