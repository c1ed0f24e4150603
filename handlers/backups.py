"""`backups`: what the archive holds, newest first, how far each can be relied on, and all of it as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.charts import chart
from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, HostName, PageNumber, SourceName
from bot.language import later, say, say_count
from bot.model import Reply, Right
from bot.operations.ages import Shelf
from bot.operations.holds import filed_as, target_of
from bot.operations.paging import left_out, page_of
from bot.operations.shelftold import but, table
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `backups` takes."""

    source: SourceName | None = arg("only this volume’s or path’s", default=None, positional=True)
    host: HostName | None = arg("only this host’s", default=None)
    chart: bool = arg("draw how large they are, how long they took and how old they are", default=False)
    limit: Count = arg("how many a page", default=Count("20"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    source = filed_as(arguments.source) if arguments.source else None
    found = services.archive.backups(arguments.host, source)
    may_touch = services.policy.reach(run.request(COMMAND))
    visible = tuple(one for one in found if may_touch(one.host, target_of(one)))
    listed = _listed(arguments, services, visible, run)
    more = left_out(len(found) - len(visible)) + but(services.archive.damaged(arguments.host, source))
    reply = replace(listed, text=listed.text + more)
    return _with_picture(reply, visible, services, run) if arguments.chart else reply


def _listed(arguments: Arguments, services: Services, visible: Sequence[Backup], run: RunContext) -> Reply:
    """A page of them; the picture shows all, so that other pages do without."""
    page = page_of(visible, limit=arguments.limit, number=arguments.page)
    words = [word for word in split(run.invocation.line) if word != "--chart"]
    return Reply(
        text=page.in_words(say_count("1 backup", "{number} backups", page.total)),
        table=table(page.rows, services.archive, services.clock()),
        buttons=page.buttons(words),
    )


def _with_picture(reply: Reply, backups: Sequence[Backup], services: Services, run: RunContext) -> Reply:
    shelf = Shelf(archive=services.archive, rules=services.alarm_rules.rules, now=services.clock())
    figures = shelf.figures(backups, services.engines)
    if not figures:
        nothing = say("There is no backup to draw.")
        return replace(reply, text=f"{reply.text} {nothing}")
    file = chart.kept(figures, services.outgoing, run.run_id, "backups")
    follows = say("All of that as a picture: {file}.", file=file.name)
    return replace(reply, text=f"{reply.text} {figures.in_words} {follows}", attachments=(file,))


COMMAND = Command(
    name="backups",
    summary=later("List the backups in the archive"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("backups", "backups pgdata", "backups pgdata --chart"),
)
