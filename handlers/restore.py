"""`restore BACKUP`: a proven backup into a new volume, or with --replace in the place of what is there now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bot.command import Command, arg, parse
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, Text, VolumeName
from bot.model import Plan, Reply, Right
from bot.operations.restoration import Terms, carry_out, found_done
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
    terms = Terms(held=services.runs.get(run.run_id).plan, policy=services.quiesce)
    return carry_out(engine, archive, run, made, terms)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = parse(COMMAND, split(run.invocation.line)[1:])
    kept = partial(services.was_kept, run_id)
    return found_done(services.engine(run.host), services.archive, kept, run_id, asked.path)


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
