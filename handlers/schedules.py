"""`schedules`: what is carried out when, as whom, and what came of it last: yours, and what you may do yourself."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, PageNumber, Pattern
from bot.language import later, say_count
from bot.model import Reply, Right, Table
from bot.operations.paging import fits, left_out, page_of
from bot.schedules.seen import COLUMNS, Reach, looked_at
from bot.schedules.told import buttons_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `schedules` takes."""

    name: Pattern | None = arg("only those with such a name, * for anything", default=None, positional=True)
    mine: bool = arg("only my own", default=False)
    off: bool = arg("only those that are paused or suspended", default=False)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    reach = Reach.of(services, run.invocation)
    wanted = [
        one
        for one in services.schedules.all()
        if fits(one.name, arguments.name) and not (arguments.off and one.is_on)
    ]
    found = [one for one in wanted if (reach.owns(one) if arguments.mine else reach.sees(one))]
    page = page_of(found, limit=arguments.limit, number=arguments.page)
    rows = tuple(seen.cells for seen in looked_at(page.rows, services))
    count = say_count("1 schedule", "{number} schedules", page.total)
    hidden = "" if arguments.mine else left_out(len(wanted) - len(found))
    for_one = buttons_of(found[0]) if len(found) == 1 else ()
    return Reply(
        text=f"{page.in_words(count)}{hidden}",
        table=Table(columns=COLUMNS, rows=rows) if rows else None,
        buttons=(*for_one, *page.buttons(split(run.invocation.line))),
    )


COMMAND = Command(
    name="schedules",
    summary=later("List what is carried out when, and what came of it last"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("schedules", "schedules --mine", "schedules nightly*"),
)
