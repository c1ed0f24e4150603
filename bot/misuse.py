"""What is wrong with the words of a command line, so that each face can say it in its own way. Knows no command."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bot.errors import UsageError
from bot.language import say


class Misused(UsageError):
    """The words do not fit the command, of which `usage` is the line: `sentence` alone says why."""

    def __init__(self, sentence: str, usage: str = "") -> None:
        told = [sentence, *([say("Usage: `{usage}`", usage=usage)] if usage else [])]
        super().__init__(" ".join(told))
        self.sentence = sentence


class ArgumentError(Misused):
    """One argument of a command cannot be taken as it stands: `parameter` is its name."""

    def __init__(self, sentence: str, parameter: str, usage: str = "") -> None:
        super().__init__(sentence, usage)
        self.parameter = parameter


class MissingArgument(ArgumentError):
    """All that is wrong is that an argument is missing; `given` are those that are there."""

    given: Mapping[str, Any] = MappingProxyType({})
