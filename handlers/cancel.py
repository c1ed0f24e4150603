"""`cancel RUN`: ask a run to end; what it had begun is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from bot import words
from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import RunId
from bot.language import later, say
from bot.model import Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `cancel` takes."""

    run: RunId = arg("the run to end")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    wanted = services.run_of(arguments.run, run.invocation)
    if wanted.status.is_ending:
        raise Conflict(
            say(
                "Run {run} is over already: it {status}. Nothing was changed.",
                run=wanted.id,
                status=say(wanted.status.value),
            )
        )
    now = services.cancel(wanted, run.actor)
    return Reply(text=words.called_off(now.id, now.status))


COMMAND = Command(
    name="cancel",
    summary=later("End a run; what it had begun is taken back"),
    right=Right.OPERATE,
    arguments=Arguments,
    run=_run,
    examples=("cancel 7f3a2c1b",),
    needs_person=True,
)
