"""`verify BACKUP`: read a stored backup again, and prove that it is still what was written."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import BackupReference
from bot.model import Button, Plan, Reply, Right
from bot.operations.holds import is_verified, target_of
from bot.operations.verify import verify
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `verify` takes."""

    backup: BackupReference = arg("the backup to read again")
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return (target_of(services.archive.find(arguments.backup)),)


def _host(arguments: Arguments, services: Services) -> str:
    return services.archive.find(arguments.backup).host


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup = services.archive.find(arguments.backup)
    return Plan(
        text=f"Read backup {backup.manifest.run_id} of volume {backup.volume} again and compare every entry.",
        targets=_targets(arguments, services),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    proven = verify(services.archive, run, services.archive.find(arguments.backup), services.clock)
    backup, marks = proven.backup, proven.marks
    but = ""
    if not backup.is_ok:
        but = (
            f" It stays partial: {backup.manifest.problems.count} files were not read as they should be when it was "
            "taken, so it counts for nothing in retention."
        )
    elif not is_verified(backup, marks):
        but = f" It still does not count as a backup to rely on ({marks.failure}); a drill that passes changes that."
    return Reply(
        text=f"Backup {backup.manifest.run_id} of {backup.volume} is whole: every stored byte and every entry is as "
        f"its manifest says.{but}",
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "entries": proven.entries,
            "raw_bytes": proven.raw_bytes,
            "stored_bytes": proven.stored_bytes,
        },
        buttons=(Button(label="Restore a copy", line=f"restore {backup.manifest.run_id}"),),
    )


COMMAND = Command(
    name="verify",
    summary="Read a stored backup again and prove that it is whole",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    examples=("verify 7f3a2c1b",),
)
