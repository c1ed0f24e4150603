"""`release BACKUP`: let retention decide about a held backup again."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import BackupReference
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right
from bot.operations.holds import released, target_of
from bot.operations.identities import of_backups
from bot.services import Services
from bot.stores.archive import SAFETY


@dataclass(frozen=True)
class Arguments:
    """What `release` takes."""

    backup: BackupReference = arg("the backup to release")
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return (target_of(services.archive.find(arguments.backup)),)


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup = services.archive.find(arguments.backup)
    return Plan(
        text=say("Release backup {run_id} of {volume}.", run_id=backup.manifest.run_id, volume=backup.volume),
        targets=(target_of(backup),),
        binds=of_backups(backup),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    backup = services.archive.find(arguments.backup)
    made_by = backup.manifest.run_id
    hold = services.archive.marks(backup).hold
    if hold is None:
        raise Conflict(
            say(
                "Backup {run_id} of {volume} is not held. Nothing was changed.",
                run_id=made_by,
                volume=backup.volume,
            )
        )
    services.archive.mark(backup, lambda marks: released(marks, services.clock()))
    safety = say(
        "It is the safety backup that run {run_id} made of what it replaced: once `prune` has removed it, "
        "that run cannot be undone from it any more.",
        run_id=made_by,
    )
    text = say(
        "Backup {run_id} of {volume} is not held any more; the next `prune` decides about it.",
        run_id=made_by,
        volume=backup.volume,
    )
    return Reply(
        text=f"{text} {safety}" if backup.manifest.purpose == SAFETY else text,
        facts={
            "backup": backup.id,
            "was_held_by": hold.by,
            "held_at": hold.at.isoformat(),
            "note": hold.note,
        },
        buttons=(Button(label=say("Hold again"), line=f"hold {made_by}"),),
    )


COMMAND = Command(
    name="release",
    summary=later("Let a held backup be pruned again"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=lambda arguments, services: services.archive.find(arguments.backup).host,
    plan=_plan,
    run=_run,
    examples=("release 7f3a2c1b",),
)
