"""`undo RUN`: bring back what a run replaced, or take away what it made, as far as that is possible."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import RunId
from bot.language import later
from bot.model import Plan, Reply, Right
from bot.operations.restoration import Terms
from bot.operations.reversal import Reversal, Where, reversal_of
from bot.parsing import arguments_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `undo` takes."""

    run: RunId = arg(
        "the run of a `restore --replace`, a `cp` into a container, a `create-volume`, or an `undo`"
    )
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _reversal(arguments: Arguments, services: Services) -> Reversal:
    return reversal_of(services.archive, services.runs.get(arguments.run), services.clock())


def _host(arguments: Arguments, services: Services) -> str:
    return services.runs.get(arguments.run).host


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    host = _host(arguments, services)
    return _reversal(arguments, services).targets(lambda: services.engine(host))


def _plan(arguments: Arguments, services: Services) -> Plan:
    return _reversal(arguments, services).plan(services.engine(_host(arguments, services)))


def _where(host: str, services: Services) -> Where:
    return Where(engine=services.engine(host), archive=services.archive)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    terms = Terms(held=services.runs.get(run.run_id).plan, policy=services.quiesce)
    return _reversal(arguments, services).carry_out(_where(run.host, services), run, terms)


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    return _reversal(asked, services).found(_where(run.host, services), services.kept, run_id)


COMMAND = Command(
    name="undo",
    summary=later(
        "Bring back what a `restore --replace` or a `cp` replaced, or remove the empty volume that was created"
    ),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    host=_host,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("undo 7f3a2c1b",),
    needs_person=True,
)
