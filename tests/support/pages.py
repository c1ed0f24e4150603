"""The documents as tests read them: their headings, links, code blocks and spans. Knows nothing of the bot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^(?P<dent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=dent)```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^(#+) +(.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: the word behind its fence, and its text."""

    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines, without blank ones; what was broken with a backslash is one line."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


class Page:
    """One document; `name` is its path in the repository."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.name = file.relative_to(ROOT).as_posix()
        self.text = file.read_text()
        self.blocks = _blocks(self.text)
        self.prose = _COMMENT.sub("", _BLOCK.sub("", self.text))
        self.headings = [(len(found[1]), found[2]) for found in _HEADING.finditer(self.prose)]
        self.links = _LINK.findall(_SPAN.sub("", self.prose))
        self.spans = [span.replace("\\|", "|") for span in _SPAN.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of the headings, where a second one of the same words gets a number."""
        found: list[str] = []
        for _, words in self.headings:
            bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)
            made = re.sub(r"[^\w\- ]", "", bare.lower()).replace(" ", "-")
            found.append(f"{made}-{found.count(made)}" if made in found else made)
        return set(found)

    def under(self, words: str) -> list[Block]:
        """The blocks of the section with that heading, of depth two; raises KeyError."""
        return {part.partition("\n")[0]: _blocks(part) for part in self.text.split("\n## ")}[words]


def _blocks(text: str) -> list[Block]:
    return [
        Block(kind=found["kind"], text=_undented(found["text"], found["dent"]))
        for found in _BLOCK.finditer(text)
    ]


def _undented(text: str, dent: str) -> str:
    return "".join(line.removeprefix(dent) for line in text.splitlines(keepends=True))


@cache
def pages() -> tuple[Page, ...]:
    """Everything that people are given to read, but the licence."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
    return tuple(Page(file) for file in sorted(found))


def page(name: str) -> Page:
    """One of them, by its path in the repository."""
    return next(one for one in pages() if one.name == name)
