"""`login REGISTRY`: whether a registry takes the login of the settings. Passwords never pass through chat."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import RegistryName
from bot.language import later, say
from bot.model import Reply, Right
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `login` takes."""

    registry: RegistryName = arg("the registry, as the settings call it")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    registry = services.registries.named(arguments.registry).registry
    asked, login = registry.prove(run.check), registry.login()
    facts = {"registry": registry.name, "host": registry.host, "user": login.username if login else ""}
    if asked and login:
        return Reply(
            text=say(
                "The registry {registry} took the login of {user}.",
                registry=registry.name,
                user=login.username,
            ),
            facts=facts,
        )
    if login:
        raise Conflict(
            say(
                "The registry {registry} lets everybody in and did not ask for a login, so that of {user} "
                "is not proven. Nothing was changed. Its users are to be set up there.",
                registry=registry.name,
                user=login.username,
            )
        )
    return Reply(
        text=say(
            "The registry {registry} answers and lets everybody in; no login is set.", registry=registry.name
        ),
        facts=facts,
    )


COMMAND = Command(
    name="login",
    summary=later("See whether a registry takes the login of the settings"),
    right=Right.OPERATE,
    arguments=Arguments,
    run=_run,
    examples=("login company",),
)
