"""`runbooks`: what the asker may run in containers, and what may be given to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, PageNumber, Pattern
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.paging import fits, page_of
from bot.operations.runbooks import Runbook
from bot.services import Services

_COLUMNS = ("runbook", "takes", "containers", "limit_seconds", "right", "does")


@dataclass(frozen=True)
class Arguments:
    """What `runbooks` takes."""

    name: Pattern | None = arg("only those with such a name, * for anything", default=None, positional=True)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    found = [
        one
        for one in services.runbooks.values()
        if fits(one.name, arguments.name) and _may_use(one, services, run)
    ]
    page = page_of(found, limit=arguments.limit, number=arguments.page)
    rows = tuple(_cells(one) for one in page.rows)
    how = say(" `exec CONTAINER RUNBOOK` runs one.") if rows else ""
    return Reply(
        text=page.in_words(
            say_count("{number} runbook that you may use", "{number} runbooks that you may use", page.total)
        )
        + how,
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _may_use(runbook: Runbook, services: Services, run: RunContext) -> bool:
    command = replace(services.commands["exec"], right=runbook.right)
    return services.policy.allows(run.request(command, (f"runbook:{runbook.name}",)))


def _cells(runbook: Runbook) -> tuple[Value, ...]:
    return (
        runbook.name,
        runbook.usage,
        ", ".join(runbook.containers),
        runbook.limit.total_seconds(),
        runbook.right.value,
        runbook.summary,
    )


COMMAND = Command(
    name="runbooks",
    summary=later("List the runbooks that you may use"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("runbooks", later("runbooks db-*")),
)
