"""`runs`: what was asked of the bot and how it stands, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import Count
from bot.language import later, say, say_count
from bot.model import Reply, Right, Status, Table
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `runs` takes."""

    status: str | None = arg("only these", default=None, choices=tuple(status.value for status in Status))
    mine: bool = arg("only what I asked for", default=False)
    limit: Count = arg("how many at most", default=Count("20"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    found = services.runs.newest(
        limit=int(arguments.limit),
        status=Status(arguments.status) if arguments.status else None,
        actor=run.actor.id if arguments.mine else None,
    )
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
        if one.id != run.run_id
    )
    columns = ("run", "status", "line", "by", "asked_at", "took_seconds")
    text = (
        say_count("The newest run.", "The newest {number} runs.", len(rows)) if rows else say("No runs yet.")
    )
    return Reply(text=text, table=Table(columns=columns, rows=rows) if rows else None)


COMMAND = Command(
    name="runs",
    summary=later("List what was asked and how it stands"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("runs", "runs --status running", "runs --mine"),
)
