"""`pull IMAGE`: an image from a registry of the settings to a host, proven to be what the registry serves."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import HostName, ImageReference
from bot.language import later, say
from bot.model import Invocation, Plan, Reply, Right
from bot.operations.pull import Pulled, found, pull
from bot.parsing import arguments_of
from bot.reference import Reference
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `pull` takes."""

    image: ImageReference = arg("the image; without a registry, the company’s")
    host: HostName | None = arg("the Docker host that is to have it", default=None)
    wait: bool = arg("queue behind whoever pushes or pulls it", default=False)


def _reference(arguments: Arguments, services: Services) -> Reference:
    return services.registries.complete(arguments.image).tagged


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    reference = _reference(arguments, services)
    return (services.registries.of(reference).target(reference),)


def _plan(arguments: Arguments, services: Services) -> Plan:
    reference = _reference(arguments, services)
    known = services.registries.of(reference)
    host = arguments.host or services.default_host
    return Plan(
        text=say(
            "Pull {reference} from the registry {registry} to host {host}.",
            reference=reference,
            registry=known.name,
            host=host,
        ),
        targets=_targets(arguments, services),
        steps=(later("ask"), later("pull"), later("compare")),
    )


def _binds(arguments: Arguments, services: Services, asked: Invocation) -> dict[str, str]:  # noqa: ARG001
    reference = _reference(arguments, services)
    return {f"registry:{reference}": services.registries.of(reference).registry.digest(reference) or ""}


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    reference = _reference(arguments, services)
    return _told(
        reference,
        pull(services.engine(run.host), run, services.registries.of(reference), reference),
        run.host,
    )


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    reference = _reference(asked, services)
    done = found(services.engine(run.host), services.registries.of(reference), reference)
    return _told(reference, done, run.host) if done else None


def _told(reference: Reference, done: Pulled, host: str) -> Reply:
    return Reply(
        text=say(
            "{reference} is on host {host}: it is {digest}, as the registry serves it.",
            reference=reference,
            host=host,
            digest=done.digest,
        ),
        facts={
            "reference": reference.text,
            "digest": done.digest,
            "image": done.image.id,
            "size_bytes": done.image.size_bytes,
            "host": host,
        },
    )


COMMAND = Command(
    name="pull",
    summary=later("Pull an image from a registry, and prove that it is what the registry serves"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    binds=_binds,
    run=_run,
    done=_done,
    examples=("pull team/web:1.4", "pull registry.example.com/team/web:1.4 --host alpha"),
)
