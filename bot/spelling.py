"""Lines that stand for another one: what `retry` and `run-now` are stored as. Asks nobody and no host.

So they are permitted, planned, held and recorded as what they do. Must not know how that goes on.
"""

from __future__ import annotations

from dataclasses import replace

from bot.commandline import split
from bot.errors import Busy, Conflict, NotFound, PermissionDenied, UsageError
from bot.model import Invocation
from bot.permissions import Policy
from bot.schedules.seen import may_run_now, refuse_under_way
from bot.services import Services

RETRY, RUN_NOW = "retry", "run-now"


def spelt_out(invocation: Invocation, services: Services, by_memory: Policy) -> Invocation:
    """`retry RUN` as what that run was, `run-now SCHEDULE` as what the schedule does, anything else as it is.

    Where that may not be, it stays as it was typed, and its handler says why. `by_memory` decides, and asks nobody.
    """
    try:
        words = split(invocation.line)
        if len(words) != 2 or words[0] not in (RETRY, RUN_NOW):
            return invocation
        if words[0] == RUN_NOW:
            return _of_schedule(words[1], invocation, services, by_memory)
        return _again(words[1], invocation, services, by_memory)
    except (UsageError, NotFound, Conflict, PermissionDenied, Busy):
        return invocation


def _again(run_id: str, invocation: Invocation, services: Services, by_memory: Policy) -> Invocation:
    again = services.to_repeat(run_id, invocation, by_memory).invocation
    place = invocation.place
    if place and again.place and again.actor.id == invocation.actor.id:
        place = replace(place, files=again.place.files)
    return replace(invocation, line=again.line, place=place)


def _of_schedule(name: str, invocation: Invocation, services: Services, by_memory: Policy) -> Invocation:
    schedule = services.schedules.get(name)
    refuse_under_way(schedule, services)
    if not may_run_now(schedule, invocation, services, by_memory):
        return invocation
    return replace(invocation, line=schedule.line, schedule=schedule.name)
