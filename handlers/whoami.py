"""`whoami`: who the bot takes you for, and what you may do."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command
from bot.context import RunContext
from bot.language import later, say
from bot.model import Reply, Right
from bot.people import Standing
from bot.permissions.told import barred, by_which
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """`whoami` takes nothing."""


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    policy, actor, origin = services.policy, run.actor, run.invocation.origin
    facts = {"actor": actor.id, "roles": _roles(services, run), "origin": origin.value}
    identity = policy.identity(actor)
    if identity != actor.id:
        facts["identity"] = identity
    text = say(
        "You are {name} ({id}). Your roles: {roles}.",
        name=actor.name,
        id=actor.id if identity == actor.id else f"{actor.id}, {identity}",
        roles=facts["roles"],
    )
    person = policy.person(actor)
    if person.standing is Standing.BARRED and not policy.is_administrator(actor, origin):
        text = f"{text} {barred(person)}"
    return Reply(text=text, facts=facts)


def _roles(services: Services, run: RunContext) -> str:
    """In words, each that somebody has through a group with that group."""
    if services.policy.is_administrator(run.actor, run.invocation.origin):
        return say("administrator (whoever has a shell here is one)")
    names = [by_which(role, by) for role, by in services.policy.memberships(run.actor)]
    return ", ".join(names) or say("none: you may use `help` and `whoami`")


COMMAND = Command(
    name="whoami",
    summary=later("Show who the bot takes you for, and your roles"),
    right=Right.NONE,
    arguments=Arguments,
    run=_run,
)
