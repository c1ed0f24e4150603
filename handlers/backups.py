"""`backups`: what the archive holds, newest first, and how far each can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, HostName, PageNumber, SourceName
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.holds import filed_as, standing, verified_at
from bot.operations.paging import page_of
from bot.services import Services
from bot.stores.archive import Backup

_COLUMNS = (
    "backup",
    "volume",
    "host",
    "taken_at",
    "raw_bytes",
    "stored_bytes",
    "outcome",
    "verified_at",
    "proven_restorable_at",
    "held",
    "by",
)


@dataclass(frozen=True)
class Arguments:
    """What `backups` takes."""

    source: SourceName | None = arg("only this volume’s or path’s", default=None, positional=True)
    host: HostName | None = arg("only this host’s", default=None)
    limit: Count = arg("how many a page", default=Count("20"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    source = filed_as(arguments.source) if arguments.source else None
    found = services.archive.backups(arguments.host, source)
    damaged = services.archive.damaged(arguments.host, source)
    page = page_of(found, limit=arguments.limit, number=arguments.page)
    text = page.in_words(say_count("{number} backup", "{number} backups", page.total))
    if damaged:
        listed = "; ".join(f"{item.path.name}: {item.reason}" for item in damaged[:3])
        text += say(
            " {damaged_count} damaged and not counted: {listed}.", damaged_count=len(damaged), listed=listed
        )
    rows = tuple(_row(backup, services) for backup in page.rows)
    return Reply(
        text=text,
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _row(backup: Backup, services: Services) -> tuple[Value, ...]:
    manifest, marks = backup.manifest, services.archive.marks(backup)
    read_back = verified_at(backup, marks)
    return (
        manifest.run_id,
        backup.volume,
        backup.host,
        manifest.started_at.isoformat(),
        manifest.raw.bytes,
        manifest.stored.bytes,
        standing(backup, marks),
        read_back.isoformat() if read_back else None,
        marks.drilled_at.isoformat() if marks.drilled_at else None,
        marks.is_held(services.clock()),
        manifest.actor.name,
    )


COMMAND = Command(
    name="backups",
    summary=later("List the backups in the archive"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("backups", later("backups pgdata")),
)
