"""`restore BACKUP`: a proven backup into a new volume, read back and compared before it counts."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, VolumeName
from bot.model import Plan, Reply, Right
from bot.operations.restore import default_name, restore, restored_by
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `restore` takes."""

    backup: BackupReference = arg("the backup to restore")
    into: VolumeName | None = arg("the new volume’s name", default=None)
    host: HostName | None = arg("the Docker host; the one that it was taken on, if left out", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _found(arguments: Arguments, services: Services) -> tuple[Backup, str]:
    backup = services.archive.find(arguments.backup)
    return backup, arguments.into or default_name(backup)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    backup, into = _found(arguments, services)
    return tuple(dict.fromkeys((f"volume:{backup.volume}", f"volume:{into}")))


def _host(arguments: Arguments, services: Services) -> str:
    host = arguments.host or services.archive.find(arguments.backup).host
    return host if arguments.host or host in services.engines else services.default_host


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup, into = _found(arguments, services)
    return Plan(
        text=f"Restore backup {backup.manifest.run_id} of volume {backup.volume} into the new volume {into} "
        f"on host {_host(arguments, services)}.",
        targets=_targets(arguments, services),
        steps=("verify", "fill", "compare"),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    backup, into = _found(arguments, services)
    restored = restore(services.engine(run.host), services.archive, run, backup, into)
    left_out = f" These volume options were not set again: {', '.join(restored.left_out)}."
    return Reply(
        text=f"Backup {backup.manifest.run_id} of volume {backup.volume} is restored into the new volume "
        f"{restored.volume}; what it holds was read back and is the same, entry by entry."
        + (left_out if restored.left_out else ""),
        facts={
            "volume": restored.volume,
            "host": run.host,
            "backup": backup.id,
            "entries": restored.entries,
            "raw_bytes": restored.raw_bytes,
        },
    )


def _done(run_id: str, services: Services) -> Reply | None:
    """A volume of the run's that is left, after all that was not proven was taken back, was proven."""
    host = services.runs.get(run_id).host
    volume = restored_by(services.engine(host), run_id)
    if volume is None:
        return None
    return Reply(
        text=f"The backup is restored into the new volume {volume}; what it holds was read back and is the same, "
        "entry by entry. The bot was stopped just after that.",
        facts={"volume": volume, "host": host},
    )


COMMAND = Command(
    name="restore",
    summary="Restore a backup into a new volume, and prove that it is the same",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("restore 7f3a2c1b", "restore 7f3a2c1b --into pgdata-copy"),
    slash=True,
)
