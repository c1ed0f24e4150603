"""`registries`: where images may go, and what the settings say of it. No registry is asked."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command
from bot.context import RunContext
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """`registries` takes nothing."""


def _run(_arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    known = services.registries.known
    if not known:
        return Reply(text=say("The settings have no registry. Whoever keeps them can add [registries.NAME]."))
    count = say_count("One registry.", "{number} registries.", len(known))
    first = say("{registry} is meant where a name has no registry.", registry=known[0].name)
    columns = ("registry", "host", "namespace", "login", "repositories", "tags", "immutable")
    return Reply(
        text=f"{count} {first}",
        table=Table(
            columns=columns,
            rows=tuple(
                (
                    one.name,
                    one.registry.host,
                    one.rules.namespace,
                    one.login,
                    ", ".join(one.rules.repositories),
                    one.rules.tag_pattern,
                    ", ".join(one.rules.immutable),
                )
                for one in known
            ),
        ),
    )


COMMAND = Command(
    name="registries",
    summary=later("List the registries that images may go to"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("registries",),
)
