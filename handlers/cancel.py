"""`cancel RUN`: ask a run to end; what it had begun is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict, PermissionDenied
from bot.kinds import RunId
from bot.model import Reply, Right
from bot.services import Services
from bot.stores.runs import Run


@dataclass(frozen=True)
class Arguments:
    """What `cancel` takes."""

    run: RunId = arg("the run to end")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    wanted = services.runs.get(arguments.run)
    if wanted.status.is_ending:
        raise Conflict(f"Run {wanted.id} is over already: it {wanted.status.value}. Nothing was changed.")
    _refuse_strangers(wanted, services, run)
    now = services.cancel(wanted, run.actor)
    if now.status.is_ending:
        return Reply(text=f"Run {now.id} is {now.status.value}; it had not begun.")
    return Reply(
        text=f"Run {now.id} was asked to end. It stops at its next step and takes back what it had begun; "
        "its own message says when that is done."
    )


def _refuse_strangers(wanted: Run, services: Services, run: RunContext) -> None:
    """Whoever may end a run is who may start the same one; everybody may end their own."""
    command = services.commands.get(wanted.command or "")
    if command is None or wanted.invocation.actor.id == run.actor.id:
        return
    # What a queued run is about was not found out yet: then only who may do it to everything may end it.
    targets = wanted.plan.targets[:1] if wanted.plan else ("*",)
    if not services.policy.allows(run.request(command, targets, host=wanted.host)):
        raise PermissionDenied(
            f"Run {wanted.id} is not yours, and you may not use `{command.name}` there. It goes on."
        )


COMMAND = Command(
    name="cancel",
    summary="End a run; what it had begun is taken back",
    right=Right.OPERATE,
    arguments=Arguments,
    run=_run,
    examples=("cancel 7f3a2c1b",),
)
