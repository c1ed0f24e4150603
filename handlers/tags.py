"""`tags REPOSITORY`: what a registry of the settings has of a repository."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import RepositoryName
from bot.language import later, say
from bot.model import Reply, Right, Table
from bot.services import Services

_MOST_ROWS = 200


@dataclass(frozen=True)
class Arguments:
    """What `tags` takes."""

    repository: RepositoryName = arg("the repository; without a registry, the company’s")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    reference = services.registries.complete(arguments.repository)
    known = services.registries.of(reference)
    tags = known.registry.tags(reference.repository, run.check)
    count = say("one tag") if len(tags) == 1 else say("{tags_count} tags", tags_count=len(tags))
    more = say(" The first {MOST_ROWS} of them:", MOST_ROWS=_MOST_ROWS) if len(tags) > _MOST_ROWS else ""
    return Reply(
        text=say(
            "{reference} has {count} in the registry {known}.{more}",
            reference=reference,
            count=count,
            known=known.name,
            more=more,
        ),
        facts={"repository": reference.name, "registry": known.name, "tags": len(tags)},
        table=Table(
            columns=("tag", "immutable"),
            rows=tuple((tag, known.rules.keeps(tag)) for tag in tags[:_MOST_ROWS]),
        )
        if tags
        else None,
    )


COMMAND = Command(
    name="tags",
    summary=later("List what a registry has of a repository"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=(later("tags team/web"), later("tags registry.example.com/team/web")),
)
