"""`digest`: what was backed up, proven and pruned in some days, what went wrong, and what nobody protects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.charts import chart
from bot.charts.trends import figures_of
from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import Count, HostName
from bot.language import later, say
from bot.model import Reply, Right
from bot.operations.ages import Shelf
from bot.operations.digest import MOST_RUNS, Digest, Sees, Sources, digest
from bot.operations.digesttold import reply_of
from bot.services import Services
from bot.stores.schedules import Schedule


@dataclass(frozen=True)
class Arguments:
    """What `digest` takes."""

    days: Count = arg("of how many days", default=Count("7"))
    host_: HostName | None = arg("only of this Docker host", default=None)
    chart: bool = arg("in a shell, too, give the picture that chat always gets", default=False)


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
    reply, is_in_chat = reply_of(made, days), run.invocation.place is not None
    return _with_picture(reply, made, services, run) if is_in_chat or arguments.chart else reply


def _is_seen(schedule: Schedule, services: Services, run: RunContext, sees: Sees) -> bool:
    """Their own, or all of whoever sees everything."""
    identity = services.policy.identity
    return identity(schedule.owner) == identity(run.actor) or sees(None, ("*",))


def _with_picture(reply: Reply, made: Digest, services: Services, run: RunContext) -> Reply:
    """The sizes, durations and ages behind it; whoever sits at a shell has the table, and may want a file."""
    told = {(one.host, one.name) for one in made.volumes}
    shelf = Shelf(archive=services.archive, rules=services.alarm_rules.rules, now=services.clock())
    ages = shelf.ages(made.backups, made.labels)
    figures = figures_of(made.backups, (one for one in ages if (one.host, one.source) in told))
    if not figures:
        return reply
    file = chart.kept(figures, services.outgoing, run.run_id, "digest")
    follows = say(
        "How large backups are, how long they take and how old they are follows as the picture {file}.",
        file=file.name,
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
