"""`restore BACKUP|SNAPSHOT`: a proven backup into a volume, or a container that is a clone of a snapshot’s."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import HostName, NewContainerName, RestorableName, Text, VolumeName
from bot.language import later
from bot.model import Plan, Reply, Right
from bot.operations import restorable
from bot.operations.cloneplan import CloneWish
from bot.operations.restoration import Terms
from bot.operations.restoring import RestoreWish, only_looked_at
from bot.parsing import arguments_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `restore` takes."""

    backup: RestorableName = arg("the backup or snapshot to restore")
    into: VolumeName | None = arg("the volume’s name: a new one, or with --replace any", default=None)
    replace: bool = arg("put it in the place of what is there now", default=False)
    path: Text = arg("only this file or directory of the backup", default=Text(""))
    quiesce: str = arg("with --replace: stop its users, or refuse", default="stop", choices=("stop", "none"))
    as_: NewContainerName | None = arg("of a snapshot: the new container’s name", default=None)
    share_volumes: bool = arg("of a snapshot: mount what has no backup as the original does", default=False)
    dry_run: bool = arg("only say what would be done", default=False)
    host: HostName | None = arg("the Docker host; the one that it was taken on, if left out", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _wish(arguments: Arguments, services: Services) -> RestoreWish | CloneWish:
    asked = restorable.RestoreAsked(
        reference=arguments.backup,
        into=arguments.into or "",
        replace=arguments.replace,
        path=arguments.path,
        may_stop=arguments.quiesce == "stop",
        name=arguments.as_ or "",
        share_volumes=arguments.share_volumes,
    )
    engine = lambda: services.engine(_host(arguments, services))  # noqa: E731
    return restorable.wish_of(asked, services.archive, engine, services.made_image)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return _wish(arguments, services).targets(lambda: services.engine(_host(arguments, services)))


def _host(arguments: Arguments, services: Services) -> str:
    host = arguments.host or restorable.host_of(arguments.backup, services.archive) or services.default_host
    return host if arguments.host or host in services.engines else services.default_host


def _plan(arguments: Arguments, services: Services) -> Plan:
    host = _host(arguments, services)
    planned = restorable.plan_of(_wish(arguments, services).plan(services.engine(host)), host)
    return only_looked_at(planned) if arguments.dry_run else planned


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, archive = services.engine(run.host), services.archive
    made = _wish(arguments, services).plan(engine)
    if arguments.dry_run:
        return restorable.told(made, engine)
    terms = Terms(held=services.runs.get(run.run_id).plan, policy=services.quiesce)
    return restorable.restored(engine, archive, run, made, terms)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    kept = partial(services.was_kept, run_id)
    return restorable.restored_before_crash(
        services.engine(run.host), services.archive, kept, run_id, asked.path
    )


COMMAND = Command(
    name="restore",
    summary=later("Restore a backup into a volume, proven the same, or start a clone from a snapshot"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=(
        "restore 7f3a2c1b",
        "restore 7f3a2c1b --into pgdata-copy",
        "restore 7f3a2c1b --replace",
        "restore 7f3a2c1b --as web-2",
    ),
    slash=True,
)
