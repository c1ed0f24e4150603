"""`audit`: what happened, who did it, and whether the record is whole."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import StoreError
from bot.kinds import Count, RunId, VolumeName
from bot.language import later, say
from bot.model import Reply, Right, Table
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `audit` takes."""

    volume: VolumeName | None = arg("only what touched this volume", default=None)
    run: RunId | None = arg("only this run", default=None)
    limit: Count = arg("how many lines at most", default=Count("20"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    chain = services.audit.check_chain()
    if chain.broken_at is not None:
        raise StoreError(
            say(
                "The audit log was changed behind our back: line {line} does not fit its seal. Keep "
                "the database as it is and compare it with a copy from before.",
                line=chain.broken_at,
            )
        )
    lines = services.audit.lines(
        limit=int(arguments.limit),
        target=f"volume:{arguments.volume}" if arguments.volume else None,
        run_id=arguments.run,
    )
    rows = tuple(
        (
            line.seq,
            line.event.at.isoformat(),
            line.event.kind,
            line.event.line,
            line.event.actor.name,
            line.event.origin.value,
            line.event.run_id,
        )
        for line in lines
    )
    columns = ("line", "at", "event", "command", "by", "origin", "run")
    return Reply(
        text=say(
            "{shown} lines are shown; all {lines} lines of the log fit their seals.",
            shown=len(rows),
            lines=chain.lines,
        ),
        table=Table(columns=columns, rows=rows) if rows else None,
    )


COMMAND = Command(
    name="audit",
    summary=later("Show who did what, and check that the record is whole"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("audit", "audit --volume pgdata", "audit --run 7f3a2c1b"),
    slash=True,
)
