"""`break-glass RUN REASON…`: let a run go on without approval; its owners are alerted, and somebody reviews it."""

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
    """What `break-glass` takes."""

    run: RunId = arg("the run that waits for approval")
    reason: tuple[Text, ...] = arg("why it cannot wait", positional=True, takes=Takes.REST)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    review = services.break_glass.do(arguments.run, run.invocation, " ".join(arguments.reason))
    told = (
        say("Its owners will be alerted, and reminded every day until somebody else closes the review.")
        if review.owners
        else say("Its rule names no owners to alert. The review is open until somebody else closes it.")
    )
    gone = say(
        "Run {run} goes on without approval, if what it would do is still what was shown.", run=arguments.run
    )
    return Reply(text=" ".join((gone, told)), facts={"run": arguments.run, "reason": review.reason})


COMMAND = Command(
    name="break-glass",
    summary=later("Let a run go on without approval, for a reason that is reviewed"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("break-glass 7f3a2c1b the shop is down",),
    needs_person=True,
)
