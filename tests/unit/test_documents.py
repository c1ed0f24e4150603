"""The documents are true: links lead somewhere, commands can be typed, settings can be read, nothing is left out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bot import cli, wiring
from bot import settings as settings_room
from bot.command import Takes, parameters
from bot.commandline import split
from bot.completion.shells import MODES
from bot.language import ENGLISH, speaking
from bot.manual import commands_manual
from bot.offline import names_a_file
from bot.parsing import find, for_help, parse
from bot.schedules.settings import schedules
from bot.sections.manual import VARIABLES
from bot.settings import read
from bot.times.words import found
from tests.support import told
from tests.support.pages import ROOT, Block, Page, page, pages
from tests.support.told import COMMANDS

NOW = datetime(2027, 1, 1, tzinfo=UTC)

_PRINTING = {"manifest", "example-settings", "completion", "reference"}
_MAKE = re.compile(r"^make ([a-z-]+)$")


def _read(words: list[str]) -> Any:
    """As the road reads it, and what a schedule is to carry out as well."""
    command = find(COMMANDS, for_help(words))
    made = parse(command, for_help(words)[1:])
    if command.name == "schedule":
        (typed,) = (one.name for one in parameters(command) if one.takes is Takes.REST)
        _, rest = found(getattr(made, typed), "UTC", NOW)
        assert not find(COMMANDS, rest).needs_person
        _read(list(rest))
    return made


def _read_line(words: list[str]) -> None:
    if words[0] != "shipkeeper":
        _read(words)
    elif words[1] in MODES:
        _, known = MODES[words[1]]
        assert known or not words[2:]
        assert {word.partition("=")[0] for word in words[2:] if word.startswith("-")} <= set(known)
        choices = {word for word in known if not word.startswith("-")}
        assert not choices or words[2] in choices
    elif words[1:3] != ["audit", "verify"] or not names_a_file(words[3:]):
        _read(told.without_face(words[1:]))


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_each_link_leads_somewhere(one: Page) -> None:
    """Files that are linked to are there, and so are the headings in them."""
    dead = []
    for link in one.links:
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        to = (one.file.parent / unquote(path)).resolve() if path else one.file
        there = [other for other in pages() if other.file == to]
        if not to.exists() or (anchor and not (there and unquote(anchor) in there[0].anchors)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_each_command_can_be_typed(one: Page) -> None:
    """Each line of a block and each whole command in a sentence is read by the real command table."""
    for line in [*told.lines(one), *told.spans(one)]:
        words = told.typed(line)
        assert words, line
        _read_line(words)


def test_what_only_a_shell_has_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line that prints something without a bot does so, as it stands."""
    lines = {tuple(told.typed(line) or ()) for one in pages() for line in told.lines(one)}
    printing = [words[1:] for words in lines if words[0] == "shipkeeper" and words[1] in _PRINTING]
    assert len(printing) > 1
    for words in printing:
        assert cli.main(words, COMMANDS) == 0
        assert capsys.readouterr().out


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_each_setting_can_be_read(one: Page, tmp_path: Path) -> None:
    """Each block of settings is a file that the bot would take, with its schedules and approvals."""
    for number, block in enumerate(block for block in one.blocks if block.kind == "toml"):
        _taken(block, tmp_path / f"{number}.toml")


def _taken(block: Block, file: Path) -> None:
    file.write_text(block.text)
    secrets = dict.fromkeys(re.findall(r'(?:password_env|variable) = "(\w+)"', block.text), "hunter2")
    where = {"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(file.parent)}
    settings = read({**where, **secrets})
    schedules(settings, COMMANDS, wiring.runbooks(settings))
    wiring.approvals(settings, COMMANDS)
    named = {name for role in settings.roles.values() for name in role.commands if "*" not in name}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_each_target_of_make_is_there(one: Page) -> None:
    """Whatever is to be made has a rule in the Makefile."""
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [told.bare(line) for block in one.blocks for line in block.lines] + one.spans
    assert {match[1] for line in named if (match := _MAKE.match(line))} <= rules


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_each_file_that_is_named_is_there(one: Page) -> None:
    """Paths in the repository that stand in a sentence."""
    if one.name == "CHANGELOG.md":
        return  # of what there was
    named = {
        span for span in one.spans if re.fullmatch(r"(bot|deploy|docs|handlers|tests)/[a-z0-9_./-]+", span)
    }
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_it_looks_at_something() -> None:
    """The tests above find what they look for."""
    assert sum(len(told.lines(one)) for one in pages()) > 140
    assert sum(len(told.spans(one)) for one in pages()) > 50
    assert sum(len(one.links) for one in pages()) > 60
    assert sum(block.kind == "toml" for one in pages() for block in one.blocks) > 8


def test_what_is_generated_is_the_generated_one() -> None:
    """docs/commands.md and docs/settings.md are what `shipkeeper reference` prints."""
    with speaking(ENGLISH):
        assert page("docs/commands.md").text == commands_manual(COMMANDS.values())
    assert page("docs/settings.md").text == settings_room.manual()


def test_the_reference_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of what it is about, and by no other."""
    assert cli.main(["reference", "settings"], COMMANDS) == 0
    assert capsys.readouterr().out == settings_room.manual()
    assert cli.main(["reference", "commands"], COMMANDS) == 0
    assert capsys.readouterr().out.count("\n## ") == len(COMMANDS)
    for wrong in (["reference"], ["reference", "people"], ["reference", "commands", "settings"]):
        assert cli.main(wrong, COMMANDS) == 2
        assert "`commands` or `settings`" in capsys.readouterr().err


def test_every_variable_is_in_the_reference() -> None:
    """Each one that the code asks for by its name."""
    asked = {
        name
        for file in (ROOT / "bot" / "settings.py", ROOT / "bot" / "environment.py")
        for name in re.findall(r'"((?:SLACK|SHIPKEEPER)_[A-Z_]+|DOCKER_HOST)"', file.read_text())
    }
    assert asked == set(VARIABLES)


def test_every_page_is_in_the_table_of_contents() -> None:
    """docs/README.md leads to each page beside it, and to the folder of decisions."""
    contents = page("docs/README.md")
    beside = {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert beside <= {link.partition("#")[0] for link in contents.links}
    assert "decisions" in contents.links


def test_both_first_pages_are_alike() -> None:
    """README.ko.md has the headings, code, links and tables of README.md, in their order, and is Korean."""
    english, korean = page("README.md"), page("README.ko.md")
    assert [depth for depth, _ in english.headings] == [depth for depth, _ in korean.headings]
    assert english.blocks == korean.blocks
    swapped = {"README.md": "README.ko.md", "README.ko.md": "README.md"}
    assert english.links == [swapped.get(link, link) for link in korean.links]
    assert _firsts(english) == _firsts(korean)
    hangul = re.compile("[가-힣]")
    assert all(hangul.search(words) for depth, words in korean.headings if depth > 1)
    paragraphs = [part for part in korean.prose.split("\n\n") if part.strip() and "](" not in part]
    assert [part for part in paragraphs if not hangul.search(part) and not part.startswith("#")] == []


def _firsts(one: Page) -> list[str]:
    """The first cells of all tables that are code, and so the same in every language."""
    return re.findall(r"^\| (`.*?`) \|", one.prose, re.MULTILINE)


def test_nothing_of_a_single_machine_is_in_them() -> None:
    """No path that only one machine has."""
    assert [one.name for one in pages() if re.search(r"/var/tmp/|/home/\w|/root/", one.text)] == []


# docs/schedules.md teaches a language of times, in two languages.

SCHEDULES = page("docs/schedules.md")
_LONGEST = 120


def _times() -> list[str]:
    """The first cells of the table whose heading is `when`."""
    table = SCHEDULES.text.split("| when | means |\n")[1].split("\n\n")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines()[1:]]
    return [span for row in rows for span in re.findall(r"`([^`\n]+)`", row)]


def _told() -> list[str]:
    """Commands that stand in the midst of sentences, alone or with all their words."""
    first = {"drill", "verify", "digest", "schedule", "unschedule", "pause", "resume", "run-now"}
    bare = [span.removeprefix("/docker ").removeprefix("/") for span in SCHEDULES.spans]
    return [one for one in bare if one.split(" ")[0] in first and "…" not in one]


@pytest.mark.parametrize("line", sorted(set(_told())))
def test_each_command_about_schedules_is_one(line: str) -> None:
    """Also those that are named in passing; of a name alone the command is there."""
    _read(split(line)) if " " in line else find(COMMANDS, [line])


@pytest.mark.parametrize("words", _times())
def test_each_time_is_one(words: str) -> None:
    """In both languages, quoted and word by word."""
    assert found((words,), "Asia/Seoul", NOW)[0] == found(words.split(), "Asia/Seoul", NOW)[0]
    assert found([*words.split(), "backup", "pgdata"], "UTC", NOW)[1] == ("backup", "pgdata")


def test_schedules_are_explained_at_some_length() -> None:
    """The tests above look at something, and people read it to its end."""
    assert len(_times()) > 15
    assert len(SCHEDULES.text.splitlines()) <= _LONGEST
