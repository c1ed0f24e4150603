"""`verify BACKUP`: read a stored backup again, and prove that it is still what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import BackupReference
from bot.language import later, say, say_count
from bot.model import Button, Plan, Reply, Right
from bot.operations.holds import is_verified, target_of
from bot.operations.verify import verify
from bot.services import Services
from bot.stores.archive import Backup, Marks


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
        text=say(
            "Read backup {run_id} of volume {volume} again and compare every entry.",
            run_id=backup.manifest.run_id,
            volume=backup.volume,
        ),
        targets=_targets(arguments, services),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    proven = verify(services.archive, run, services.archive.find(arguments.backup), services.clock)
    backup, marks = proven.backup, proven.marks
    text = say(
        "Backup {run_id} of {volume} is whole: every stored byte and every entry is as its manifest says.",
        run_id=backup.manifest.run_id,
        volume=backup.volume,
    )
    return Reply(
        text=" ".join((text, *_but(backup, marks))),
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "entries": proven.entries,
            "raw_bytes": proven.raw_bytes,
            "stored_bytes": proven.stored_bytes,
        },
        buttons=(Button(label=say("Restore a copy"), line=f"restore {backup.manifest.run_id}"),),
    )


def _but(backup: Backup, marks: Marks) -> Iterator[str]:
    """Why it does not count, although it is whole."""
    if not backup.is_ok:
        yield say_count(
            "It stays partial: 1 file was not read as it should be when it was taken, so it counts for nothing in "
            "retention.",
            "It stays partial: {number} files were not read as they should be when it was taken, so it counts for "
            "nothing in retention.",
            backup.manifest.problems.count,
        )
    elif not is_verified(backup, marks):
        yield say(
            "It still does not count as a backup to rely on ({failure}); a drill that passes changes that.",
            failure=marks.failure,
        )


COMMAND = Command(
    name="verify",
    summary=later("Read a stored backup again and prove that it is whole"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    examples=("verify 7f3a2c1b",),
)
