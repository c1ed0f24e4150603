"""`exec CONTAINER RUNBOOK`: run what the settings allow, with values that they allow, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, Takes, arg
from bot.context import RunContext
from bot.kinds import Assignment, ContainerName, HostName, RunbookName
from bot.language import later
from bot.model import Invocation, Plan, Reply, Right
from bot.operations.identities import sha256_of
from bot.operations.runbooks import Call, call, carry_out, find, interrupted
from bot.parsing import arguments_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `exec` takes."""

    container: ContainerName = arg("the container to run it in")
    runbook: RunbookName = arg("what to run; `runbooks` lists what you may")
    value: tuple[Assignment, ...] = arg(
        "a value for a parameter of it", default=(), positional=True, takes=Takes.MANY
    )
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the container", default=False)


def _call(arguments: Arguments, services: Services) -> Call:
    runbook = find(services.runbooks, arguments.runbook)
    container = services.engine(arguments.host).container(arguments.container)
    return call(runbook, container, arguments.value)


def _right(arguments: Arguments, services: Services) -> Right:
    runbook = services.runbooks.get(arguments.runbook)
    return runbook.right if runbook else Right.OPERATE


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    made = _call(arguments, services)
    return (f"container:{made.container.name}", f"runbook:{made.runbook.name}")


def _plan(arguments: Arguments, services: Services) -> Plan:
    made = _call(arguments, services)
    # Only the container is held: the same runbook may run in others meanwhile.
    return Plan(text=made.text, targets=(f"container:{made.container.name}",))


def _binds(arguments: Arguments, services: Services, asked: Invocation) -> dict[str, str]:  # noqa: ARG001
    made = _call(arguments, services)
    decides = (made.words, made.runbook.user, made.runbook.limit)
    return {f"runbook:{made.runbook.name}": sha256_of([repr(decides).encode("utf-8", "surrogatepass")])}


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    return carry_out(services.engine(run.host), run, _call(arguments, services))


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    asked: Arguments = arguments_of(COMMAND, run.invocation.line)
    return interrupted(asked.runbook, asked.container) if run.plan else None


COMMAND = Command(
    name="exec",
    summary=later("Run a runbook of the settings in a container"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    binds=_binds,
    run=_run,
    done=_done,
    right_for=_right,
    examples=("exec db vacuum table=orders", "exec web-1 reload"),
)
