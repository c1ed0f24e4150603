"""Runbooks: programs that the settings allow in containers, with the values that people may give them.

Must not know who asked. Nothing that a runbook did is taken back: that is for its author to care for.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from bot.engine import Container, Engine, Surroundings
from bot.errors import (
    BotError,
    Cancelled,
    Conflict,
    EngineError,
    Interrupted,
    NotFound,
    StreamCut,
    UsageError,
)
from bot.kinds import Assignment
from bot.language import say
from bot.model import Reply, Right, Status
from bot.operations.context import RunContext
from bot.operations.output import Kept
from bot.reasons import Reason
from bot.templates import Parameter, filled, names_in

_CHUNK_BYTES = 64 * 1024
_SHORTEST_SECRET = 4
_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """What may be run: `command` is its words, or one line when `is_shell`. `secrets` are those that are known."""

    name: str
    summary: str
    command: tuple[str, ...]
    containers: tuple[str, ...]
    user: str
    limit: timedelta
    output_bytes: int
    is_shell: bool
    right: Right
    parameters: tuple[Parameter, ...]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameter -> value, of those whose variable was set when the bot started."""

    @property
    def usage(self) -> str:
        """What is given to it: `table=TEXT [rounds=1…9]`."""
        return " ".join(one.usage for one in self.parameters if not one.secret)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A runbook with its values, for one container."""

    runbook: Runbook
    container: Container
    values: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """The program and its words. A shell gets values as its own parameters, so that none is ever read as code."""
        command = self.runbook.command
        if not self.runbook.is_shell:
            return tuple(filled(word, self.values) for word in command)
        names = tuple(dict.fromkeys(names_in(command[0])))
        line = filled(command[0], lambda name: f'"${{{names.index(name) + 1}}}"')
        return (*_SHELL, line, "sh", *(self.values[name] for name in names))

    @property
    def text(self) -> str:
        """What will be done, in a sentence; no secret is among the words."""
        shown = filled(self.runbook.command[0], lambda name: shlex.quote(self.values[name]))
        line = shown if self.runbook.is_shell else shlex.join(self.words)
        return say(
            "Run {runbook} in container {container}: `{line}`",
            runbook=self.runbook.name,
            container=self.container.name,
            line=line,
        )


def find(runbooks: Mapping[str, Runbook], name: str) -> Runbook:
    """The runbook of that name; raises NotFound with the nearest one."""
    found = runbooks.get(name)
    if found is None:
        near = difflib.get_close_matches(name, list(runbooks), n=1, cutoff=0.5)

        def said(names: Sequence[str]) -> str:
            told = [
                say("There is no runbook {name} in the settings.", name=name),
                *(say("Did you mean {name}?", name=one) for one in names),
                say("Nothing was run. `runbooks` lists those you may use."),
            ]
            return " ".join(told)

        raise NotFound.beside(said, near, "runbook:{}".format)
    return found


def call(runbook: Runbook, container: Container, given: Iterable[Assignment]) -> Call:
    """The runbook with these values in that container; raises UsageError, or Conflict for a container it is not for."""
    values = _values(runbook, given)
    if not any(fnmatchcase(container.name, pattern) for pattern in runbook.containers):
        raise Conflict(
            say(
                "The settings do not allow runbook {runbook} in container {container}, only in "
                "{containers}. Nothing was run.",
                runbook=runbook.name,
                container=container.name,
                containers=", ".join(runbook.containers) or say("none"),
            )
        )
    return Call(runbook=runbook, container=container, values=values)


def carry_out(engine: Engine, run: RunContext, made: Call) -> Reply:
    """Run it to its end; the exit code and both outputs are in the reply, which is `failed` unless the code is 0.

    Raises Conflict when the container does not run any more, Cancelled, EngineError.
    """
    runbook, secrets = made.runbook, _secrets(made.runbook)
    out, errors = (Kept(runbook.output_bytes, secrets.values()) for _ in range(2))
    environment = {name.upper(): value for name, value in secrets.items()}
    around = Surroundings(environment=environment, on_errors=errors.feed)
    code: int | None = None
    run.progress(say("running {runbook}", runbook=runbook.name))
    with engine.execute(
        made.container, made.words, limit=runbook.limit, user=runbook.user, around=around
    ) as execution:
        try:
            with run.watched(execution.abort):
                while chunk := execution.read(_CHUNK_BYTES):
                    out.feed(chunk)
                code = execution.finish()
        except StreamCut:
            _refuse_cancelled(run, made)
            raise
        except EngineError as error:
            if error.reason is not Reason.STALLED:
                raise
    return _reply(made, code, out, errors)


def interrupted(runbook: str, container: str) -> Reply:
    """What is known of one that the bot did not see the end of."""
    return Reply(
        text=say(
            "The bot was stopped while runbook {runbook} ran in container {container}. It may have run on to its "
            "end, and nobody saw its exit code. Look at what it did before you run it again.",
            runbook=runbook,
            container=container,
        ),
        status=Status.INTERRUPTED,
    )


def _values(runbook: Runbook, given: Iterable[Assignment]) -> dict[str, str]:
    known = {one.name: one for one in runbook.parameters}
    values: dict[str, str] = {}
    for one in given:
        parameter = known.get(one.name)
        if parameter is None:
            near = difflib.get_close_matches(one.name, list(known), n=1, cutoff=0.5)
            raise UsageError(
                say(
                    "Runbook {runbook} has no parameter {name}; did you mean {near}? Nothing was run.",
                    runbook=runbook.name,
                    name=one.name,
                    near=near[0],
                )
                if near
                else say(
                    "Runbook {runbook} has no parameter {name}; it takes {usage}. Nothing was run.",
                    runbook=runbook.name,
                    name=one.name,
                    usage=runbook.usage or say("none"),
                )
            )
        if parameter.secret:
            raise UsageError(
                say(
                    "{name} of runbook {runbook} is a secret, which is never given in a command line. Nothing "
                    "was run. What you typed was not written down here, but may be where you typed it: if it was the "
                    "secret itself, change it.",
                    name=one.name,
                    runbook=runbook.name,
                )
            )
        if one.name in values:
            raise UsageError(say("{name} is given twice. Nothing was run.", name=one.name))
        problem = parameter.problem(one.value)
        if problem:
            raise UsageError(
                say(
                    "{name}: “{value}” {problem}. Nothing was run.",
                    name=one.name,
                    value=one.value,
                    problem=problem,
                )
            )
        values[one.name] = one.value
    for parameter in runbook.parameters:
        if parameter.secret or parameter.name in values:
            continue
        if not parameter.default:
            raise UsageError(
                say(
                    "{parameter} is missing. Nothing was run. It takes: {usage}.",
                    parameter=parameter.usage,
                    usage=runbook.usage,
                )
            )
        values[parameter.name] = parameter.default
    return values


def _secrets(runbook: Runbook) -> dict[str, str]:
    for parameter in runbook.parameters:
        if parameter.secret and len(runbook.secrets.get(parameter.name, "")) < _SHORTEST_SECRET:
            raise Conflict(
                say(
                    "The secret {parameter} of runbook {runbook} was not set when the bot started, or has fewer "
                    "than {number} characters. Nothing was run. Whoever keeps the settings can set its variable.",
                    parameter=parameter.name,
                    runbook=runbook.name,
                    number=_SHORTEST_SECRET,
                )
            )
    return dict(runbook.secrets)


def _refuse_cancelled(run: RunContext, made: Call) -> None:
    try:
        run.check()
    except (Cancelled, Interrupted) as error:
        kind: type[BotError] = type(error)
        raise kind(
            say(
                "Runbook {runbook} was ended in container {container} before its end. What it had "
                "done until then stays done.",
                runbook=made.runbook.name,
                container=made.container.name,
            )
        ) from error


def _reply(made: Call, code: int | None, out: Kept, errors: Kept) -> Reply:
    name, container = made.runbook.name, made.container.name
    written, complained = out.text(), errors.text()
    if code is None:
        text = say(
            "Runbook {runbook} in container {container} took longer than {seconds:g} s and was killed; "
            "what it had done stays done.",
            runbook=name,
            container=container,
            seconds=made.runbook.limit.total_seconds(),
        )
    else:
        text = say(
            "Runbook {runbook} in container {container} ended with exit code {code}.",
            runbook=name,
            container=container,
            code=code,
        )
    heading = say("--- standard error ---") + "\n" if complained else ""
    facts = {
        "runbook": name,
        "container": container,
        "exit_code": code,
        "output_bytes": out.total_bytes,
        "errors_bytes": errors.total_bytes,
        "left_out_bytes": out.left_out_bytes + errors.left_out_bytes,
    }
    return Reply(
        text=text,
        facts=facts if code == 0 else {**facts, "reason": Reason.RUNBOOK.value},
        output="\n".join(part for part in (written, f"{heading}{complained}") if part),
        status=Status.SUCCEEDED if code == 0 else Status.FAILED,
    )
