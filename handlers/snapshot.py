"""`snapshot CONTAINER`: an image of what it is now, looked at again, and on request backups of its volumes."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import ContainerName, HostName, ImageReference, Text
from bot.language import later
from bot.model import Plan, Reply, Right
from bot.operations.context import REMOVE_SNAPSHOT
from bot.operations.quiesce import Quiesce
from bot.operations.snapshot import Making, refuse_named, take
from bot.operations.snapshotplan import NO_RUN, SnapshotPlan, SnapshotWish, plan, reference_of, refuse_unheld
from bot.operations.snapshotpush import offered, sent_on, sent_on_before_crash, target, with_push
from bot.operations.snapshottold import reply_after_crash, reply_of
from bot.parsing import arguments_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `snapshot` takes."""

    container: ContainerName = arg("the container to make an image of")
    tag: ImageReference | None = arg("the image’s name; a new one by the settings, if left out", default=None)
    with_volumes: bool = arg("also take proven backups of all that it mounts", default=False)
    push: bool = arg("also push it to its registry, proven by the digest", default=False)
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
    made = _made(arguments, services)
    pushed = _named(arguments, services, made).reference if arguments.push else None
    return made.targets if pushed is None else (*made.targets, target(services.registries, pushed))


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
    refuse_named(engine, reference := _named(arguments, services, made).reference)
    planned = Plan(text=made.text, targets=_targets(arguments, services), steps=made.steps, binds=made.binds)
    return with_push(planned, services.registries, reference) if arguments.push else planned


def _named(arguments: Arguments, services: Services, made: SnapshotPlan, run_id: str = NO_RUN) -> Making:
    host, at = services.engine(arguments.host).host, services.clock()
    return Making(reference=reference_of(services.snapshots, made, (host, run_id, at)), at=at)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, made = services.engine(arguments.host), _made(arguments, services)
    refuse_unheld(made, services.runs.get(run.run_id).plan)
    making = _named(arguments, services, made, run.run_id)
    reply = reply_of(take(engine, services.archive, run, made, making), made)
    if arguments.push:
        return sent_on(engine, run, services.registries, making.reference, reply)
    return offered(reply, services.registries, engine.host)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    engine, kept = services.engine(run.host), services.was_kept(run_id, REMOVE_SNAPSHOT)
    reply = reply_after_crash(engine, services.archive, run_id, kept=kept)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    return sent_on_before_crash(engine, services.registries, run_id, reply) if asked.push else reply


COMMAND = Command(
    name="snapshot",
    summary=later("Make an image of a container, with proven backups of its volumes on request"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=(
        "snapshot web",
        "snapshot web --with-volumes --push",
        'snapshot web --tag team/web:before --note "before the upgrade"',
    ),
    slash=True,
)
