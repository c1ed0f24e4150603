"""`cp SOURCE DESTINATION`: a file out of a container or into one, whole and proven, from Slack and from a shell."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import CopyDestination, CopySource, HostName
from bot.language import later
from bot.model import Invocation, Plan, Reply, Right
from bot.operations.copies import CopyInWish, CopyOutWish, Rooms, found_done, wish_of
from bot.operations.copyends import at_home
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `cp` takes."""

    source: CopySource = arg("CONTAINER:/PATH, `upload`, a Slack file’s id or link, or in a shell a path")
    destination: CopyDestination = arg("CONTAINER:/PATH, `slack`, or in a shell a path")
    keep_owner: bool = arg("give it the owner and permissions that it has in the shell", default=False)
    force: bool = arg("replace a file of the shell’s machine", default=False)
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the container", default=False)


def _wish(arguments: Arguments) -> CopyOutWish | CopyInWish:
    return wish_of(
        arguments.source, arguments.destination, keep_owner=arguments.keep_owner, force=arguments.force
    )


def _rooms(services: Services, host: str | None, asked: Invocation | None = None) -> Rooms:
    return Rooms(
        engine=services.engine(host),
        archive=services.archive,
        outgoing=services.outgoing,
        uploads=services.uploads,
        limit=services.copy_bytes,
        asked=asked,
    )


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return _wish(arguments).targets(services.engine(arguments.host))


def _plan(arguments: Arguments, services: Services, asked: Invocation) -> Plan:
    return _wish(arguments).plan(_rooms(services, arguments.host, asked))


def _binds(arguments: Arguments, services: Services, asked: Invocation) -> dict[str, str]:
    return _wish(arguments).binds(_rooms(services, arguments.host, asked))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    held = services.runs.get(run.run_id).plan
    return _wish(arguments).carry_out(_rooms(services, arguments.host, run.invocation), run, held)


def _done(run_id: str, services: Services) -> Reply | None:
    return found_done(_rooms(services, services.runs.get(run_id).host), services.kept, run_id)


COMMAND = Command(
    name="cp",
    summary=later("Copy a file out of a container or into one, and prove that it is the same"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan_for=_plan,
    binds=_binds,
    run=_run,
    done=_done,
    at_home=at_home,
    personal=lambda arguments: _wish(arguments).is_personal,
    examples=(
        "cp web:/etc/nginx/nginx.conf slack",
        "cp upload web:/etc/nginx/",
    ),
    shell_examples=("cp ./app.toml web:/etc/app.toml",),
)
