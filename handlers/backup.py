"""`backup SOURCE`: a volume’s or a path’s bytes into the archive, proven complete or not called done."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import HostName, SourceName, Text
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations.backup import Backed, back_up
from bot.operations.backupplan import BackupPlan, Wish, plan
from bot.operations.backuptold import reply_of
from bot.operations.quiesce import Quiesce
from bot.operations.sources import resolve
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `backup` takes."""

    source: SourceName = arg("the volume to back up, or a path in a container, such as web:/etc/nginx")
    quiesce: str | None = arg(
        "what its running containers do meanwhile, instead of what labels and settings say",
        default=None,
        choices=("none", "pause", "stop"),
    )
    dump: bool = arg("ask the database that uses it for a dump by its own program", default=False)
    note: Text = arg("why, kept in the manifest", default=Text(""))
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    """A volume is named as it was typed: whether it exists is asked later, of those who may ask."""
    if not arguments.source.is_path:
        return (f"volume:{arguments.source}",)
    return (resolve(services.engine(arguments.host), arguments.source).target,)


def _made(arguments: Arguments, services: Services) -> BackupPlan:
    wish = Wish(
        source=arguments.source,
        quiesce=Quiesce(arguments.quiesce) if arguments.quiesce else None,
        dump=arguments.dump,
        note=arguments.note,
    )
    return plan(services.engine(arguments.host), wish, services.quiesce)


def _plan(arguments: Arguments, services: Services) -> Plan:
    made = _made(arguments, services)
    return Plan(text=made.text, targets=made.targets, steps=made.steps, binds=made.binds)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    made = _made(arguments, services)
    held = services.runs.get(run.run_id).plan
    if not set(made.targets) <= set(held.targets if held else ()):
        raise Conflict(
            say(
                "A container that uses {source} was started since this run began, and is not held by it. "
                "Nothing was paused, stopped or saved. Ask for the backup again.",
                source=made.source.words,
            )
        )
    return reply_of(back_up(services.engine(arguments.host), services.archive, run, made))


def _done(run_id: str, services: Services) -> Reply | None:
    found = services.archive.of_run(run_id)
    return reply_of(Backed(backup=found[0])) if found else None


COMMAND = Command(
    name="backup",
    summary=later("Back up a volume or a path, and prove that the backup is whole"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=(
        "backup pgdata",
        "backup pgdata --quiesce stop",
        "backup pgdata --dump",
        'backup web:/etc/nginx --note "before the upgrade"',
    ),
    slash=True,
)
