"""`diff BACKUP [OTHER]`: what changed since a backup, in the volume as it is now or in another backup."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import BackupReference, Count
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right, Table
from bot.operations.changes import Change
from bot.operations.difference import between, held_now, until_now
from bot.operations.holds import elsewhere_of, target_of
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `diff` takes."""

    backup: BackupReference = arg("the backup to compare with")
    other: BackupReference | None = arg("a later backup, instead of now", default=None, positional=True)
    limit: Count = arg("how many changes are listed at most", default=Count("50"))
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _backups(arguments: Arguments, services: Services) -> tuple[Backup, ...]:
    references = (arguments.backup, arguments.other) if arguments.other else (arguments.backup,)
    return tuple(services.archive.find(reference) for reference in references)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target_of(backup) for backup in _backups(arguments, services)))


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup, *others = _backups(arguments, services)
    now = () if others else held_now(services.engine(backup.host), backup)
    return Plan(
        text=say("Look for what changed from {span}. Nothing is changed.", span=_span(backup, others)),
        targets=tuple(dict.fromkeys((*_targets(arguments, services), *now))),
        elsewhere=elsewhere_of(backup, *others),
        steps=(later("list"), later("compare")),
    )


def _span(backup: Backup, others: list[Backup]) -> str:
    first = say("backup {run_id} of {volume}", run_id=backup.manifest.run_id, volume=backup.volume)
    if not others:
        return say("{first} until now", first=first)
    last = say("backup {run_id}", run_id=others[0].manifest.run_id)
    if others[0].volume != backup.volume:
        last = say("backup {run_id} of {volume}", run_id=others[0].manifest.run_id, volume=others[0].volume)
    return say("{first} to {last}", first=first, last=last)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    (backup, *others), limit = _backups(arguments, services), int(arguments.limit)
    if others:
        found, judged = between(services.archive, run, backup, others[0], limit)
    else:
        found, judged = until_now(services.engine(run.host), services.archive, run, backup, limit)
    facts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    changes = say("nothing changed")
    if found.total:
        changes = say("{added} added, {removed} removed and {changed} changed", **facts)
    said = [say("From {span} {changes}.", span=_span(backup, others), changes=changes)]
    if len(found.first) < found.total:
        said.append(say("The first {count} by name are listed.", count=len(found.first)))
    return Reply(
        text=" ".join((*said, judged)),
        facts=facts,
        table=_table(found.first) if found.first else None,
        buttons=(Button(label=say("Restore a copy"), line=f"restore {backup.manifest.run_id}"),),
    )


def _table(changes: tuple[Change, ...]) -> Table:
    return Table(
        columns=("path", "change", "what", "old_bytes", "new_bytes"),
        rows=tuple(
            (c.path, say(c.what), ", ".join(map(say, c.aspects)), c.old_bytes, c.new_bytes) for c in changes
        ),
    )


COMMAND = Command(
    name="diff",
    summary=later("Show what changed since a backup"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=lambda arguments, services: services.archive.find(arguments.backup).host,
    plan=_plan,
    run=_run,
    examples=("diff 7f3a2c1b", "diff 7f3a2c1b 8a4b3d2c --limit 200"),
)
