"""`verify BACKUP`: read a stored backup again, and prove that it is still what was written.

`verify --oldest` takes the one whose turn it is, so that a schedule goes round all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg, arg_unless
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, Pattern
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right
from bot.operations.holds import target_of
from bot.operations.rotation import Turn, next_to_verify, refuse_both, sources_of
from bot.operations.verify import doubts, verify
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `verify` takes."""

    backup: BackupReference | None = arg_unless("the backup to read again; left out with --oldest", "oldest")
    oldest: bool = arg("the one that was read longest ago", default=False)
    among: Pattern | None = arg("with --oldest: only those with such a name, * for anything", default=None)
    host: HostName | None = arg("the host that it was taken on", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _backup(arguments: Arguments, services: Services, held: frozenset[str] | None = None) -> Backup:
    refuse_both(arguments.backup, arguments.among, oldest=arguments.oldest)
    if arguments.backup is not None:
        return services.archive.find(arguments.backup, arguments.host)
    host = arguments.host or services.default_host
    turn = Turn(host=host, pattern=arguments.among or "*", held=held)
    return next_to_verify(services.archive, turn)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return (target_of(_backup(arguments, services)),)


def _host(arguments: Arguments, services: Services) -> str:
    if arguments.backup is None:
        return arguments.host or services.default_host
    return _backup(arguments, services).host


def _plan(arguments: Arguments, services: Services) -> Plan:
    backup = _backup(arguments, services)
    return Plan(
        text=say(
            "Read backup {run_id} of volume {volume} again and compare every entry.",
            run_id=backup.manifest.run_id,
            volume=backup.volume,
        ),
        targets=(target_of(backup),),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    held = services.runs.get(run.run_id).plan
    found = _backup(arguments, services, sources_of(held.targets if held else ()))
    proven = verify(services.archive, run, found, services.clock)
    backup, marks = proven.backup, proven.marks
    text = say(
        "Backup {run_id} of {volume} is whole: every stored byte and every entry is as its manifest says.",
        run_id=backup.manifest.run_id,
        volume=backup.volume,
    )
    return Reply(
        text=" ".join((text, *doubts(backup, marks))),
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "entries": proven.entries,
            "raw_bytes": proven.raw_bytes,
            "stored_bytes": proven.stored_bytes,
        },
        buttons=(Button(label=say("Restore a copy"), line=f"restore {backup.manifest.run_id}"),),
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
    examples=("verify 7f3a2c1b", "verify --oldest"),
)
