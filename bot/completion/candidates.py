"""A thing that could be named, and how well it fits what was typed. Pure: knows no store and no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from bot.command import Command


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is written (`value`), what people see in its place (`label`), and what is said about it (`about`).

    `also` are further words to find it by. The policy is asked about `targets` on `host`, with `command` in the place
    of the one that is being filled in, if there is one; `owner` is who may name it without being asked. `tell` makes
    `about`, where that was found on a thread that speaks to nobody. `long` is another way to write it, which begins
    with what it is of, for faces that only go on with what was typed.
    """

    value: str
    label: str = ""
    about: str = ""
    also: str = ""
    host: str | None = None
    targets: tuple[str, ...] = ()
    command: Command | None = None
    owner: str = ""
    long: str = ""
    tell: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    words: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """All it is found by, folded once, for it is looked through at every keystroke."""

    def __post_init__(self) -> None:
        found_by = (self.value, self.also) if self.also else (self.value,)
        object.__setattr__(self, "words", tuple(word.casefold() for word in found_by))

    @property
    def told(self) -> Candidate:
        """The same, with what is said about it in the language that is spoken here."""
        return self if self.tell is None else replace(self, about=self.tell(), tell=None)


def best_first(candidates: Iterable[Candidate], letters: str) -> Iterator[Candidate]:
    """Those that fit: first what begins with the letters, then a word of which does, then what holds them."""
    wanted = letters.casefold()
    if not wanted:
        yield from candidates
        return
    later: tuple[list[Candidate], list[Candidate]] = ([], [])
    for one in candidates:
        rank = min(_rank(word, wanted) for word in one.words)
        if rank == 0:
            yield one
        elif rank < _NOT:
            later[rank - 1].append(one)
    for some in later:
        yield from some


_NOT = 3


def _rank(word: str, wanted: str) -> int:
    at = word.find(wanted)
    if at <= 0:
        return 0 if at == 0 else _NOT
    while at > 0:
        if not word[at - 1].isalnum():
            return 1
        at = word.find(wanted, at + 1)
    return 2
