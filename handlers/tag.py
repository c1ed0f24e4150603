"""`tag IMAGE NAME`: one more name for an image of a host; a name that another image has stays there unless told."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict, UsageError
from bot.kinds import HostName, ImageReference
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations.tagging import holder, named
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
                "{made} is a digest, which an image cannot be given. Nothing was changed. Give a tag.",
                made=made,
            )
        )
    return made.tagged


def _plan(arguments: Arguments, services: Services) -> Plan:
    engine, reference = services.engine(arguments.host), _reference(arguments)
    image, before = engine.image(arguments.image), holder(engine, reference)
    if before not in ("", image.id) and not arguments.move:
        raise Conflict(
            say(
                "{reference} is the name of another image on host {engine_host} ({before}). Nothing was changed. Say "
                "`--move` to take it from that one.",
                reference=reference,
                engine_host=engine.host,
                before=before,
            )
        )
    moved = say(", which {before} loses", before=before) if before not in ("", image.id) else ""
    return Plan(
        text=say(
            "Give {image} ({image_id}) on host {engine_host} the name {reference}{moved}.",
            image=arguments.image,
            image_id=image.id,
            engine_host=engine.host,
            reference=reference,
            moved=moved,
        ),
        targets=_targets(arguments, services),
    )


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
    return Reply(
        text=say(
            "{image} is called {reference}, too, on host {run_host}.",
            image=arguments.image,
            reference=reference,
            run_host=run.host,
        ),
        facts={"reference": reference.text, "image": image.id, "host": run.host},
    )


COMMAND = Command(
    name="tag",
    summary=later("Give an image one more name"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    examples=(later("tag web:1.4 web:stable"), later("tag web registry.example.com/team/web:1.4 --move")),
)
