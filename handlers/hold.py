"""`hold BACKUP`: keep a backup, whatever retention says, until a day or until it is released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import UsageError
from bot.kinds import BackupReference, Day, Text
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right
from bot.operations.holds import held, target_of
from bot.operations.identities import of_backups
from bot.services import Services
from bot.stores.archive import Hold


@dataclass(frozen=True)
class Arguments:
    """What `hold` takes."""

    backup: BackupReference = arg("the backup to keep")
    note: Text = arg("why", default=Text(""))
    until: Day | None = arg("the last day of it; without, until it is released", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return (target_of(services.archive.find(arguments.backup)),)


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup = services.archive.find(arguments.backup)
    _end_of(arguments.until, services)
    sentence = (
        later("Keep backup {run_id} of {volume} from being pruned until {day} is over.")
        if arguments.until
        else later("Keep backup {run_id} of {volume} from being pruned until it is released.")
    )
    return Plan(
        text=say(sentence, run_id=backup.manifest.run_id, volume=backup.volume, day=arguments.until),
        targets=(target_of(backup),),
        binds=of_backups(backup),
    )


def _end_of(day: Day | None, services: Services) -> datetime | None:
    """The moment at which that day is over where retention counts its days; raises UsageError."""
    if day is None:
        return None
    try:
        after = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise UsageError(say("“{day}” is no day of the calendar. Nothing was changed.", day=day)) from error
    end = datetime.combine(after, time(), ZoneInfo(services.retention.timezone))
    if end <= services.clock():
        raise UsageError(say("{day} is over already. Nothing was changed. Name a day to come.", day=day))
    return end


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    backup = services.archive.find(arguments.backup)
    until = _end_of(arguments.until, services)
    hold = Hold(by=run.actor.name, at=services.clock(), note=arguments.note, until=until)
    before = services.archive.marks(backup).hold
    services.archive.mark(backup, lambda marks: held(marks, hold))
    sentence = (
        later("Backup {run_id} of {volume} is held: `prune` does not remove it until {day} is over ({zone}).")
        if until
        else later("Backup {run_id} of {volume} is held: `prune` does not remove it until it is released.")
    )
    zone = until.tzname() if until else ""
    said = [
        say(sentence, run_id=backup.manifest.run_id, volume=backup.volume, day=arguments.until, zone=zone)
    ]
    if before:
        said.append(say("It takes the place of the hold of {by}.", by=before.by))
    return Reply(
        text=" ".join(said),
        facts={"backup": backup.id, "held_by": hold.by, "note": hold.note},
        buttons=(Button(label=say("Release"), line=f"release {backup.manifest.run_id}"),),
    )


COMMAND = Command(
    name="hold",
    summary=later("Keep a backup from being pruned"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=lambda arguments, services: services.archive.find(arguments.backup).host,
    plan=_plan,
    run=_run,
    examples=("hold 7f3a2c1b", 'hold 7f3a2c1b --note "before the audit" --until 2027-01-31'),
)
