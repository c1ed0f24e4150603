"""From what stands in a form's inputs to the command line that a person would have typed.

Must not know how the form was made, nor who fills it in; shapes are those of `view.state.values`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.command import Command, Parameter, Takes, parameters
from bot.commandline import split
from bot.kinds import Text
from bot.misuse import ArgumentError
from bot.parsing import typed
from bot.slack.fields import NOT_SET, SWITCHES

Values = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Block id -> action id -> what stands there."""

Words = Mapping[str, Sequence[str]]
"""The words of each parameter, by its name; a switch that is on has one that is empty."""


def words_of(command: Command, values: Values) -> Words:
    """What was filled in; what is as it would be anyway is left out. Raises UsageError for a quote that stays open."""
    switched = {word for key in values if key.startswith(SWITCHES) for word in _words_at(values, key)}
    words: dict[str, Sequence[str]] = {}
    for parameter in parameters(command):
        if not parameter.is_switch:
            words[parameter.name] = _words_for(parameter, _words_at(values, parameter.name))
        elif parameter.name in switched:
            words[parameter.name] = ("",)
    return words


def wrong_in(command: Command, words: Words) -> dict[str, str]:
    """What is wrong, by the parameter's name: all of it at once, for a person mends it in one go."""
    wrong: dict[str, str] = {}
    for parameter in parameters(command):
        try:
            for word in () if parameter.is_switch else words.get(parameter.name, ()):
                typed(parameter, word)
        except ArgumentError as error:
            wrong[parameter.name] = error.sentence
    return wrong


def written(command: Command, words: Words) -> str:
    """The line whose words `bot.parsing.parse` takes for just these; a switch is on when it is named.

    `--` stands before positional words of which one looks like a flag, so that none of them is taken for one.
    """
    known = parameters(command)
    flags = [word for one in known if not one.positional for word in _flagged(one, words.get(one.name, ()))]
    places = [(one, word) for one in known if one.positional for word in words.get(one.name, ())]
    plain = [word for _, word in places]
    if any(word.startswith("-") and len(word) > 1 for word in plain):
        return shlex.join([command.name, *flags, "--", *plain])
    if any(one.takes is Takes.REST for one, _ in places):
        # From the first word of a whole line on, flags are words of that line.
        return shlex.join([command.name, *flags, *plain])
    return shlex.join([command.name, *plain, *flags])


def _flagged(parameter: Parameter, words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if parameter.is_switch:
            yield parameter.flag
        elif word == "" or word.startswith("--"):
            yield f"{parameter.flag}={word}"
        else:
            yield from (parameter.flag, word)


def _words_for(parameter: Parameter, texts: Sequence[str]) -> Sequence[str]:
    """The words of a field: one a line, or those of a whole command line, or just what was typed."""
    if parameter.takes is Takes.REST:
        return tuple(word for text in texts for word in split(text))
    if parameter.takes is Takes.MANY:
        lines = (line.strip() for text in texts for line in text.splitlines())
        return tuple(line for line in lines if line)
    found = tuple(word if issubclass(parameter.kind, Text) else word.strip() for word in texts)
    usual = parameter.default
    is_as_usual = not parameter.positional and usual is not None and found == (str(usual),)
    return () if is_as_usual else tuple(word for word in found if word)


def _words_at(values: Values, block_id: str) -> Sequence[str]:
    return tuple(word for state in values.get(block_id, {}).values() for word in _words_in(state))


def _words_in(state: Mapping[str, Any]) -> Iterator[str]:
    one, several = state.get("selected_option"), state.get("selected_options")
    chosen = [one] if one else several or []
    yield from (str(option["value"]) for option in chosen if option["value"] != NOT_SET)
    for key in ("value", "selected_date"):
        if state.get(key):
            yield str(state[key])
