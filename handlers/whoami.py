"""`whoami`: who the bot takes you for, and what you may do."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command
from bot.context import RunContext
from bot.language import later, say
from bot.model import Origin, Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """`whoami` takes nothing."""


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    if run.invocation.origin is Origin.CLI:
        roles = say("administrator (whoever has a shell here is one)")
    else:
        names = [role.name for role in services.policy.roles_of(run.actor)]
        roles = ", ".join(names) or say("none: you may use `help` and `whoami`")
    return Reply(
        text=say(
            "You are {name} ({id}). Your roles: {roles}.",
            name=run.actor.name,
            id=run.actor.id,
            roles=roles,
        ),
        facts={"actor": run.actor.id, "roles": roles, "origin": run.invocation.origin.value},
    )


COMMAND = Command(
    name="whoami",
    summary=later("Show who the bot takes you for, and your roles"),
    right=Right.NONE,
    arguments=Arguments,
    run=_run,
)
