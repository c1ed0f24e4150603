"""`pause SCHEDULE`: let a schedule not fire until it is resumed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.language import later, say
from bot.model import Button, Reply, Right
from bot.schedules.making import PAUSED, event_of, found_done
from bot.schedules.seen import about, call_off, managed, refuse_kept_elsewhere
from bot.services import Services
from bot.times.kinds import ScheduleName


@dataclass(frozen=True)
class Arguments:
    """What `pause` takes."""

    schedule: ScheduleName = arg("the schedule that is not to fire")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    schedule = managed(arguments.schedule, services, run.invocation)
    refuse_kept_elsewhere(schedule)
    text = say(
        "Schedule {name} is paused: `{line}` is not carried out by it until it is resumed, and what is due meanwhile "
        "is not made up for. A run of it that is at work goes on.",
        name=schedule.name,
        line=schedule.line,
    )
    event = event_of(PAUSED, schedule, run, text, about(schedule, services))
    services.schedules.pause(schedule.name, run.actor, event)
    said = " ".join((text, *call_off(schedule, services, run.actor)))
    resume = Button(label=say("Resume"), line=f"resume {schedule.name}")
    return Reply(text=said, facts={"schedule": schedule.name}, buttons=(resume,), is_aloud=True)


COMMAND = Command(
    name="pause",
    summary=later("Let a schedule not fire until it is resumed"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    done=found_done(PAUSED),
    examples=("pause nightly",),
    needs_person=True,
)
