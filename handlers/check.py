"""`check`: what the archive holds, told from the disk alone, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.language import later, say
from bot.model import Reply, Right, Status, Table
from bot.services import Services
from bot.stores.archive import Report

_SHOWN = 5


@dataclass(frozen=True)
class Arguments:
    """What `check` takes."""

    rebuild: bool = arg("list what the archive’s directory says of every volume", default=False)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    report = services.archive.report()
    return Reply(
        text=_text(report, listed=arguments.rebuild),
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


def _text(report: Report, *, listed: bool) -> str:
    backups = "1 backup" if report.backups == 1 else say("{backups} backups", backups=report.backups)
    kinds = (
        say("one volume or path")
        if len(report.sources) == 1
        else say("{sources_count} volumes and paths", sources_count=len(report.sources))
    )
    said = [say("The archive holds {backups} of {kinds}.", backups=backups, kinds=kinds)]
    if listed:
        said.append(
            say("All of this was read from its directory, which is the catalogue: no database was asked.")
        )
    if report.damaged:
        shown = "; ".join(f"{item.path.name}: {item.reason}" for item in report.damaged[:_SHOWN])
        more = (
            say("; and {damaged_count} more", damaged_count=len(report.damaged) - _SHOWN)
            if len(report.damaged) > _SHOWN
            else ""
        )
        said.append(
            say(
                "{damaged_count} damaged: {shown}{more}. Nothing was changed. Do not rely on those, and look after "
                "the archive’s disk.",
                damaged_count=len(report.damaged),
                shown=shown,
                more=more,
            )
        )
    if report.leftovers:
        shown = ", ".join(path.name for path in report.leftovers[:_SHOWN])
        more = (
            say(" and {leftovers_count} more", leftovers_count=len(report.leftovers) - _SHOWN)
            if len(report.leftovers) > _SHOWN
            else ""
        )
        said.append(
            say(
                "{leftovers_count} files belong to no backup ({shown}{more}): a run that is at work has such, and "
                "what ended runs left is removed when the bot starts.",
                leftovers_count=len(report.leftovers),
                shown=shown,
                more=more,
            )
        )
    return " ".join(said)


def _table(report: Report) -> Table:
    columns = ("volume", "host", "backups", "partial", "held", "stored_bytes", "newest_at")
    return Table(
        columns=columns,
        rows=tuple(
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
        ),
    )


COMMAND = Command(
    name="check",
    summary=later("See whether the archive is in order"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("check", "check --rebuild"),
)
