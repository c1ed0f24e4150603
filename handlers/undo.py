"""`undo RUN`: bring back what a `restore --replace` or a `cp` replaced, so that this can be undone, too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bot.command import Command, arg, parse
from bot.commandline import split
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import RunId
from bot.model import Plan, Reply, Right
from bot.operations.replaced import safety_of
from bot.operations.replaceplan import UNDO_DAYS, UNDO_FOR
from bot.operations.restoration import Terms, carry_out, found_done
from bot.operations.restoring import RestoreWish
from bot.operations.uncopy import Uncopy, found_copied, uncopy_of
from bot.services import Services
from bot.stores.archive import Backup
from bot.stores.runs import Run


@dataclass(frozen=True)
class Arguments:
    """What `undo` takes."""

    run: RunId = arg("the run of a `restore --replace`, of a `cp` into a container, or of an `undo`")
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _safety(arguments: Arguments, services: Services) -> tuple[Run, Backup]:
    """The run and what it replaced; raises NotFound or Conflict, which say what can be undone."""
    wanted = services.runs.get(arguments.run)
    facts = wanted.reply.facts if wanted.reply else {}
    backup = safety_of(services.archive, wanted.id) if facts.get("safety") else None
    if backup is None:
        raise Conflict(
            f"Run {wanted.id} (`{wanted.invocation.line}`, {wanted.status.value}) has replaced nothing that could be "
            "brought back. Nothing was changed. What can be undone is a `restore --replace` or a `cp` into a container "
            "that was done, and an `undo` of one."
        )
    if services.clock() > backup.manifest.ended_at + UNDO_FOR:
        raise Conflict(
            f"Run {wanted.id} is more than {UNDO_DAYS} days old, so it is not undone by this short word. Nothing was "
            f"changed. If that is what you want, type `restore {backup.id} --replace`."
        )
    return wanted, backup


def _wish(arguments: Arguments, services: Services) -> RestoreWish:
    run, backup = _safety(arguments, services)
    facts = run.reply.facts if run.reply else {}
    return RestoreWish(backup=backup, replace=True, path=str(facts.get("path") or ""))


def _copied(arguments: Arguments, services: Services) -> Uncopy | None:
    return uncopy_of(services.archive, services.runs.get(arguments.run), services.clock())


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    if copied := _copied(arguments, services):
        return copied.targets(services.engine(_host(arguments, services)))
    return _wish(arguments, services).targets(lambda: services.engine(_host(arguments, services)))


def _host(arguments: Arguments, services: Services) -> str:
    return services.runs.get(arguments.run).host


def _plan(arguments: Arguments, services: Services) -> Plan:
    engine = services.engine(_host(arguments, services))
    if copied := _copied(arguments, services):
        return copied.plan(engine)
    made = _wish(arguments, services).plan(engine)
    return Plan(text=f"Undo run {arguments.run}. {made.text}", targets=made.targets, steps=made.steps)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine, held = services.engine(run.host), services.runs.get(run.run_id).plan
    if copied := _copied(arguments, services):
        return copied.carry_out(engine, services.archive, run, held)
    made, terms = _wish(arguments, services).plan(engine), Terms(held=held, policy=services.quiesce)
    return carry_out(engine, services.archive, run, made, terms)


def _done(run_id: str, services: Services) -> Reply | None:
    asked: Arguments = parse(COMMAND, split(services.runs.get(run_id).invocation.line)[1:])
    engine = services.engine(_host(asked, services))
    if _copied(asked, services):
        return found_copied(engine, services.archive, services.kept, run_id)
    kept, path = partial(services.was_kept, run_id), _wish(asked, services).path
    return found_done(engine, services.archive, kept, run_id, path)


COMMAND = Command(
    name="undo",
    summary="Bring back what a `restore --replace` or a `cp` replaced",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("undo 7f3a2c1b",),
)
