"""`restore BACKUP`: a proven backup into a new volume, or with --replace in the place of what is there now."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg, parse
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, Text, VolumeName
from bot.model import Plan, Reply, Right
from bot.operations.backup import Still, back_up_still
from bot.operations.context import EXCHANGE_BACK, REMOVE_VOLUME
from bot.operations.replace import Means, replace
from bot.operations.replaced import reply_after_crash, reply_of
from bot.operations.restore import RestorePlan, reply_of_new, reply_of_new_after_crash, restore_part
from bot.operations.restoring import RestoreWish
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `restore` takes."""

    backup: BackupReference = arg("the backup to restore")
    into: VolumeName | None = arg("the volume’s name: a new one, or with --replace any", default=None)
    replace: bool = arg("put it in the place of what is there now", default=False)
    path: Text = arg("only this file or directory of the backup", default=Text(""))
    quiesce: str = arg("with --replace: stop its users, or refuse", default="stop", choices=("stop", "none"))
    dry_run: bool = arg("only say what would be done", default=False)
    host: HostName | None = arg("the Docker host; the one that it was taken on, if left out", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _wish(arguments: Arguments, services: Services) -> RestoreWish:
    return RestoreWish(
        backup=services.archive.find(arguments.backup),
        into=arguments.into or "",
        replace=arguments.replace,
        path=arguments.path,
        may_stop=arguments.quiesce == "stop",
    )


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return _wish(arguments, services).targets(lambda: services.engine(_host(arguments, services)))


def _host(arguments: Arguments, services: Services) -> str:
    host = arguments.host or services.archive.find(arguments.backup).host
    return host if arguments.host or host in services.engines else services.default_host


def _plan(arguments: Arguments, services: Services) -> Plan:
    host = _host(arguments, services)
    made = _wish(arguments, services).plan(services.engine(host))
    text = f"{made.text} This is on host {host}."
    if arguments.dry_run:
        return Plan(text=f"Look what it would take, and change nothing: {text}")
    return Plan(text=text, targets=made.targets, steps=made.steps)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, archive = services.engine(run.host), services.archive
    made = _wish(arguments, services).plan(engine)
    if arguments.dry_run:
        told = f"{made.explained(engine)} Nothing was changed."
        return Reply(text=told, facts={"host": run.host, **made.facts})
    if isinstance(made, RestorePlan):
        return reply_of_new(restore_part(engine, archive, run, made), run.host)
    held, source = services.runs.get(run.run_id).plan, made.place.source
    made.refuse_users(held.targets if held else ())
    means = Means(
        policy=services.quiesce,
        safety=lambda quiet: back_up_still(engine, archive, run, Still(source=source, downtime=quiet)),
    )
    return reply_of(replace(engine, archive, run, made, means), run.run_id, run.host)


def _done(run_id: str, services: Services) -> Reply | None:
    """A volume or an exchange that was kept was proven, and stays."""
    run = services.runs.get(run_id)
    if services.was_kept(run_id, EXCHANGE_BACK):
        path = str(parse(COMMAND, split(run.invocation.line)[1:]).path)
        return reply_after_crash(services.archive, run_id, run.host, path)
    is_new = services.was_kept(run_id, REMOVE_VOLUME)
    return reply_of_new_after_crash(services.engine(run.host), run_id) if is_new else None


COMMAND = Command(
    name="restore",
    summary="Restore a backup into a new volume or in the place of what is there, and prove that it is the same",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("restore 7f3a2c1b", "restore 7f3a2c1b --into pgdata-copy", "restore 7f3a2c1b --replace"),
    slash=True,
)
