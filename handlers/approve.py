"""`approve RUN`: say yes to what somebody else asked for."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.consent import wanted
from bot.context import RunContext
from bot.kinds import RunId
from bot.language import later, say
from bot.model import Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `approve` takes."""

    run: RunId = arg("the run that waits for approval")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    asked = services.approvals.approve(arguments.run, run.invocation)
    if asked.decision is None:
        still = wanted(asked)
        text = say("You approved run {run}. {still}", run=arguments.run, still=still)
    else:
        text = say(
            "You approved run {run}, and that is enough: it goes on, if what it would do is still what was approved.",
            run=arguments.run,
        )
    return Reply(text=text, facts={"run": arguments.run, "plan_digest": asked.digest})


COMMAND = Command(
    name="approve",
    summary=later("Approve a run that somebody else asked for"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("approve 7f3a2c1b",),
    is_shared=True,
    needs_person=True,
)
