"""Writes docs/commands.md: every command with its usage, its right, its arguments and examples.

It must not know what a command is for; all is in its declaration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.command import Command, Parameter, parameters
from bot.language import later, say
from bot.model import Right

_OPENING = later("""\
# Commands

Made from the code by `make generated`; a test compares it. `help` shows the same in chat, as far as your roles reach.

A command can be typed as `/docker COMMAND …`, some as a slash command of their own, in a thread as
`@shipkeeper COMMAND …`, and in a shell as `shipkeeper COMMAND …`. Each takes the same words, asks the same roles and
writes the same record. A shell also takes `--json`, `--key KEY` and `--files DIRECTORY`. In Slack a command whose
arguments are missing opens a form.

In a usage line, what stands in `[ ]` may be left out, `|` separates what there is to choose from, and `…` means one
or more. A command with a *plan* says what it would do; then its targets are held, its run is recorded, perhaps it
waits for approval, and only then it begins. The others answer at once, privately.

The right is the least that a role must give: `view`, `operate` or `admin`, each with those before it. Some arguments
need more than that, and the answer says so.
""")


def commands_manual(commands: Iterable[Command]) -> str:
    """The page, as Markdown, in the language that is spoken."""
    return "\n".join(_lines(sorted(commands, key=lambda command: command.name))) + "\n"


def _lines(commands: list[Command]) -> Iterator[str]:
    yield say(_OPENING)
    yield _row(say("command"), say("does"), say("right"), say("plan"))
    yield "|---|---|---|---|"
    for one in commands:
        yield _row(
            f"[`{one.name}`](#{one.name})",
            say(one.summary),
            _right(one),
            say("yes") if not one.only_looks else "",
        )
    for one in commands:
        yield from _command(one)


def _command(command: Command) -> Iterator[str]:
    typed = f"/{command.name}" if command.slash else f"/docker {command.name}"
    yield f"\n## {command.name}\n"
    yield f"{say(command.summary)}.\n\n`{command.usage}`"
    if parameters(command):
        yield f"\n{_row(say('argument'), say('means'), say('if left out'))}\n|---|---|---|"
        yield from (
            _row(f"`{one.usage.strip('[]')}`", one.help, _default(one)) for one in parameters(command)
        )
    if command.examples:
        lines = [typed + example.removeprefix(command.name) for example in command.examples]
        lines += [f"shipkeeper {example}" for example in command.shell_examples]
        yield "\n```\n" + "\n".join(lines) + "\n```"


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return say("*required*")
    return f"`{parameter.default}`" if parameter.default and not parameter.is_switch else ""


def _right(command: Command) -> str:
    return say("everybody") if command.right is Right.NONE else f"`{command.right}`"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
