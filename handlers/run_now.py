"""`run-now SCHEDULE`: do it now. The line of the schedule is stored in its place; this file only says why not."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.language import later, say
from bot.model import Reply, Right
from bot.schedules.seen import managed, refuse_under_way
from bot.services import Services
from bot.times.kinds import ScheduleName


@dataclass(frozen=True)
class Arguments:
    """What `run-now` takes."""

    schedule: ScheduleName = arg("the schedule whose command is to be carried out now")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    schedule = managed(arguments.schedule, services, run.invocation)
    refuse_under_way(schedule, services)
    raise Conflict(
        say(
            "Schedule {name} could not be run at once: its last run ended only just now, or who you are had to be "
            "asked first. Nothing was changed. Send `run-now {name}` again.",
            name=schedule.name,
        )
    )


COMMAND = Command(
    name="run-now",
    summary=later("Carry out the command of a schedule now, as you"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("run-now nightly",),
    needs_person=True,
)
