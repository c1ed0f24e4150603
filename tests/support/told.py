"""The command lines that the documents tell people to type, found in their blocks and sentences.

A line is a command when the real command table has its first word; nothing here runs it.
"""

from __future__ import annotations

import re
import shlex

import handlers
from bot.commandline import from_slack, repair, split
from tests.support.pages import Page

COMMANDS = handlers.load()
SLASH = {"docker", *(name for name, command in COMMANDS.items() if command.slash)}
SLACKS_OWN = {"/invite"}

_TO_SHELL = re.compile(
    r"^(?:(?:\$|sudo|docker compose (?:exec|run)(?: -T| --rm)*) |-u \w+ |bot (?=shipkeeper)|\w+=\S+ "
    r"|\S*/(?=shipkeeper ))+"
)
_IN_TEXT = re.compile(
    r"^(?:/(?:docker|{slash}) |@shipkeeper |shipkeeper )".replace("{slash}", "|".join(SLASH))
)
_PLACE = re.compile(r"…|\b[A-Z]{3,}\b|\|")
"""What stands for something else: in a sentence, a command with such words is a pattern and no line."""
_BEHIND = re.compile(r"\s{2,}.*$| #(?!\S).*$")
"""What a block says about a line, behind it."""
_SHELLS_OWN = {">", ">>", "<", "|", "&&", "||", ";", "&"}
_OF_THE_FACE = {"--key", "--files"}


def bare(line: str) -> str:
    """The line without what its block says about it."""
    return _BEHIND.sub("", line)


def typed(line: str) -> list[str] | None:
    """The words of a line that is a command of the bot's, those of a shell behind `shipkeeper`; else None."""
    kept = bare(line)
    in_shell = _TO_SHELL.sub("", kept)
    if in_shell.startswith("shipkeeper "):
        words = shlex.split(in_shell, comments=True)
        return words[: next((at for at, word in enumerate(words) if word in _SHELLS_OWN), len(words))]
    if kept.startswith("@shipkeeper "):
        return _in_chat(kept.removeprefix("@shipkeeper "))
    if re.match(r"/[a-z-]+( |$)", kept) and kept.split(" ")[0] not in SLACKS_OWN:
        assert kept[1:].split(" ")[0] in SLASH, f"there is no slash command {kept}"
        return _in_chat(kept[1:].removeprefix("docker "))
    return _in_chat(kept) if kept.split(" ")[0] in COMMANDS else None


def _in_chat(line: str) -> list[str]:
    assert repair(from_slack(line)) == line
    return split(line)


def without_face(words: list[str]) -> list[str]:
    """What is left when `--json`, and `--key KEY` and `--files DIRECTORY` with their values, are taken off."""
    rest: list[str] = []
    while words:
        word, *words = words
        if word.partition("=")[0] in _OF_THE_FACE:
            words = words if "=" in word else words[1:]
        elif word != "--json":
            rest.append(word)
    return rest


def lines(one: Page) -> list[str]:
    """The lines of its blocks that are commands; bare ones, as `tag` and `cp`, only where no shell's lines are."""
    return [
        line
        for block in one.blocks
        for line in block.lines
        if block.kind != "toml" and typed(line) and (not block.kind or line.split(" ")[0] not in COMMANDS)
    ]


def spans(one: Page) -> list[str]:
    """What stands in the midst of a sentence, where one word is a command's name, or begins the row of a table."""
    first = set(re.findall(r"^\| `([^`\n]+)` \|", one.prose, re.MULTILINE))
    found = [span for span in one.spans if _IN_TEXT.match(span) and not _PLACE.search(span)]
    named = {span for span in found if span.removeprefix("shipkeeper ").removeprefix("/docker ") in COMMANDS}
    return [span for span in found if span not in named - first]
