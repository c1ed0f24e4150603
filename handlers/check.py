"""`check`: the doctor: what the bot needs, and what is wrong with it. With `--rebuild`, what the archive holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.command import Command, arg
from bot.context import RunContext
from bot.doctor.archive import facts_of
from bot.doctor.told import told
from bot.language import later
from bot.model import Reply, Right, Status, Table
from bot.operations.checktold import in_words
from bot.operations.holds import target_of_source
from bot.operations.paging import left_out
from bot.services import Services
from bot.stores.archive import Report

_COLUMNS = ("volume", "host", "backups", "partial", "held", "stored_bytes", "newest_at")


@dataclass(frozen=True)
class Arguments:
    """What `check` takes."""

    rebuild: bool = arg("list what the archive’s directory says of every volume", default=False)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    if arguments.rebuild:
        return _catalogue(services, run)
    may_see = services.policy.judge(run.request(COMMAND))
    found = services.doctor()
    seen = [one for one in found if may_see(one.host, (one.target,) if one.target else ())]
    return told(seen, hidden=len(found) - len(seen))


def _catalogue(services: Services, run: RunContext) -> Reply:
    """Of the sources that the asker may see; what is damaged is told to everybody, as files."""
    whole, may_see = services.archive.report(), services.policy.reach(run.request(COMMAND))
    seen = tuple(one for one in whole.sources if may_see(one.host, target_of_source(one.source)))
    report = replace(whole, sources=seen)
    return Reply(
        text=in_words(report, listed=True) + left_out(len(whole.sources) - len(seen)),
        facts=facts_of(report, services.archive.root),
        table=_table(report) if report.sources else None,
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
    summary=later("See whether everything that the bot needs is in order, and what to do if not"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("check", "check --rebuild"),
)
