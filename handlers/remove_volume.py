"""`remove-volume NAME`: shows what would be lost, and removes it once that very plan is confirmed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import HostName, PlanCode, VolumeName
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations import removal
from bot.operations.changes import Difference
from bot.operations.difference import touched_until_now
from bot.operations.identities import of_backups
from bot.operations.removal import Doomed
from bot.operations.removaltold import Known, asks, gone
from bot.parsing import arguments_of
from bot.services import Services

_NAMED_CHANGES = 3


@dataclass(frozen=True)
class Arguments:
    """What `remove-volume` takes."""

    volume: VolumeName = arg("the volume to remove")
    without_backup: bool = arg("although no verified backup holds what is in it", default=False)
    confirm: PlanCode | None = arg("the code of the plan that is confirmed", default=None)
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:  # noqa: ARG001
    return (f"volume:{arguments.volume}",)


def _plan(arguments: Arguments, services: Services) -> Plan:
    newest = removal.look(services.engine(arguments.host), services.archive, arguments.volume).backup
    what = later("Remove volume {volume}.")
    if not arguments.confirm:
        what = later("Look what would be lost with volume {volume}.")
    return Plan(
        text=say(what, volume=arguments.volume),
        targets=_targets(arguments, services),
        binds=of_backups(newest) if newest else {},
        only_looks=not arguments.confirm,
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine = services.engine(run.host)
    doomed = removal.look(engine, services.archive, arguments.volume)
    doomed.refuse_used()
    if arguments.confirm:
        doomed.refuse_outdated(arguments.confirm)
    judged = ""
    if not arguments.without_backup:
        changes, judged = _changes(doomed, services, run)
        removal.refuse_unprotected(doomed, changes)
    if arguments.confirm:
        removal.remove(engine, arguments.volume)
        return gone(run.host, arguments.volume, doomed.backup, is_unchanged=not arguments.without_backup)
    known = Known(
        contents=removal.count(engine, run, arguments.volume),
        judged=judged,
        without_backup=arguments.without_backup,
        now=services.clock(),
    )
    return asks(doomed, known)


def _changes(doomed: Doomed, services: Services, run: RunContext) -> tuple[Difference | None, str]:
    if doomed.backup is None:
        return None, ""
    engine, archive = services.engine(run.host), services.archive
    return touched_until_now(engine, archive, run, doomed.backup, _NAMED_CHANGES)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    if not asked.confirm or removal.is_there(services.engine(run.host), asked.volume):
        return None
    newest = removal.newest_verified(services.archive, run.host, asked.volume)
    return gone(run.host, asked.volume, newest, is_unchanged=not asked.without_backup)


COMMAND = Command(
    name="remove-volume",
    summary=later("Remove a volume that nobody uses and a verified backup holds, once its plan is confirmed"),
    right=Right.ADMIN,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("remove-volume pgdata-old", "remove-volume scratch --without-backup"),
)
