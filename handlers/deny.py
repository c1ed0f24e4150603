"""`deny RUN [REASON…]`: say no to what somebody else asked for."""

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
    """What `deny` takes."""

    run: RunId = arg("the run that waits for approval")
    reason: tuple[Text, ...] = arg("why", default=(), positional=True, takes=Takes.REST)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    services.approvals.deny(arguments.run, run.invocation, " ".join(arguments.reason))
    return Reply(
        text=say("Run {run} is denied; whoever asked for it is told so. Nothing was run.", run=arguments.run)
    )


COMMAND = Command(
    name="deny",
    summary=later("Deny a run that waits for approval"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("deny 7f3a2c1b", "deny 7f3a2c1b not before the release"),
    is_shared=True,
    needs_person=True,
)
