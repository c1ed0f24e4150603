"""`undo RUN`: bring back what a `restore --replace` replaced, so that this can be undone, too; or a `create-volume`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bot.command import Command, arg, parse
from bot.commandline import split
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import RunId
from bot.model import Plan, Reply, Right
from bot.operations.creation import plan_back, take_back, volume_of
from bot.operations.replaced import safety_of
from bot.operations.replaceplan import UNDO_DAYS
from bot.operations.restoration import Terms, carry_out, found_done
from bot.operations.restoring import RestoreWish
from bot.services import Services
from bot.stores.archive import Backup
from bot.stores.runs import Run


@dataclass(frozen=True)
class Arguments:
    """What `undo` takes."""

    run: RunId = arg("the run of a `restore --replace`, of an `undo` of one, or of a `create-volume`")
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _created(arguments: Arguments, services: Services) -> str | None:
    return volume_of(services.runs.get(arguments.run))


def _safety(arguments: Arguments, services: Services) -> tuple[Run, Backup]:
    """The run and what it replaced; raises NotFound or Conflict, which say what can be undone."""
    wanted = services.runs.get(arguments.run)
    facts = wanted.reply.facts if wanted.reply else {}
    backup = safety_of(services.archive, wanted.id) if facts.get("safety") else None
    if backup is None:
        raise Conflict(
            f"Run {wanted.id} (`{wanted.invocation.line}`, {wanted.status.value}) has replaced nothing that could be "
            "brought back. Nothing was changed. What can be undone is a `restore --replace` that was done, and an "
            "`undo` of one; and a `create-volume`, while its volume is empty."
        )
    if services.clock() > backup.manifest.ended_at + timedelta(days=UNDO_DAYS):
        raise Conflict(
            f"Run {wanted.id} is more than {UNDO_DAYS} days old, so it is not undone by this short word. Nothing was "
            f"changed. If that is what you want, type `restore {backup.id} --replace`."
        )
    return wanted, backup


def _wish(arguments: Arguments, services: Services) -> RestoreWish:
    run, backup = _safety(arguments, services)
    path = run.reply.facts.get("path") if run.reply else ""
    return RestoreWish(backup=backup, replace=True, path=str(path or ""))


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    if created := _created(arguments, services):
        return plan_back(arguments.run, created).targets
    return _wish(arguments, services).targets(lambda: services.engine(_host(arguments, services)))


def _host(arguments: Arguments, services: Services) -> str:
    return services.runs.get(arguments.run).host


def _plan(arguments: Arguments, services: Services) -> Plan:
    if created := _created(arguments, services):
        return plan_back(arguments.run, created)
    made = _wish(arguments, services).plan(services.engine(_host(arguments, services)))
    return Plan(text=f"Undo run {arguments.run}. {made.text}", targets=made.targets, steps=made.steps)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, archive = services.engine(run.host), services.archive
    if created := _created(arguments, services):
        return take_back(engine, run, created, arguments.run)
    made = _wish(arguments, services).plan(engine)
    terms = Terms(held=services.runs.get(run.run_id).plan, policy=services.quiesce)
    return carry_out(engine, archive, run, made, terms)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = parse(COMMAND, split(run.invocation.line)[1:])
    kept = partial(services.was_kept, run_id)
    path = _wish(asked, services).path
    return found_done(services.engine(run.host), services.archive, kept, run_id, path)


COMMAND = Command(
    name="undo",
    summary="Bring back what a `restore --replace` replaced, or remove the empty volume that was created",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("undo 7f3a2c1b",),
)
