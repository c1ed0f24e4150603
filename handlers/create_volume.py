"""`create-volume NAME`: a new, empty volume that says who asked for it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, Takes, arg
from bot.context import RunContext
from bot.kinds import Assignment, HostName, NewVolumeName, Text
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations.context import REMOVE_VOLUME
from bot.operations.creation import Wanted, create, created_by, pairs, reply_of
from bot.services import Services

_LOCAL = "local"


@dataclass(frozen=True)
class Arguments:
    """What `create-volume` takes."""

    volume: NewVolumeName = arg("the volume’s name")
    driver: Text = arg("its driver; another than local needs an administrator", default=Text(_LOCAL))
    label: tuple[Assignment, ...] = arg("a label; may be repeated", default=(), takes=Takes.MANY)
    option: tuple[Assignment, ...] = arg(
        "an option of its driver, which needs an administrator; may be repeated", default=(), takes=Takes.MANY
    )
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds that name", default=False)


def _wanted(arguments: Arguments) -> Wanted:
    return Wanted(
        name=arguments.volume,
        driver=arguments.driver,
        labels=pairs(arguments.label, say("label")),
        options=pairs(arguments.option, say("option")),
    )


def _right(arguments: Arguments, services: Services) -> Right:  # noqa: ARG001
    """With options a volume can show any directory of the host, or any share that it reaches."""
    is_plain = arguments.driver == _LOCAL and not arguments.option
    return Right.OPERATE if is_plain else Right.ADMIN


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:  # noqa: ARG001
    _wanted(arguments)  # what cannot be meant is refused before anybody waits
    return (f"volume:{arguments.volume}",)


def _plan(arguments: Arguments, services: Services) -> Plan:
    host = services.engine(arguments.host).host
    return Plan(
        text=say("Create volume {volume} on host {host}.", volume=arguments.volume, host=host),
        targets=_targets(arguments, services),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    return create(services.engine(run.host), run, _wanted(arguments))


def _done(run_id: str, services: Services) -> Reply | None:
    host = services.runs.get(run_id).host
    made = created_by(services.engine(host), run_id)
    return reply_of(host, made) if made and services.was_kept(run_id, REMOVE_VOLUME) else None


COMMAND = Command(
    name="create-volume",
    summary=later("Create an empty volume"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    right_for=_right,
    examples=("create-volume pgdata16", "create-volume cache --label team=shop --label tier=2"),
)
