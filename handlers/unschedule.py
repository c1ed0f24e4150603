"""`unschedule SCHEDULE`: forget a schedule; says what nobody does any more then."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.language import later, listed, say
from bot.model import Reply, Right
from bot.schedules.making import REMOVED, event_of, found_done
from bot.schedules.seen import about, alike, call_off, managed, refuse_kept_elsewhere
from bot.services import Services
from bot.stores.schedules import Schedule
from bot.times.kinds import ScheduleName


@dataclass(frozen=True)
class Arguments:
    """What `unschedule` takes."""

    schedule: ScheduleName = arg("the schedule to forget")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    schedule = managed(arguments.schedule, services, run.invocation)
    refuse_kept_elsewhere(schedule)
    text = " ".join((_what_ends(schedule), _what_is_left(schedule, services)))
    event = event_of(REMOVED, schedule, run, text, about(schedule, services))
    services.schedules.remove(schedule.name, event)
    said = " ".join((text, *call_off(schedule, services, run.actor)))
    return Reply(text=said, facts={"schedule": schedule.name}, is_aloud=True)


def _what_ends(schedule: Schedule) -> str:
    return say(
        "Schedule {name} is removed. `{line}`, which it carried out {when} ({zone}), is not carried out by it any "
        "more; a run of it that is at work goes on, and its runs stay listed.",
        name=schedule.name,
        line=schedule.line,
        when=schedule.when.text,
        zone=schedule.when.zone,
    )


def _what_is_left(schedule: Schedule, services: Services) -> str:
    others = alike(schedule, services.schedules.all(), services)
    if others:
        return say("The same is still done by {names}.", names=listed([one.name for one in others]))
    return say("No other schedule does the same, so nothing does it now unless somebody asks for it.")


COMMAND = Command(
    name="unschedule",
    summary=later("Remove a schedule, and say what is not done any more"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    done=found_done(REMOVED),
    examples=("unschedule nightly",),
    needs_person=True,
)
