"""`builds`: what the settings allow to build, from where, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command
from bot.context import RunContext
from bot.language import later, say_count
from bot.model import Reply, Right, Table
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """`builds` takes nothing."""


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    rows = tuple(
        (
            rule.name,
            rule.image,
            str(rule.context),
            rule.recipe.dockerfile,
            rule.recipe.network,
            rule.registry or None,
        )
        for _, rule in sorted(services.builds.items())
    )
    columns = ("build", "image", "context", "dockerfile", "network", "registry")
    text = say_count("1 build.", "{number} builds.", len(rows))
    return Reply(text=text, table=Table(columns=columns, rows=rows) if rows else None)


COMMAND = Command(
    name="builds",
    summary=later("List what may be built"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("builds",),
)
