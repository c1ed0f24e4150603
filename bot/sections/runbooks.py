"""The settings' sections about runbooks: what may be run in containers, and what may be given to it.

Words only: who reads them, and what is run, is not known here.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bot.sections import Section, regular
from bot.templates import NAME, Parameter, names_in, quoted_places

_VARIABLE = r"^([A-Z_][A-Z0-9_]{0,127})?$"


class ParameterSection(Section):
    """What may be given under that name. `{name}` in the command is where it goes, within one word."""

    type: Literal["text", "integer", "choice", "path"] = Field(
        "text", description="text, integer, choice or path"
    )
    pattern: str = Field(
        "",
        description="regular expression for all of a text or path; letters, digits and ._:/@+=,%- if empty",
    )
    min: int = Field(0, description="the least that an integer may be")
    max: int = Field(2_147_483_647, description="the most")
    choices: tuple[str, ...] = Field((), description="all that a choice may be")
    default: str = Field("", description="what it is when nothing is given; without one it must be given")
    dash: bool = Field(
        False, description="may it begin with -, so that the program could take it for a flag?"
    )
    secret: bool = Field(
        False, description="nobody gives it: the program finds it as environment variable NAME, in capitals"
    )
    variable: str = Field(
        "",
        pattern=_VARIABLE,
        description="of a secret: the bot’s environment variable that holds it, or NAME_FILE",
    )

    def parameter(self, name: str) -> Parameter:
        """The same as others use it."""
        return Parameter(
            name=name,
            type=self.type,
            pattern=self.pattern,
            least=self.min,
            most=self.max,
            choices=self.choices,
            default=self.default,
            dash=self.dash,
            secret=self.secret,
        )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return regular(pattern)

    @model_validator(mode="after")
    def _is_whole(self) -> ParameterSection:
        if self.type == "choice" and not self.choices:
            raise ValueError("a choice needs `choices`")
        if self.min > self.max:
            raise ValueError("`min` is more than `max`")
        if self.secret != bool(self.variable):
            raise ValueError("`secret = true` and `variable` belong together")
        if self.secret and self.default:
            raise ValueError("a secret has no `default`: it comes from its `variable`")
        problem = self.parameter("x").problem(self.default) if self.default else ""
        if problem:
            raise ValueError(f"`default` {problem}")
        return self


class RunbookSection(Section):
    """What `exec` may run in a container: a program with its words, which no shell sees unless `shell` says so."""

    summary: str = Field("", description="what it is good for")
    command: tuple[str, ...] = Field(
        description="the program and its words; {name} is where a parameter goes"
    )
    containers: tuple[str, ...] = Field(description="patterns of the containers that it may run in")
    user: str = Field("", description="the user in the container; its own, if empty")
    seconds: int = Field(60, ge=1, le=86_400, description="after which it is killed")
    output_bytes: int = Field(4000, ge=0, le=100_000, description="of each of its two outputs that are shown")
    shell: bool = Field(False, description="is `command` one line for the container’s /bin/sh?")
    right: Literal["operate", "admin"] = Field("operate", description="the least right that it needs")
    parameters: dict[str, ParameterSection] = Field(default_factory=dict, description="by name")

    @model_validator(mode="before")
    @classmethod
    def _line(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("command"), str):
            if given.get("shell") is not True:
                raise ValueError(
                    "`command` is one line, so it needs `shell = true`; better give its words as a list"
                )
            return {**given, "command": (given["command"],)}
        return given

    @model_validator(mode="after")
    def _is_whole(self) -> RunbookSection:
        self._refuse_odd_command()
        declared = {name for name, one in self.parameters.items() if not one.secret}
        used = {name for word in self.command for name in names_in(word)}
        for name in self.parameters:
            if not re.fullmatch(NAME, name):
                raise ValueError(
                    f"{name!r} is no name of a parameter: small letters, digits and _, such as table"
                )
        for name in sorted(used - declared):
            if name in self.parameters:
                raise ValueError(
                    f"{{{name}}} is a secret, which goes to the environment and never into words"
                )
            near = difflib.get_close_matches(name, declared, n=1, cutoff=0.5)
            hint = f"did you mean {{{near[0]}}}?" if near else f"the braces themselves are {{{{{name}}}}}"
            raise ValueError(f"{{{name}}} in `command` is no parameter of it; {hint}")
        if declared - used:
            raise ValueError(f"`command` has no place {{{min(declared - used)}}} for that parameter")
        return self

    def _refuse_odd_command(self) -> None:
        if not self.command or not self.command[0]:
            raise ValueError("`command` names no program")
        if any("\0" in word for word in self.command):
            raise ValueError("`command` holds NUL")
        if not self.shell and names_in(self.command[0]):
            raise ValueError("the program itself cannot be a parameter")
        if self.shell and len(self.command) != 1:
            raise ValueError("with `shell = true`, `command` is one line")
        if self.shell and quoted_places(self.command[0]):
            name = quoted_places(self.command[0])[0]
            raise ValueError(f"{{{name}}} stands in quotes; leave them out, for values come quoted")
