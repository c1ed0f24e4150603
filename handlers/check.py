"""`check`: what the archive holds, told from the disk alone, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.language import later
from bot.model import Reply, Right, Status, Table
from bot.operations.checktold import in_words
from bot.services import Services
from bot.stores.archive import Report

_COLUMNS = ("volume", "host", "backups", "partial", "held", "stored_bytes", "newest_at")


@dataclass(frozen=True)
class Arguments:
    """What `check` takes."""

    rebuild: bool = arg("list what the archive’s directory says of every volume", default=False)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    report = services.archive.report()
    return Reply(
        text=in_words(report, listed=arguments.rebuild),
        facts={
            "archive": str(services.archive.root),
            "backups": report.backups,
            "partial": report.partial,
            "damaged": len(report.damaged),
            "leftovers": len(report.leftovers),
            "stored_bytes": report.stored_bytes,
        },
        table=_table(report) if arguments.rebuild and report.sources else None,
        status=Status.PARTIAL if report.damaged else Status.SUCCEEDED,
    )


def _table(report: Report) -> Table:
    rows = tuple(
        (
            one.source,
            one.host,
            one.backups,
            one.partial,
            one.held,
            one.stored_bytes,
            one.newest_at.isoformat(),
        )
        for one in report.sources
    )
    return Table(columns=_COLUMNS, rows=rows)


COMMAND = Command(
    name="check",
    summary=later("See whether the archive is in order"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("check", "check --rebuild"),
)
