"""`remove-volume NAME`: shows what would be lost, and removes it once that very plan is confirmed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bot.command import Command, arg, parse
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import HostName, PlanCode, VolumeName
from bot.model import Button, Plan, Reply, Right, Status
from bot.operations import removal
from bot.operations.changes import Difference
from bot.operations.difference import until_now
from bot.operations.removal import Doomed
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
    services.engine(arguments.host).volume(arguments.volume)
    what = "Remove" if arguments.confirm else "Look what would be lost with"
    return Plan(text=f"{what} volume {arguments.volume}.", targets=_targets(arguments, services))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine = services.engine(run.host)
    doomed = removal.look(engine, services.archive, arguments.volume)
    doomed.refuse_used()
    if arguments.confirm:
        doomed.refuse_outdated(arguments.confirm)
    changes = None
    if not arguments.without_backup:
        changes = _changes(doomed, services, run)
        removal.refuse_unprotected(doomed, changes)
    if arguments.confirm:
        removal.remove(engine, arguments.volume)
        return _gone(arguments, doomed.backup.manifest.run_id if doomed.backup else "")
    return _asks(arguments, services, run, doomed, is_unchanged=changes is not None)


def _changes(doomed: Doomed, services: Services, run: RunContext) -> Difference | None:
    if doomed.backup is None or doomed.backup.manifest.dump is not None:
        return None
    found, _ = until_now(services.engine(run.host), services.archive, run, doomed.backup, _NAMED_CHANGES)
    return found


def _asks(
    arguments: Arguments, services: Services, run: RunContext, doomed: Doomed, *, is_unchanged: bool
) -> Reply:
    contents = removal.count(services.engine(run.host), run, arguments.volume)
    line = ["remove-volume", arguments.volume, "--host", run.host, "--confirm", doomed.code]
    line += ["--without-backup"] if arguments.without_backup else []
    told = removal.in_words(doomed, contents, services.clock(), is_unchanged=is_unchanged)
    return Reply(
        text=f"Nothing was removed yet. {told} To remove it: `{shlex.join(line)}`",
        facts={
            "volume": arguments.volume,
            "raw_bytes": contents.raw_bytes,
            "backup": doomed.backup.manifest.run_id if doomed.backup else None,
            "code": doomed.code,
        },
        buttons=(Button(label="Remove it", line=shlex.join(line), danger=True),),
        status=Status.PARTIAL,
    )


def _gone(arguments: Arguments, backup: str) -> Reply:
    again = f"restore {backup} --into {arguments.volume}" + (
        f" --host {arguments.host}" if arguments.host else ""
    )
    return Reply(
        text=f"Volume {arguments.volume} is removed: the host does not list it any more."
        + (f" `{again}` brings it back." if backup else " No verified backup holds what was in it."),
        facts={"volume": arguments.volume, "backup": backup or None},
        buttons=(Button(label="Restore it", line=again),) if backup else (),
    )


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = parse(COMMAND, split(run.invocation.line)[1:])
    if not asked.confirm or removal.is_there(services.engine(run.host), asked.volume):
        return None
    newest = removal.newest_verified(services.archive, run.host, asked.volume)
    return _gone(asked, newest.manifest.run_id if newest else "")


COMMAND = Command(
    name="remove-volume",
    summary="Remove a volume that nobody uses and a verified backup holds, once its plan is confirmed",
    right=Right.ADMIN,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("remove-volume pgdata-old", "remove-volume scratch --without-backup"),
)
