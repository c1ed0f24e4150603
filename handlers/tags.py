"""`tags REPOSITORY`: what a registry of the settings has of a repository."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import RepositoryName
from bot.language import later, say, say_count
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
    text = say_count(
        "{repository} has one tag in the registry {registry}.",
        "{repository} has {number} tags in the registry {registry}.",
        len(tags),
        repository=reference,
        registry=known.name,
    )
    if len(tags) > _MOST_ROWS:
        text = " ".join((text, say("The first {count} of them:", count=_MOST_ROWS)))
    return Reply(
        text=text,
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
    examples=("tags team/web", "tags registry.example.com/team/web"),
)
