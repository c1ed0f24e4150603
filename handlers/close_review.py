"""`close-review RUN NOTE…`: say what came of looking at a run that went on without approval."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, Takes, arg
from bot.context import RunContext
from bot.kinds import RunId, Text
from bot.language import later, say
from bot.model import Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `close-review` takes."""

    run: RunId = arg("the run for which the glass was broken")
    note: tuple[Text, ...] = arg("what was found", positional=True, takes=Takes.REST)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    note = " ".join(arguments.note)
    services.break_glass.close_review(arguments.run, run.invocation, note)
    return Reply(
        text=say("The review of run {run} is closed; nobody is reminded any more.", run=arguments.run),
        facts={"run": arguments.run, "note": note},
        is_aloud=True,
    )


COMMAND = Command(
    name="close-review",
    summary=later("Close the review of a run that went on without approval"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("close-review 7f3a2c1b rightly done",),
    needs_person=True,
)
