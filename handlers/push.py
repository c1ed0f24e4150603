"""`push IMAGE`: an image to a registry of the settings, proven by the digest that the registry serves."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.engine import Engine
from bot.kinds import HostName, ImageReference
from bot.language import later
from bot.model import Invocation, Plan, Reply, Right
from bot.operations import imagetold
from bot.operations.push import Pushed, PushPlan, push
from bot.operations.tagging import holder
from bot.parsing import arguments_of
from bot.reference import Reference
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `push` takes."""

    image: ImageReference = arg("the image, as its host calls it")
    as_: ImageReference | None = arg("what it is called there; its own name, if left out", default=None)
    host: HostName | None = arg("the Docker host that has it", default=None)
    wait: bool = arg("queue behind whoever pushes there", default=False)


def _reference(arguments: Arguments, services: Services) -> Reference:
    return services.registries.destination(arguments.image, arguments.as_)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    reference = _reference(arguments, services)
    return (services.registries.of(reference).target(reference),)


def _push_plan(arguments: Arguments, services: Services, engine: Engine) -> PushPlan:
    reference = _reference(arguments, services)
    known = services.registries.of(reference)
    known.refuse_unwanted(reference)
    return PushPlan(image=engine.image(arguments.image), reference=reference, known=known)


def _plan(arguments: Arguments, services: Services) -> Plan:
    engine = services.engine(arguments.host)
    made = _push_plan(arguments, services, engine)
    before = holder(engine, made.reference)
    return Plan(
        text=imagetold.will_push(arguments.image, engine.host, made, before),
        targets=(*_targets(arguments, services), f"image:{made.reference}"),
        steps=(later("ask"), later("tag"), later("push"), later("read back")),
    )


def _binds(arguments: Arguments, services: Services, asked: Invocation) -> dict[str, str]:  # noqa: ARG001
    made = _push_plan(arguments, services, services.engine(arguments.host))
    served = made.known.registry.digest(made.reference) or ""
    return {f"image:{arguments.image}": made.image.id, f"registry:{made.reference}": served}


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine = services.engine(run.host)
    made = _push_plan(arguments, services, engine)
    return imagetold.pushed(made, push(engine, run, made), run.host)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    made = _push_plan(asked, services, services.engine(run.host))
    digest = made.known.registry.has_image(made.reference, made.image.id)
    if not digest:
        return None
    return imagetold.pushed(made, Pushed(reference=made.reference, digest=digest), run.host)


COMMAND = Command(
    name="push",
    summary=later("Push an image to a registry, and prove that the registry serves it"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    binds=_binds,
    run=_run,
    done=_done,
    examples=(
        "push web",
        "push web:1.4 --as team/web:1.4",
        "push web --as registry.example.com/team/web:1.4",
    ),
    slash=True,
)
