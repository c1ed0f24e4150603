"""`snapshot CONTAINER`: an image of what it is now, looked at again, and on request backups of its volumes."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import ContainerName, HostName, ImageReference, Text
from bot.model import Plan, Reply, Right
from bot.operations.context import REMOVE_SNAPSHOT
from bot.operations.quiesce import Quiesce
from bot.operations.snapshot import Making, refuse_named, take
from bot.operations.snapshotplan import SnapshotPlan, SnapshotWish, plan, reference_of
from bot.operations.snapshottold import reply_after_crash, reply_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `snapshot` takes."""

    container: ContainerName = arg("the container to make an image of")
    tag: ImageReference | None = arg("the image’s name; a new one by the settings, if left out", default=None)
    with_volumes: bool = arg("also take proven backups of all that it mounts", default=False)
    quiesce: str | None = arg(
        "what running containers do meanwhile; pause, unless labels say otherwise",
        default=None,
        choices=("none", "pause", "stop"),
    )
    note: Text = arg("why, kept in the image", default=Text(""))
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the container", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    """By its own name, whichever way it was named: roles and other runs know it by that."""
    if arguments.with_volumes:
        return _made(arguments, services).targets
    return (f"container:{services.engine(arguments.host).container(arguments.container).name}",)


def _made(arguments: Arguments, services: Services) -> SnapshotPlan:
    wish = SnapshotWish(
        container=arguments.container,
        reference=arguments.tag or "",
        with_volumes=arguments.with_volumes,
        quiesce=Quiesce(arguments.quiesce) if arguments.quiesce else None,
        note=arguments.note,
    )
    return plan(services.engine(arguments.host), wish, services.quiesce)


def _plan(arguments: Arguments, services: Services) -> Plan:
    engine, made = services.engine(arguments.host), _made(arguments, services)
    if arguments.tag:
        refuse_named(engine, _named(arguments, services, made, "").reference)
    return Plan(text=made.text, targets=made.targets, steps=made.steps)


def _named(arguments: Arguments, services: Services, made: SnapshotPlan, run_id: str) -> Making:
    host, at = services.engine(arguments.host).host, services.clock()
    return Making(reference=reference_of(services.snapshots, made, (host, run_id, at)), at=at)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, made = services.engine(arguments.host), _made(arguments, services)
    held = services.runs.get(run.run_id).plan
    if not set(made.targets) <= set(held.targets if held else ()):
        raise Conflict(
            f"What {made.container.name} mounts, or who uses that, changed since this run began, and is not held by "
            "it. Nothing was paused, stopped or saved. Send the command again."
        )
    making = _named(arguments, services, made, run.run_id)
    return reply_of(take(engine, services.archive, run, made, making), made)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    kept = services.was_kept(run_id, REMOVE_SNAPSHOT)
    return reply_after_crash(services.engine(run.host), services.archive, run_id, kept=kept)


COMMAND = Command(
    name="snapshot",
    summary="Make an image of a container, with proven backups of its volumes on request",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=(
        "snapshot web",
        "snapshot web --with-volumes",
        'snapshot web --tag team/web:before --note "before the upgrade"',
    ),
    slash=True,
)
