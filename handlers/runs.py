"""`runs`: what was asked of the bot and how it stands, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import Count
from bot.language import later, say, say_count
from bot.model import Reply, Right, Status, Table
from bot.operations.paging import left_out
from bot.services import Services
from bot.stores.runrow import Run


@dataclass(frozen=True)
class Arguments:
    """What `runs` takes."""

    status: str | None = arg("only these", default=None, choices=tuple(status.value for status in Status))
    mine: bool = arg("only what I asked for", default=False)
    limit: Count = arg("how many at most", default=Count("20"))


_MOST_HIDDEN = 2_000
"""Behind so many that the asker may not see nothing is looked for any more."""
_AT_ONCE = 200


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    found, hidden = _seen(arguments, services, run)
    rows = tuple(
        (
            one.id,
            one.status.value,
            one.invocation.line,
            one.invocation.actor.name,
            one.created_at.isoformat(),
            one.outcome.took.total_seconds() if one.outcome else None,
        )
        for one in found
    )
    columns = ("run", "status", "line", "by", "asked_at", "took_seconds")
    if rows:
        text = say_count("The newest run.", "The newest {number} runs.", len(rows))
    else:
        text = say("No runs that your roles reach.") if hidden else say("No runs yet.")
    return Reply(text=text + left_out(hidden), table=Table(columns=columns, rows=rows) if rows else None)


def _seen(arguments: Arguments, services: Services, run: RunContext) -> tuple[list[Run], int]:
    """The newest that the asker may see, and how many others lie between them: the list is full all the same."""
    may_see, limit = services.policy.judge(run.request(COMMAND)), int(arguments.limit)
    seen, hidden = list[Run](), 0
    for one in _newest(arguments, services, run):
        if one.invocation.actor.id == run.actor.id or may_see(one.host, one.about):
            seen.append(one)
        else:
            hidden += 1
        if len(seen) == limit or hidden == _MOST_HIDDEN:
            break
    return seen, hidden


def _newest(arguments: Arguments, services: Services, run: RunContext) -> Iterator[Run]:
    """All that fit but the asking run itself; at first no more are read than fill the list of who sees all."""
    at_once, found = int(arguments.limit) + 1, tuple[Run, ...]()
    while True:
        found = services.runs.newest(
            limit=at_once,
            status=Status(arguments.status) if arguments.status else None,
            actor=run.actor.id if arguments.mine else None,
            after=found[-1] if found else None,
        )
        yield from (one for one in found if one.id != run.run_id)
        if len(found) < at_once:
            return
        at_once = _AT_ONCE


COMMAND = Command(
    name="runs",
    summary=later("List what was asked and how it stands"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("runs", "runs --status running", "runs --mine"),
)
