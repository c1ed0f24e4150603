"""Command lines with places for values, `{table}`, and what may stand in such a place. Words only: nothing is run here.

`{{table}}` is `{table}` itself, and `${table}` is left to the shell.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bot.language import say

NAME = r"[a-z][a-z0-9_]{0,31}"
LONGEST = 1_000
"""Characters of a value."""
ORDINARY = r"[A-Za-z0-9_.:/@+=,%-]+"
"""What a text may be where no pattern says otherwise."""
_PLACE = re.compile(rf"\{{\{{({NAME})\}}\}}|(?<!\$)\{{({NAME})\}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What may be given under a name: a `text` of a pattern, an `integer`, a `choice`, or a `path`, an absolute one.

    A `secret` is never given: it comes from where the settings say, and goes to the program's environment.
    """

    name: str
    type: str = "text"
    pattern: str = ""
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()
    default: str = ""
    dash: bool = False
    secret: bool = False

    @property
    def usage(self) -> str:
        """How it is given: `table=TEXT`, in brackets when it has a default."""
        kinds = {"integer": f"{self.least}…{self.most}", "choice": "|".join(self.choices)}
        shown = f"{self.name}={kinds.get(self.type, self.type.upper())}"
        return f"[{shown}]" if self.default else shown

    def problem(self, value: str) -> str:
        """What is wrong with a value, to follow it and a colon or a verb; empty when nothing is."""
        if len(value) > LONGEST:
            return say("is longer than {most} characters", most=LONGEST)
        if self.type == "integer":
            return self._problem_of_integer(value)
        if self.type == "choice":
            return (
                ""
                if value in self.choices
                else say("is not one of {choices}", choices=", ".join(self.choices))
            )
        if value.startswith("-") and not self.dash:
            return say("begins with “-”, so the program could take it for a flag")
        if self.type == "path" and not _is_plain_path(value):
            return say("is no absolute path without “..” and superfluous slashes")
        if _CONTROL.search(value):
            return say("holds control characters")
        pattern = self.pattern or (r".+" if self.type == "path" else ORDINARY)
        return (
            "" if re.fullmatch(pattern, value) else say("does not fit the pattern {pattern}", pattern=pattern)
        )

    def _problem_of_integer(self, value: str) -> str:
        if re.fullmatch(r"-?[0-9]{1,18}", value) and self.least <= int(value) <= self.most:
            return ""
        return say("is no number from {least} to {most}", least=self.least, most=self.most)


def _is_plain_path(value: str) -> bool:
    """POSIX leaves two slashes at the beginning alone, so they have to be looked for."""
    return value.startswith("/") and not value.startswith("//") and posixpath.normpath(value) == value


def names_in(word: str) -> tuple[str, ...]:
    """The names of the places in it, in their order."""
    return tuple(match[2] for match in _PLACE.finditer(word) if match[2])


def filled(word: str, put: Callable[[str], str] | Mapping[str, str]) -> str:
    """The word with every place filled with what `put` says for its name."""
    value = put.__getitem__ if isinstance(put, Mapping) else put
    return _PLACE.sub(lambda match: value(match[2]) if match[2] else f"{{{match[1]}}}", word)


def quoted_places(line: str) -> tuple[str, ...]:
    """The names of places in a shell line that stand within quotes or behind a backslash, where values would break."""
    return tuple(dict.fromkeys(name for name, is_quoted in _places(line) if is_quoted))


def _places(line: str) -> Iterator[tuple[str, bool]]:
    quote, at = "", 0
    while at < len(line):
        sign, place = line[at], _PLACE.match(line, at)
        if place:
            if place[2]:
                yield place[2], bool(quote) or (at > 0 and line[at - 1] == "\\")
            at = place.end()
            continue
        if sign == "\\" and quote != "'" and line[at + 1 : at + 2] != "{":
            at += 1
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        at += 1
