"""Schedules that can be named. Asks no host; must not know who may name them.

What one is about says who may: whoever may do the same, and its owner. Where that is not found out, it is whoever may
do the same to everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bot.completion.candidates import Candidate
from bot.completion.known import Rooms
from bot.completion.looking import Found
from bot.schedules.seen import about, quietly, state_of
from bot.services import Services
from bot.sources import Source
from bot.stores.schedules import Schedule


def look_at_schedules(rooms: Rooms) -> Iterator[Found]:
    """All of them, by name; raises StoreError."""
    every = rooms.schedules.all()
    if isinstance(rooms, Services):
        quiet = quietly(rooms)
        yield Source.SCHEDULE, tuple(_of_schedule(one, quiet) for one in every)
    else:
        yield Source.SCHEDULE, tuple(replace(_named(one), targets=("*",)) for one in every)


def _of_schedule(schedule: Schedule, quiet: Services) -> Candidate:
    inner = about(schedule, quiet)
    return replace(
        _named(schedule),
        host=inner.host if inner.host and inner.command.is_about_a_host else None,
        targets=inner.targets,
        command=inner.command,
    )


def _named(schedule: Schedule) -> Candidate:
    return Candidate(
        value=schedule.name,
        label=f"{schedule.name} · {schedule.line}",
        tell=partial(_told, schedule),
        also=schedule.line,
        owner=schedule.owner.id,
    )


def _told(schedule: Schedule) -> str:
    return f"{schedule.when.text} ({schedule.when.zone}) · {state_of(schedule)}"
