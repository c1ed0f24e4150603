"""`digest`: what was backed up, proven and pruned in some days, what went wrong, and what nobody protects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bot import chart
from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import Count, HostName
from bot.language import later, say
from bot.model import Attachment, Reply, Right
from bot.operations.digest import MOST_RUNS, Sees, Sources, digest
from bot.operations.digesttold import reply_of
from bot.services import Services
from bot.stores.archive import Backup
from bot.stores.schedules import Schedule
from bot.trends import trends_of


@dataclass(frozen=True)
class Arguments:
    """What `digest` takes."""

    days: Count = arg("of how many days", default=Count("7"))
    host_: HostName | None = arg("only of this Docker host", default=None)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    days, sees = int(arguments.days), services.policy.judge(run.request(COMMAND))
    since = services.clock() - timedelta(days=days)
    sources = Sources(
        archive=services.archive,
        engines=services.chosen(arguments.host_, everywhere=arguments.host_ is None),
        runs=services.runs.ended_since(since, MOST_RUNS),
        schedules=tuple(one for one in services.schedules.all() if _is_seen(one, services, run, sees)),
        since=since,
    )
    made = digest(sources, sees)
    return _with_picture(reply_of(made, days), made.backups, services, run)


def _is_seen(schedule: Schedule, services: Services, run: RunContext, sees: Sees) -> bool:
    """Their own, or all of whoever sees everything."""
    identity = services.policy.identity
    return identity(schedule.owner) == identity(run.actor) or sees(None, ("*",))


def _with_picture(reply: Reply, backups: tuple[Backup, ...], services: Services, run: RunContext) -> Reply:
    """In chat the sizes follow as a picture; a shell has the table."""
    trends = trends_of(backups)
    if run.invocation.place is None or not trends:
        return reply
    with services.outgoing.begin(run.run_id) as draft:
        draft.write(chart.png(trends))
        file: Attachment = draft.keep(f"digest-{run.run_id}.png")
    follows = say(
        "How large backups are, and how long they take, follows as the picture {file}.", file=file.name
    )
    return replace(reply, text=f"{reply.text}\n{follows}", attachments=(file,))


COMMAND = Command(
    name="digest",
    summary=later("Sum up what was backed up, proven and pruned, and what went wrong"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("digest", "digest --days 30"),
)
