"""`alarms`: what keeps volumes from being protected just now, since when, and when people were told."""

from __future__ import annotations

from dataclasses import dataclass

from bot.alarmrules import title
from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.kinds import Count, PageNumber
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table
from bot.operations.paging import left_out, page_of
from bot.schedules.alarmseen import visible
from bot.schedules.seen import Reach
from bot.services import Services

_COLUMNS = ("alarm", "about", "since_at", "told_at")
_LONGEST = 220
"""Characters of a sentence: a page of them has to fit into a message."""


@dataclass(frozen=True)
class Arguments:
    """What `alarms` takes."""

    limit: Count = arg("how many a page", default=Count("10"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    found, reach = services.alarms.open(), Reach.of(services, run.invocation)
    mine = visible(found, services, reach, services.policy.judge(run.request(COMMAND)))
    hidden = left_out(len(found) - len(mine))
    if not mine:
        return Reply(text=say("No alarm is open.") + hidden)
    page = page_of(mine, limit=arguments.limit, number=arguments.page)
    rows = tuple(
        (
            title(alarm.kind),
            alarm.key.partition(":")[2],
            alarm.opened_at.isoformat(),
            alarm.told_at.isoformat() if alarm.told_at else None,
        )
        for alarm in page.rows
    )
    count = page.in_words(say_count("1 alarm", "{number} alarms", page.total))
    unheard = say("Nobody is told of them, for [alarms] in the settings has no channel.")
    told = "" if services.alarm_channel else f" {unheard}"
    return Reply(
        text="\n".join((count + hidden + told, *(f"• {_cut(alarm.text)}" for alarm in page.rows))),
        table=Table(columns=_COLUMNS, rows=rows),
        buttons=page.buttons(split(run.invocation.line)),
    )


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 1]}…"


COMMAND = Command(
    name="alarms",
    summary=later("List what keeps volumes from being protected"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("alarms",),
)
