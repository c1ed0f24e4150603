"""`containers`: the containers of a host, in what state they are since when, and what they use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, HostName, PageNumber, Pattern, VolumeName
from bot.language import later, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.hostwide import LOOK_LIMIT, ask_all
from bot.operations.inventory import ContainerRow, MayTouch, container_rows, named
from bot.operations.paging import fits, left_out, page_of
from bot.services import Services

_STATES = ("running", "paused", "exited", "created", "restarting", "removing", "dead")
_COLUMNS = ("container", "host", "state", "health", "since_at", "exit_code", "image", "volumes")


@dataclass(frozen=True)
class Arguments:
    """What `containers` takes."""

    name: Pattern | None = arg("only those with such a name, * for anything", default=None, positional=True)
    state: str | None = arg("only those in this state", default=None, choices=_STATES)
    volume: VolumeName | None = arg("only those that use this volume", default=None)
    image: Pattern | None = arg("only those made from such an image", default=None)
    host: HostName | None = arg("the Docker host", default=None)
    all_hosts: bool = arg("of every host", default=False)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    may_touch = services.policy.reach(run.request(COMMAND))
    engines = services.chosen(arguments.host, everywhere=arguments.all_hosts)
    answers = ask_all(engines, container_rows, LOOK_LIMIT)
    found = [row for rows in answers.given.values() for row in rows if _is_wanted(row, arguments)]
    visible = [row for row in found if may_touch(row.host, f"container:{row.container.name}")]
    page = page_of(visible, limit=arguments.limit, number=arguments.page)
    looked = [_looked_at(row, services) for row in page.rows]
    return Reply(
        text=page.in_words(say_count("{number} container", "{number} containers", page.total))
        + left_out(len(found) - len(visible))
        + answers.in_words,
        table=Table(columns=_COLUMNS, rows=tuple(_cells(row, may_touch) for row in looked))
        if looked
        else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _is_wanted(row: ContainerRow, arguments: Arguments) -> bool:
    one = row.container
    return (
        fits(one.name, arguments.name)
        and arguments.state in (None, one.state)
        and (arguments.volume is None or arguments.volume in one.volumes)
        and fits(one.image, arguments.image)
    )


def _looked_at(row: ContainerRow, services: Services) -> ContainerRow:
    return replace(row, condition=services.engine(row.host).condition(row.container.id))


def _cells(row: ContainerRow, may_touch: MayTouch) -> tuple[Value, ...]:
    one, now = row.container, row.condition
    return (
        one.name,
        row.host,
        now.state if now else "gone",
        now.health if now else None,
        now.since.isoformat() if now else None,
        now.exit_code if now else None,
        one.image,
        named("volume", one.volumes, partial(may_touch, row.host)),
    )


COMMAND = Command(
    name="containers",
    summary=later("List containers, their state and what they use"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("containers", later("containers web-* --state running"), later("containers --volume pgdata")),
)
