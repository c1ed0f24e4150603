"""`retry RUN`: the same again. The dispatcher stores that run's line in its place; this file only says why not."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import RunId
from bot.language import later, say
from bot.model import Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `retry` takes."""

    run: RunId = arg("the run whose command is to be carried out again")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    over = services.to_repeat(arguments.run, run.invocation)
    raise Conflict(
        say(
            "Run {run} could not be repeated at once: it ended only just now, or who you are had to be asked first. "
            "Nothing was changed. Send `retry {run}` again.",
            run=over.id,
        )
    )


COMMAND = Command(
    name="retry",
    summary=later("Carry out again what a run was asked to do, as a new run"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("retry 7f3a2c1b",),
    needs_person=True,
)
