"""`drill VOLUME`: prove that a backup can be restored, by restoring it into a volume that is thrown away.

`drill --oldest` takes the volume whose turn it is, so that a schedule goes round all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg, arg_unless
from bot.context import RunContext
from bot.kinds import BackupReference, HostName, Pattern, SourceName
from bot.language import later, say
from bot.model import Button, Plan, Reply, Right
from bot.operations.drill import drill, in_words, last_tried, newest, plan, refuse_partial
from bot.operations.holds import elsewhere_of, filed_as, target_of
from bot.operations.rotation import Turn, next_to_drill, refuse_both, sources_of
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `drill` takes."""

    source: SourceName | None = arg_unless(
        "the volume or path whose backup is tried; left out with --oldest", "oldest"
    )
    backup: BackupReference | None = arg("which of its backups; the newest, if left out", default=None)
    oldest: bool = arg("the one that was drilled longest ago, never drilled ones first", default=False)
    among: Pattern | None = arg("with --oldest: only those with such a name, * for anything", default=None)
    host: HostName | None = arg("where to try; the host that it was taken on, if left out", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _backup(arguments: Arguments, services: Services, held: frozenset[str] | None = None) -> Backup:
    refuse_both(arguments.source or arguments.backup, arguments.among, oldest=arguments.oldest)
    host = arguments.host or services.default_host
    if arguments.source is None:
        turn = Turn(host=host, pattern=arguments.among or "*", held=held)
        return next_to_drill(services.archive, turn, last_tried(services.audit, host))
    name = filed_as(arguments.source)
    if arguments.backup:
        return services.archive.find(arguments.backup, volume=name)
    return newest(services.archive, name, (host, None))


def _host(arguments: Arguments, services: Services) -> str:
    if arguments.oldest and arguments.source is None:
        return arguments.host or services.default_host
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
        elsewhere=elsewhere_of(backup),
        steps=(later("verify"), later("fill"), later("compare"), later("check"), later("remove")),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    held = services.runs.get(run.run_id).plan
    backup = _backup(arguments, services, sources_of(held.targets if held else ()))
    made = plan(backup, run.run_id, services.drills)
    done = drill(services.engine(run.host), services.archive, run, made, services.clock)
    backup = done.backup
    return Reply(
        text=in_words(done),
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "host": run.host,
            "entries": done.entries,
            "raw_bytes": done.raw_bytes,
        },
        buttons=(Button(label=say("Restore a copy"), line=f"restore {backup.manifest.run_id}"),),
    )


COMMAND = Command(
    name="drill",
    summary=later("Restore a backup for a trial, and prove that it can be"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=lambda arguments, services: (target_of(_backup(arguments, services)),),
    host=_host,
    plan=_plan,
    run=_run,
    examples=("drill pgdata", "drill pgdata --backup 7f3a2c1b", "drill --oldest"),
)
