"""What a command is, and how words become its arguments. One declaration gives parser, usage and help.

Knows no particular command, and nothing of Slack, Docker or the database.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.language import say, spoken
from bot.model import Invocation, Plan, Reply, Right
from bot.sources import Source

_KEPT = 512


class Takes(StrEnum):
    """How many words a parameter takes: ONE; MANY, for a `tuple`; REST, for a `tuple` that swallows flags, too."""

    ONE = "one"
    MANY = "many"
    REST = "rest"


def arg(
    help: str,
    *,
    default: Any = MISSING,
    choices: tuple[str, ...] = (),
    positional: bool = False,
    takes: Takes = Takes.ONE,
) -> Any:
    """A field of an arguments dataclass: required is positional, with a default it is a `--flag`.

    A `positional` one with a default may be left out. A `bool` field is a switch. `choices` are the only words that a
    text field takes. A `tuple[KIND, ...]` that takes MANY is a flag that may be repeated, or, as the last positional,
    any number of words; with REST a flag behind its first word is a word like others: it can hold a command line.
    """
    given = {"help": help, "choices": choices, "positional": positional, "takes": takes, "unless": ""}
    return field(default=default, metadata=given)


def arg_unless(help: str, switch: str) -> Any:
    """A positional field that may be left out, and is None then, only beside the switch of that name."""
    given = {"help": help, "choices": (), "positional": True, "takes": Takes.ONE, "unless": switch}
    return field(default=None, metadata=given)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A verb of the bot.

    `targets(arguments, services)` names what it is about, such as `volume:pgdata`: it makes the command one that
    changes something, so it is planned, held and recorded before it begins. Without it the command only looks, and
    answers privately. `host(arguments, services)` says on which host that is, where `--host` does not.
    `plan(arguments, services)` says what would be done (`plan_for` the same, where that hangs on who asks or what came
    with the command), `run(arguments, services, run)` does it. `done(run_id, services)` finds out, after a crash and
    after what could be taken back was, whether it had been done. `right_for(arguments, services)` says which right
    these arguments need, where that is more than `right`. `at_home(words, directory)` makes a shell's words, typed in
    that directory, mean the same anywhere; `shell_examples` have such words. `binds(arguments, services, invocation)`
    says what an approval is bound to beside the plan. `beneath`: the answer to its button goes into the thread of that
    message; `is_shared`: several people may press it, and each counts once; `needs_person`: no schedule may carry it
    out, nor one with arguments that are `personal(arguments)`: that mean a file or a machine of whoever asks.
    """

    name: str
    summary: str
    right: Right
    arguments: type[Any]
    run: Callable[[Any, Any, Any], Reply]
    targets: Callable[[Any, Any], tuple[str, ...]] | None = None
    host: Callable[[Any, Any], str] | None = None
    plan: Callable[[Any, Any], Plan] | None = None
    done: Callable[[str, Any], Reply | None] | None = None
    right_for: Callable[[Any, Any], Right] | None = None
    plan_for: Callable[[Any, Any, Invocation], Plan] | None = None
    at_home: Callable[[Sequence[str], Path], list[str]] | None = None
    examples: tuple[str, ...] = ()
    shell_examples: tuple[str, ...] = ()
    slash: bool = False
    binds: Callable[[Any, Any, Invocation], Mapping[str, str]] | None = None
    beneath: bool = False
    is_shared: bool = False
    needs_person: bool = False
    personal: Callable[[Any], bool] | None = None

    @property
    def only_looks(self) -> bool:
        """Whether it changes nothing, so that its answer is only for the asker."""
        return self.targets is None

    @property
    def usage(self) -> str:
        """One line, as manuals write it: `backup VOLUME [--quiesce none|pause|stop]`; what swallows flags is last."""
        in_order = sorted(parameters(self), key=lambda parameter: parameter.takes is Takes.REST)
        return " ".join([self.name, *(parameter.usage for parameter in in_order)])

    @property
    def is_about_a_host(self) -> bool:
        """Whether the policy is asked about a host, too."""
        return self.targets is not None or any(
            item.name == "host" for item in dataclasses.fields(self.arguments)
        )


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One argument of a command, as the parser and the help see it."""

    name: str
    kind: type[Any]
    help: str
    choices: tuple[str, ...]
    required: bool
    positional: bool
    takes: Takes
    unless: str
    default: Any
    sources: tuple[Source, ...]

    @property
    def flag(self) -> str:
        """How it is written, for one that is not positional; a Python keyword has a `_` behind it as a field."""
        return "--" + self.name.rstrip("_").replace("_", "-")

    def is_missing(self, given: Mapping[str, Any]) -> bool:
        """Whether the command cannot do without it, and it is not among what was given."""
        is_needed = self.required or bool(self.unless and not given.get(self.unless))
        return is_needed and self.name not in given

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return self.kind is bool

    @property
    def usage(self) -> str:
        """Its part of the usage line."""
        noun = "|".join(self.choices) or getattr(self.kind, "noun", self.name.upper())
        more = "" if self.takes is Takes.ONE else "…"
        if self.positional:
            return f"{noun}{more}" if self.required else f"[{noun}{more}]"
        return f"[{self.flag}]" if self.is_switch else f"[{self.flag} {noun}]{more}"


def parameters(command: Command) -> tuple[Parameter, ...]:
    """The command's parameters, in the order of its arguments dataclass, with their help in the reader's language."""
    return _parameters(command.arguments, spoken())  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=_KEPT)
def _parameters(arguments: type[Any], language: str) -> tuple[Parameter, ...]:
    """The same, kept: lists of thousands of schedules ask for them at each line."""
    del language  # `say` knows it
    hints = typing.get_type_hints(arguments)
    found = []
    for item in dataclasses.fields(arguments):
        among = [k for k in typing.get_args(hints[item.name]) if k not in (type(None), Ellipsis)]
        kind = among[0] if among else hints[item.name]
        found.append(
            Parameter(
                name=item.name,
                kind=kind,
                help=say(item.metadata["help"]),
                choices=item.metadata["choices"],
                required=item.default is MISSING,
                positional=item.metadata["positional"] or item.default is MISSING,
                takes=item.metadata["takes"],
                unless=item.metadata["unless"],
                default=None if item.default is MISSING else item.default,
                sources=getattr(kind, "sources", ()),
            )
        )
    return tuple(found)
