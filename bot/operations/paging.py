"""Long lists page by page: which rows are shown, the sentence about it, and buttons for the pages beside it.

Must not know what is listed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from bot.errors import NotFound
from bot.language import say, say_count
from bot.model import Button

T = TypeVar("T")
_FLAG = "--page"


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some rows of all: page `number` of `pages`, which begins behind `before` rows."""

    rows: tuple[T, ...]
    number: int
    pages: int
    total: int
    before: int

    def in_words(self, count: str) -> str:
        """Which are shown of so many in words: `41 volumes; 21 to 40 are shown, page 2 of 3.`"""
        if self.pages <= 1:
            return f"{count}."
        last = self.before + len(self.rows)
        return say(
            "{count}; {first} to {last} are shown, page {number} of {pages}.",
            count=count,
            first=self.before + 1,
            last=last,
            number=self.number,
            pages=self.pages,
        )

    def buttons(self, words: Sequence[str]) -> tuple[Button, ...]:
        """One for the page before and one for the next, where there are such; `words` are the line's own."""
        offered = []
        if self.number > 1:
            offered.append(Button(label=say("Previous page"), line=line_for(words, self.number - 1)))
        if self.number < self.pages:
            offered.append(Button(label=say("Next page"), line=line_for(words, self.number + 1)))
        return tuple(offered)


def page_of(found: Sequence[T], *, limit: str, number: str) -> Page[T]:
    """The rows of that page, `limit` a page, both as typed; raises NotFound for a page behind the last one."""
    size, wanted = int(limit), int(number)
    pages = max(1, -(-len(found) // size))
    if wanted > pages:
        raise NotFound(
            say_count(
                "There is only one page of these, so none with the number {wanted}. Nothing was changed.",
                "There are only {number} pages of these, so none with the number {wanted}. Nothing was changed.",
                pages,
                wanted=wanted,
            )
        )
    before = (wanted - 1) * size
    rows = tuple(found[before : before + size])
    return Page(rows=rows, number=wanted, pages=pages, total=len(found), before=before)


def line_for(words: Sequence[str], number: int) -> str:
    """The same command line for another page; the first word is the command's name."""
    kept = list(_without_page(words))
    return shlex.join([*kept[:1], _FLAG, str(number), *kept[1:]])


def fits(name: str, pattern: str | None) -> bool:
    """Whether it is that name, in which * stands for any characters and ? for one; without a pattern every one is."""
    return pattern is None or fnmatchcase(name, pattern.replace("[", "[[]"))


def left_out(count: int) -> str:
    """What is said of rows that the asker may not see."""
    if not count:
        return ""
    return " " + say_count(
        "{number} more is not shown, for your roles do not reach them.",
        "{number} more are not shown, for your roles do not reach them.",
        count,
    )


def _without_page(words: Sequence[str]) -> Iterator[str]:
    at, ends = 0, list(words).index("--") if "--" in words else len(words)
    while at < len(words):
        if at < ends and words[at] == _FLAG:
            at += 2
        elif at < ends and words[at].startswith(f"{_FLAG}="):
            at += 1
        else:
            yield words[at]
            at += 1
