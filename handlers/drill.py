"""`drill VOLUME`: prove that a backup can be restored, by restoring it into a volume that is thrown away."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, SourceName
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right
from bot.operations.drill import Drilled, drill, newest, plan, refuse_partial
from bot.operations.holds import filed_as, target_of
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `drill` takes."""

    source: SourceName = arg("the volume or path whose backup is tried")
    backup: BackupReference | None = arg("which of its backups; the newest, if left out", default=None)
    host: HostName | None = arg("where to try; the host that it was taken on, if left out", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _backup(arguments: Arguments, services: Services) -> Backup:
    name = filed_as(arguments.source)
    if arguments.backup:
        return services.archive.find(arguments.backup, volume=name)
    return newest(services.archive, name, (arguments.host or services.default_host, None))


def _host(arguments: Arguments, services: Services) -> str:
    host = arguments.host or _backup(arguments, services).host
    return host if arguments.host or host in services.engines else services.default_host


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup = _backup(arguments, services)
    refuse_partial(backup)
    return Plan(
        text=say(
            "Restore backup {run_id} of {volume} into a throw-away volume on host "
            "{host}, compare it, check it, and remove it again.",
            run_id=backup.manifest.run_id,
            volume=backup.volume,
            host=_host(arguments, services),
        ),
        targets=(target_of(backup),),
        steps=(later("verify"), later("fill"), later("compare"), later("check"), later("remove")),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    made = plan(_backup(arguments, services), run.run_id, services.drills)
    done = drill(services.engine(run.host), services.archive, run, made, services.clock)
    backup = done.backup
    return Reply(
        text=_text(done),
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "host": run.host,
            "entries": done.entries,
            "raw_bytes": done.raw_bytes,
        },
        buttons=(Button(label=say("Restore a copy"), line=f"restore {backup.manifest.run_id}"),),
    )


def _text(done: Drilled) -> str:
    said = [
        say(
            "Backup {run_id} of {volume} can be restored: it was unpacked into a throw-away "
            "volume and is the same, entry by entry.",
            run_id=done.backup.manifest.run_id,
            volume=done.backup.volume,
        ),
        say("Checks that passed: {checks}.", checks=", ".join(done.checks))
        if done.checks
        else say("No check is set for it."),
    ]
    if done.losses:
        said.append(say("What a restore does not put back: {losses}.", losses="; ".join(done.losses)))
    return " ".join((*said, say("The throw-away volume was removed again.")))


COMMAND = Command(
    name="drill",
    summary=later("Restore a backup for a trial, and prove that it can be"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=lambda arguments, services: (target_of(_backup(arguments, services)),),
    host=_host,
    plan=_plan,
    run=_run,
    examples=("drill pgdata", "drill pgdata --backup 7f3a2c1b"),
)
