"""`volumes`: the volumes of a host, who uses them, and how old the newest verified backup of each is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.engine import Engine
from bot.errors import EngineError
from bot.kinds import Count, HostName, PageNumber, Pattern
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.hostwide import LOOK_LIMIT, ask_all
from bot.operations.inventory import MayTouch, VolumeRow, in_seconds, named, volume_rows
from bot.operations.paging import fits, left_out, page_of
from bot.services import Services

_SIZES_LIMIT = timedelta(seconds=60)
_COLUMNS = ("volume", "host", "driver", "size_bytes", "used_by", "newest_backup", "age_seconds", "created_at")


@dataclass(frozen=True)
class Arguments:
    """What `volumes` takes."""

    name: Pattern | None = arg("only those with such a name, * for anything", default=None, positional=True)
    unused: bool = arg("only those that no container mounts", default=False)
    unprotected: bool = arg("only those without a verified backup", default=False)
    sizes: bool = arg("say how large they are, which may take a minute", default=False)
    host: HostName | None = arg("the Docker host", default=None)
    all_hosts: bool = arg("of every host", default=False)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    may_touch = services.policy.reach(run.request(COMMAND))
    engines = services.chosen(arguments.host, everywhere=arguments.all_hosts)
    limit = LOOK_LIMIT + _SIZES_LIMIT if arguments.sizes else LOOK_LIMIT
    answers = ask_all(engines, lambda engine: _rows(engine, arguments, services), limit)
    found = [row for rows, _ in answers.given.values() for row in rows if _is_wanted(row, arguments)]
    visible = [row for row in found if may_touch(row.host, f"volume:{row.volume.name}")]
    page = page_of(visible, limit=arguments.limit, number=arguments.page)
    notes = [answers.in_words, *(note for _, note in answers.given.values())]
    cells = tuple(_cells(row, may_touch, services) for row in page.rows)
    count = say_count("{number} volume", "{number} volumes", page.total)
    return Reply(
        text=page.in_words(count) + left_out(len(found) - len(visible)) + "".join(notes),
        table=Table(columns=_COLUMNS, rows=cells) if cells else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _rows(engine: Engine, arguments: Arguments, services: Services) -> tuple[tuple[VolumeRow, ...], str]:
    """The rows, and what is to be said when the sizes cannot be had: the list is of use without them."""
    if not arguments.sizes:
        return volume_rows(engine, services.archive, {}), ""
    try:
        return volume_rows(engine, services.archive, engine.volume_sizes(_SIZES_LIMIT)), ""
    except EngineError as error:
        return volume_rows(engine, services.archive, {}), say(" The sizes are missing: {error}", error=error)


def _is_wanted(row: VolumeRow, arguments: Arguments) -> bool:
    return (
        fits(row.volume.name, arguments.name)
        and not (arguments.unused and row.users)
        and not (arguments.unprotected and row.backup)
    )


def _cells(row: VolumeRow, may_touch: MayTouch, services: Services) -> tuple[Value, ...]:
    backup = row.backup
    return (
        row.volume.name,
        row.host,
        row.volume.driver,
        row.size_bytes,
        named("container", row.users, partial(may_touch, row.host)),
        backup.manifest.run_id if backup else None,
        in_seconds(backup.manifest.started_at, services.clock()) if backup else None,
        row.volume.created_at,
    )


COMMAND = Command(
    name="volumes",
    summary=later("List volumes, who uses them and how fresh their backups are"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=(
        "volumes",
        later("volumes pg* --sizes"),
        "volumes --unprotected",
        "volumes --unused --all-hosts",
    ),
)
