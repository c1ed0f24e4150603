"""How words become a command and its arguments, as its one declaration says. Knows no particular command."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from bot.command import Command, Parameter, Takes, parameters
from bot.commandline import split
from bot.errors import UsageError
from bot.kinds import Kind
from bot.language import later, say
from bot.misuse import ArgumentError, MissingArgument, Misused


def for_help(words: Sequence[str]) -> Sequence[str]:
    """`backup --help` is how shells ask for `help backup`."""
    is_asked = len(words) == 2 and words[1] in ("--help", "-h")
    return ("help", words[0]) if is_asked else words


def find(commands: Mapping[str, Command], words: Sequence[str]) -> Command:
    """The command that the first word names; raises UsageError with the nearest name."""
    if not words:
        raise UsageError(say("There is no command in that line. Nothing was changed. `help` lists them."))
    command = commands.get(words[0])
    if command is None:
        sentence = later(
            "There is no command “{command}”.{hint} Nothing was changed. `help` lists the commands."
        )
        raise UsageError(say(sentence, command=words[0], hint=_did_you_mean(words[0], commands)))
    return command


def parse(command: Command, words: Sequence[str]) -> Any:
    """The words after the command's name as its arguments; raises UsageError, which shows the usage.

    It is an ArgumentError when one argument is to blame, a MissingArgument when nothing else is wrong.
    """
    try:
        values = _read(parameters(command), list(words))
    except ArgumentError as error:
        raise ArgumentError(error.sentence, error.parameter, command.usage) from error
    except UsageError as error:
        raise Misused(str(error), command.usage) from error
    for parameter in parameters(command):
        if parameter.is_missing(values):
            raise _missing(command, parameter, values)
    return command.arguments(**values)


def arguments_of(command: Command, line: str) -> Any:
    """The arguments of a whole line of that command; raises UsageError."""
    return parse(command, split(line)[1:])


def _missing(command: Command, parameter: Parameter, values: Mapping[str, Any]) -> MissingArgument:
    sentence = later("{parameter} is missing ({help}). Nothing was changed.")
    told = say(sentence, parameter=parameter.usage.strip("[]"), help=parameter.help)
    error = MissingArgument(told, parameter.name, command.usage)
    error.given = values
    return error


def _read(known: tuple[Parameter, ...], words: list[str]) -> dict[str, Any]:
    positional = [parameter for parameter in known if parameter.positional]
    flags = {parameter.flag: parameter for parameter in known if not parameter.positional}
    values: dict[str, Any] = {}
    only_words = False
    while words:
        word = words.pop(0)
        if word == "--" and not only_words:
            only_words = True
        elif word.startswith("-") and len(word) > 1 and not only_words:
            name, equals, value = word.partition("=")
            parameter = _flag(flags, name)
            if parameter.name in values and parameter.takes is Takes.ONE:
                raise ArgumentError(
                    say("{flag} is given twice. Nothing was changed.", flag=name), parameter.name
                )
            _keep(values, parameter, _flag_value(parameter, words, value if equals else None))
        elif positional:
            parameter = positional[0] if positional[0].takes is not Takes.ONE else positional.pop(0)
            _keep(values, parameter, typed(parameter, word))
            only_words = only_words or parameter.takes is Takes.REST
        else:
            raise UsageError(say("“{word}” is one word too many. Nothing was changed.", word=word))
    return values


def _keep(values: dict[str, Any], parameter: Parameter, value: Any) -> None:
    values[parameter.name] = (
        value if parameter.takes is Takes.ONE else (*values.get(parameter.name, ()), value)
    )


def _flag(flags: Mapping[str, Parameter], name: str) -> Parameter:
    parameter = flags.get(name)
    if parameter is None:
        hint = _did_you_mean(name, flags)
        raise UsageError(
            say("There is no flag {flag} here.{hint} Nothing was changed.", flag=name, hint=hint)
        )
    return parameter


def _flag_value(parameter: Parameter, words: list[str], value: str | None) -> Any:
    if parameter.is_switch:
        if value is not None:
            raise ArgumentError(
                say("{flag} takes no value. Nothing was changed.", flag=parameter.flag), parameter.name
            )
        return True
    if value is None:
        if not words or (words[0].startswith("--") and len(words[0]) > 2):
            sentence = later("{flag} needs a value ({help}). Nothing was changed.")
            raise ArgumentError(say(sentence, flag=parameter.flag, help=parameter.help), parameter.name)
        value = words.pop(0)
    return typed(parameter, value)


def typed(parameter: Parameter, word: str) -> Any:
    """The word as what the parameter takes; raises ArgumentError."""
    if parameter.choices and word not in parameter.choices:
        allowed, hint = ", ".join(parameter.choices), _did_you_mean(word, parameter.choices)
        sentence = later("“{word}” is not one of {allowed}.{hint} Nothing was changed.")
        raise ArgumentError(say(sentence, word=word, allowed=allowed, hint=hint), parameter.name)
    if not issubclass(parameter.kind, Kind):
        return word
    try:
        return parameter.kind.parse(word)
    except UsageError as error:
        raise ArgumentError(str(error), parameter.name) from error


def _did_you_mean(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return " " + say("Did you mean {name}?", name=near[0]) if near else ""
