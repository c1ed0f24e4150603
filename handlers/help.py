"""`help [COMMAND]`: the commands that the asker may use, or one of them in full."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg, parameters
from bot.context import RunContext
from bot.kinds import CommandName
from bot.language import later, say
from bot.model import Reply, Right, Table
from bot.parsing import find
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `help` takes."""

    command: CommandName | None = arg("explain this command", default=None, positional=True)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    if arguments.command is not None:
        return _one(find(services.commands, [arguments.command]))
    rows = tuple(
        (command.examples[0] if command.examples else command.name, say(command.summary))
        for command in services.commands.values()
        if services.policy.allows(run.request(command))
    )
    return Reply(
        text=say(
            "What you may use here, each with an example. `help COMMAND` says more about one, and `why COMMAND` why "
            "you may not use another."
        ),
        table=Table(columns=("example", "does"), rows=rows),
    )


def _one(command: Command) -> Reply:
    rows = tuple((parameter.usage.strip("[]"), parameter.help) for parameter in parameters(command))
    in_a_shell = (f"shipkeeper {example}" for example in command.shell_examples)
    examples = ", ".join(f"`{example}`" for example in (*command.examples, *in_a_shell))
    said = [say("{summary}. Usage: `{usage}`.", summary=say(command.summary), usage=command.usage)]
    if examples:
        said.append(say("Examples: {examples}.", examples=examples))
    return Reply(
        text=" ".join(said),
        table=Table(columns=("argument", "means"), rows=rows) if rows else None,
    )


COMMAND = Command(
    name="help",
    summary=later("Show the commands you may use"),
    right=Right.NONE,
    arguments=Arguments,
    run=_run,
    examples=("help", "help backup"),
)
