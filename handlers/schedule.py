"""`schedule NAME WHEN COMMAND…`: have a command carried out again and again, as whoever asks, told where they ask."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.command import Command, Takes, arg
from bot.context import RunContext
from bot.language import later
from bot.model import Reply, Right
from bot.schedules.making import ADDED, Wish, event_of, permitted, read, written
from bot.schedules.told import added, refuse_long, refuse_typed_secret, zone_of
from bot.services import Services
from bot.stores.schedules import Schedule
from bot.times.kinds import Duration, NewScheduleName, WhenAndCommand, ZoneName
from bot.times.words import found


@dataclass(frozen=True)
class Arguments:
    """What `schedule` takes."""

    name: NewScheduleName = arg("what to call it")
    when_and_command: tuple[WhenAndCommand, ...] = arg(
        "when it is due (`daily at 03:00`, `every 6h`, `0 3 * * *`), then the command",
        positional=True,
        takes=Takes.REST,
    )
    zone: ZoneName | None = arg(
        "the time zone that it means, such as Asia/Seoul; yours, if left out", default=None
    )
    grace: Duration = arg("how late it may still be carried out", default=Duration("1d"))
    jitter: Duration | None = arg("begin up to so much later, so that not all begin at once", default=None)
    quiet: bool = arg("tell of its runs only if they do not succeed", default=False)
    prune: bool = arg("after a backup that succeeded, prune what was backed up", default=False)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    refuse_typed_secret(run.invocation.line, services.runbooks.values())
    now, place = services.clock(), run.invocation.place
    when, rest = found(arguments.when_and_command, zone_of(arguments.zone, run.actor, services), now)
    channel = (place.channel if place else services.alarm_channel) or None
    wish = Wish(inner=read(rest, services.commands), owner=run.actor, channel=channel, prune=arguments.prune)
    schedule = Schedule(
        name=arguments.name,
        line=wish.inner.line,
        when=when,
        owner=run.actor,
        language=run.invocation.language,
        channel=channel,
        created_at=now,
        dealt_with_at=now,
        grace=arguments.grace.length,
        jitter=arguments.jitter.length if arguments.jitter else Schedule.jitter,
        quiet=arguments.quiet,
        prune=arguments.prune,
    )
    refuse_long(schedule)
    inner = permitted(wish, services)
    reply = added(schedule, inner, run.invocation, services)
    services.schedules.add(schedule, event_of(ADDED, schedule, run, reply.text, inner))
    return reply


def _done(run_id: str, services: Services) -> Reply | None:
    event = written(run_id, ADDED, services)
    schedule = services.schedules.find(str(event.facts["schedule"])) if event else None
    if event is None or schedule is None:
        return Reply(text=event.detail, is_aloud=True) if event else None
    told = added(schedule, None, services.runs.get(run_id).invocation, services)
    return replace(told, text=event.detail)


COMMAND = Command(
    name="schedule",
    summary=later("Have a command carried out again and again"),
    right=Right.OPERATE,
    arguments=Arguments,
    run=_run,
    done=_done,
    examples=(
        "schedule often every 6h backup pgdata",
        "schedule nightly daily at 03:00 backup pgdata --quiesce pause",
        "schedule --zone Asia/Seoul --quiet weekly mondays at 02:30 backup pgdata --quiesce stop",
    ),
    slash=True,
    needs_person=True,
)
