"""`tag IMAGE NAME`: one more name for an image of a host; a name that another image has stays there unless told."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict, UsageError
from bot.kinds import HostName, ImageReference
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations import imagetold
from bot.operations.context import UNTAG
from bot.operations.tagging import holder, named
from bot.parsing import arguments_of
from bot.reference import Reference, parse
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `tag` takes."""

    image: ImageReference = arg("the image, as its host calls it")
    name: ImageReference = arg("its new name, as Docker reads it: without a registry it is Docker Hub’s")
    move: bool = arg("also when another image has that name now", default=False)
    host: HostName | None = arg("the Docker host that has it", default=None)
    wait: bool = arg("queue behind whoever holds the name", default=False)


def _reference(arguments: Arguments) -> Reference:
    made = parse(arguments.name)
    if made.digest:
        raise UsageError(
            say(
                "{digest} is a digest, which an image cannot be given. Nothing was changed. Give a tag.",
                digest=made,
            )
        )
    return made.tagged


def _plan(arguments: Arguments, services: Services) -> Plan:
    engine, reference = services.engine(arguments.host), _reference(arguments)
    image, before = engine.image(arguments.image), holder(engine, reference)
    if before not in ("", image.id) and not arguments.move:
        raise Conflict(
            say(
                "{reference} is the name of another image on host {host} ({image}). Nothing was changed. Say "
                "`--move` to take it from that one.",
                reference=reference,
                host=engine.host,
                image=before,
            )
        )
    loser = before if before != image.id else ""
    text = imagetold.will_tag((arguments.image, image.id), engine.host, reference, loser)
    binds = {f"image:{arguments.image}": image.id}
    return Plan(text=text, targets=_targets(arguments, services), binds=binds)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:  # noqa: ARG001
    return (f"image:{_reference(arguments)}",)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, reference = services.engine(run.host), _reference(arguments)
    image = engine.image(arguments.image)
    with named(engine, run, image, reference) as step:
        if holder(engine, reference) != image.id:
            raise Conflict(
                say(
                    "Somebody else took the name {reference} at the same moment. Nothing was changed.",
                    reference=reference,
                )
            )
        step.keep()
    return imagetold.tagged((arguments.image, image.id), run.host, reference)


def _done(run_id: str, services: Services) -> Reply | None:
    """Whether the name was to stay, and is that image's still."""
    run, step = services.runs.get(run_id), services.kept(run_id, UNTAG)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    if step is None or holder(services.engine(run.host), _reference(asked)) != step["image"]:
        return None
    return imagetold.tagged((asked.image, step["image"]), run.host, _reference(asked))


COMMAND = Command(
    name="tag",
    summary=later("Give an image one more name"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("tag web:1.4 web:stable", "tag web registry.example.com/team/web:1.4 --move"),
)
