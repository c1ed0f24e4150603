"""`resume SCHEDULE`: let a schedule that is paused or suspended fire again, if its owner still may."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.language import later, say
from bot.model import Reply, Right
from bot.schedules.making import RESUMED, Wish, event_of, found_done, permitted, read
from bot.schedules.seen import managed, refuse_kept_elsewhere
from bot.schedules.told import next_times, owners_zone
from bot.services import Services
from bot.times.kinds import ScheduleName


@dataclass(frozen=True)
class Arguments:
    """What `resume` takes."""

    schedule: ScheduleName = arg("the schedule that is to fire again")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    schedule = managed(arguments.schedule, services, run.invocation)
    if (
        schedule.suspended is None or schedule.paused_by is not None
    ):  # the settings do not say that one is suspended
        refuse_kept_elsewhere(schedule)
    inner = permitted(
        Wish(
            inner=read(split(schedule.line), services.commands),
            owner=schedule.owner,
            channel=schedule.channel,
            prune=schedule.prune,
        ),
        services,
    )
    text = say(
        "Schedule {name} fires again: `{line}` is due {when}, by the clocks of {zone}. What was due meanwhile is not "
        "made up for.",
        name=schedule.name,
        line=schedule.line,
        when=schedule.when.text,
        zone=schedule.when.zone,
    )
    services.schedules.resume(schedule.name, event_of(RESUMED, schedule, run, text, inner))
    times = next_times(schedule.when, services.clock(), owners_zone(schedule.owner, services))
    return Reply(text=text, facts={"schedule": schedule.name}, table=times, is_aloud=True)


COMMAND = Command(
    name="resume",
    summary=later("Let a schedule that is paused or suspended fire again"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    done=found_done(RESUMED),
    examples=("resume nightly",),
    needs_person=True,
)
