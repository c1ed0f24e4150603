"""What could follow in a shell: the words of a command line so far, and how each candidate is written there.

The shells' own scripts are in `bot/shells/`; this room must not know how any of them shows what it is given. It asks
`Completion`, as Slack's type-ahead does, so that the same things are offered to the same people.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot import words as wording
from bot.command import Command, Parameter, Takes, parameters
from bot.completion import Asking, Candidate, Completion
from bot.language import later, say
from bot.model import Actor, Origin
from bot.sources import Source
from bot.times.kinds import WhenAndCommand

MODES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "serve": (later("run the bot"), ()),
    "demo": (later("try it on this machine"), ("--script",)),
    "manifest": (later("print the Slack app manifest"), ("--format", "--url")),
    "example-settings": (later("print a settings file with every key"), ()),
    "reference": (later("print the manual of commands or settings"), ("commands", "settings")),
    "completion": (later("print what makes a shell complete command lines"), ("bash", "zsh", "fish")),
    "state": (later("back up what the bot knows, and put it back"), ("backup", "restore")),
}
"""What only a shell has: what it does, and the words that it takes."""

_OF_THE_SHELL = {
    "--json": later("print the outcome as JSON"),
    "--key": later("the same key always means the same run"),
    "--files": later("the directory for files that come with an answer"),
}
_FORMATS = ("json", "yaml")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Files(StrEnum):
    """Which names of this machine's files could stand there as well; the shell itself knows those."""

    NONE = "none"
    FILES = "files"
    DIRECTORIES = "directories"


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Whole words, each with what is said about it, and whether files could be meant."""

    words: tuple[tuple[str, str], ...] = ()
    files: Files = Files.NONE

    @property
    def text(self) -> str:
        """For a shell to read: what files could be meant, then a line for each word, a tab before what is said."""
        return "".join(f"{line}\n" for line in (self.files, *("\t".join(word) for word in self.words)))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in a command line somebody is: the parameter whose value is typed, if it is one, and what was given."""

    value_of: Parameter | None
    given: frozenset[str]
    host: str | None
    takes_flags: bool
    rest: tuple[str, ...]
    """What the last parameter swallowed so far."""


@dataclass(frozen=True)
class Shells:
    """Answers shells. `seconds` is how long a place may be waited for that has not been looked at lately."""

    completion: Completion
    commands: Mapping[str, Command]
    seconds: float

    def offers(self, line: Sequence[str], user: str) -> Offers:
        """What could stand in the place of the last word, which was begun or is empty.

        `line` holds the words behind the program's name, quoted as they were typed; `user` is the machine's.
        """
        *before, typed = [_unquoted(word) for word in line] or [""]
        left, open_flag = _without_the_shells(before)
        if open_flag or typed.startswith(("--key=", "--files=")):
            is_files = (open_flag or typed).startswith("--files")
            return Offers(files=Files.DIRECTORIES if is_files else Files.NONE)
        asking = Asking(
            actor=Actor(id=f"cli:{user}", name=user),
            origin=Origin.CLI,
            channel=None,
            command=self.commands["help"],
        )
        if not left:
            return _fitting(self._first_words(asking, typed), typed)
        if left[0] in MODES:
            return _fitting(_of_mode(left), typed)
        command = self.commands.get(left[0])
        if command is None or not self.completion.may_use(replace(asking, command=command)):
            return Offers()
        if left[:2] == ["audit", "verify"] and not typed.startswith("-"):
            return Offers(files=Files.FILES)
        return self._within(replace(asking, command=command), left[1:], typed)

    def _first_words(self, asking: Asking, typed: str) -> Iterator[tuple[str, str]]:
        if typed.startswith("-"):
            yield from (("--help", say("how to use it")), ("--version", say("print the version")))
            return
        yield from ((one.name, say(one.summary)) for one in self.completion.usable(asking))
        yield from ((name, say(summary)) for name, (summary, _) in MODES.items())

    def _within(self, asking: Asking, before: Sequence[str], typed: str) -> Offers:
        known = parameters(asking.command)
        place = _place(known, before)
        asking = replace(asking, host=place.host)
        if place.value_of is not None and place.value_of.kind is WhenAndCommand:
            return self._scheduled(asking, place.rest, typed)
        if place.takes_flags and typed.startswith("-"):
            flag, equals, letters = typed.partition("=")
            named = next((one for one in known if one.flag == flag and not one.positional), None)
            if named and equals:
                return self._values(asking, named, letters, before=f"{flag}=")
        if place.value_of is None or (place.takes_flags and typed.startswith("-")):
            return _fitting(_flags(known, place) if place.takes_flags else (), typed)
        return self._values(asking, place.value_of, typed)

    def _scheduled(self, asking: Asking, rest: Sequence[str], typed: str) -> Offers:
        """A command line within one: behind the words that say when."""
        at = next((at for at, word in enumerate(rest) if word in self.commands), None)
        if at is not None:
            inner = replace(asking, command=self.commands[rest[at]], host=None)
            may = self.completion.may_use(inner) and not inner.command.needs_person
            return self._within(inner, rest[at + 1 :], typed) if may else Offers()
        able = (one for one in self.completion.usable(asking) if rest and not one.needs_person)
        return _fitting(((one.name, say(one.summary)) for one in able), typed)

    def _values(self, asking: Asking, parameter: Parameter, letters: str, *, before: str = "") -> Offers:
        if parameter.choices:
            return _fitting(((f"{before}{choice}", "") for choice in parameter.choices), before + letters)
        is_copied = not parameter.sources and asking.command.at_home is not None and parameter.positional
        if is_copied:
            parameter = replace(parameter, sources=(Source.CONTAINER,))
        self.completion.await_fresh(asking, parameter, self.seconds)
        name = letters.partition(":")[0] if is_copied else letters
        found = self.completion.fitting(asking, parameter, name)
        offered = [(f"{word}:/" if is_copied else word, about) for word, about in _written(found, name)]
        offers = _fitting(((before + word, about) for word, about in offered), before + letters)
        return replace(offers, files=Files.FILES) if is_copied else offers


@dataclass
class _Walk:
    """Goes along the words as the parser does, and is never wrong-footed by what it would refuse."""

    flags: Mapping[str, Parameter]
    positional: list[Parameter]
    open_flag: Parameter | None = None
    only_words: bool = False
    host: str | None = None
    given: set[str] = field(default_factory=set)
    rest: list[str] = field(default_factory=list)

    def take(self, word: str) -> None:
        """One more word that was typed."""
        if self.open_flag is not None:
            self._value(self.open_flag, word)
            self.open_flag = None
        elif word == "--" and not self.only_words:
            self.only_words = True
        elif word.startswith("-") and len(word) > 1 and not self.only_words:
            name, equals, value = word.partition("=")
            flag = self.flags.get(name)
            if flag is not None and not flag.is_switch and not equals:
                self.open_flag = flag
            elif flag is not None:
                self._value(flag, value)
        elif self.positional:
            parameter = self.positional[0]
            self._value(parameter, word)
            if parameter.takes is Takes.REST:
                self.only_words = True
                self.rest.append(word)
            if parameter.takes is Takes.ONE:
                self.positional.pop(0)

    def _value(self, parameter: Parameter, value: str) -> None:
        self.given.add(parameter.name)
        if parameter.flag == "--host":
            self.host = value


def _place(known: Iterable[Parameter], before: Sequence[str]) -> _Place:
    every = tuple(known)
    walk = _Walk(
        flags={one.flag: one for one in every if not one.positional},
        positional=[one for one in every if one.positional],
    )
    for word in before:
        walk.take(word)
    return _Place(
        value_of=walk.open_flag or next(iter(walk.positional), None),
        given=frozenset(walk.given),
        host=walk.host,
        takes_flags=walk.open_flag is None and not walk.only_words,
        rest=tuple(walk.rest),
    )


def _flags(known: Iterable[Parameter], place: _Place) -> Iterator[tuple[str, str]]:
    """Those that may still be given."""
    for one in known:
        if not one.positional and (one.name not in place.given or one.takes is not Takes.ONE):
            yield one.flag, one.help
    yield from ((flag, say(about)) for flag, about in _OF_THE_SHELL.items())


def _of_mode(left: Sequence[str]) -> Iterator[tuple[str, str]]:
    name, *rest = left
    if name == "manifest" and rest[-1:] == ["--format"]:
        yield from ((one, "") for one in _FORMATS)
    elif not rest or name == "manifest":
        yield from ((word, "") for word in MODES[name][1] if word not in rest)


def _without_the_shells(before: Sequence[str]) -> tuple[list[str], str]:
    """The line without what concerns only a shell, and the flag of those whose value comes next."""
    left, rest = list(before), list[str]()
    while left:
        word = left.pop(0)
        if word == "--":
            return [*rest, word, *left], ""
        if word in ("--key", "--files"):
            if not left:
                return rest, word
            left.pop(0)
        elif word != "--json" and not word.startswith(("--key=", "--files=")):
            rest.append(word)
    return rest, ""


def _written(found: Iterable[Candidate], letters: str) -> Iterator[tuple[str, str]]:
    """A shell only goes on with what was typed: what cannot be written so that it begins with that is left out."""
    for one in found:
        word = next((way for way in (one.value, one.long) if way and way.startswith(letters)), None)
        if word is not None:
            named = one.label.removeprefix(one.value).removeprefix(" · ") if one.label else ""
            yield word, " · ".join(part for part in (named, one.about) if part)


def _fitting(offered: Iterable[tuple[str, str]], typed: str) -> Offers:
    """Those that go on with what was typed, with nothing in them that could steer a terminal."""
    words = tuple(
        (word, " ".join(wording.harmless(about).split()))
        for word, about in offered
        if word.startswith(typed) and not _INVISIBLE.search(word)
    )
    return Offers(words=words)


def _unquoted(word: str) -> str:
    """The word as the program will get it; a quote that is still open is taken off."""
    for closed in (word, f"{word}'", f'{word}"'):
        try:
            return "".join(shlex.split(closed)[:1])
        except ValueError:
            continue
    return word
