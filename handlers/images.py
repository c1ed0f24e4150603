"""`images`: the images of a host, how large they are, and which containers were made from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, HostName, PageNumber, Pattern
from bot.language import later, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.hostwide import LOOK_LIMIT, ask_all
from bot.operations.inventory import ImageRow, MayTouch, image_rows, named, short
from bot.operations.paging import fits, left_out, page_of
from bot.services import Services

_COLUMNS = ("image", "id", "host", "size_bytes", "created_at", "used_by", "made_by_run")


@dataclass(frozen=True)
class Arguments:
    """What `images` takes."""

    name: Pattern | None = arg(
        "only those with such a reference, * for anything", default=None, positional=True
    )
    dangling: bool = arg("only those that have no reference any more", default=False)
    unused: bool = arg("only those that no container was made from", default=False)
    host: HostName | None = arg("the Docker host", default=None)
    all_hosts: bool = arg("of every host", default=False)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    may_touch = services.policy.reach(run.request(COMMAND))
    engines = services.chosen(arguments.host, everywhere=arguments.all_hosts)
    answers = ask_all(engines, image_rows, LOOK_LIMIT)
    found = [row for rows in answers.given.values() for row in rows if _is_wanted(row, arguments)]
    visible = [seen for row in found if (seen := _as_seen(row, may_touch)) is not None]
    page = page_of(visible, limit=arguments.limit, number=arguments.page)
    rows = tuple(_cells(row, may_touch) for row in page.rows)
    return Reply(
        text=page.in_words(say_count("{number} image", "{number} images", page.total))
        + left_out(len(found) - len(visible))
        + answers.in_words,
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _is_wanted(row: ImageRow, arguments: Arguments) -> bool:
    names = (*(short(name) for name in row.references), *row.references, row.short_id)
    return (
        any(fits(name, arguments.name) or fits(name.rpartition(":")[0], arguments.name) for name in names)
        and not (arguments.dangling and row.references)
        and not (arguments.unused and row.users)
    )


def _as_seen(row: ImageRow, may_touch: MayTouch) -> ImageRow | None:
    """With only those of its references that the asker reaches; None when there is none."""
    if not row.references:
        return row if may_touch(row.host, f"image:{row.image.id}") else None
    reached = tuple(name for name in row.references if may_touch(row.host, f"image:{name}"))
    return replace(row, references=reached) if reached else None


def _cells(row: ImageRow, may_touch: MayTouch) -> tuple[Value, ...]:
    return (
        ", ".join(short(name) for name in row.references),
        row.short_id,
        row.host,
        row.image.size_bytes,
        row.image.created_at.isoformat() if row.image.created_at else None,
        named("container", row.users, partial(may_touch, row.host)),
        row.made_by_run,
    )


COMMAND = Command(
    name="images",
    summary=later("List images, their size and what uses them"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("images", later("images team/* --unused"), "images --dangling --all-hosts"),
)
