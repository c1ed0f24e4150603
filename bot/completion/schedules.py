"""Schedules that can be named. Asks no host; must not know who may name them.

What one is about says who may: whoever may do the same, and its owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bot.completion.candidates import Candidate
from bot.completion.looking import Found
from bot.scheduled import about, quietly, state_of
from bot.services import Services
from bot.sources import Source
from bot.stores.schedules import Schedule


def look_at_schedules(services: Services) -> Iterator[Found]:
    """All of them, by name; raises StoreError."""
    quiet = quietly(services)
    yield Source.SCHEDULE, tuple(_of_schedule(one, quiet) for one in services.schedules.all())


def _of_schedule(schedule: Schedule, quiet: Services) -> Candidate:
    inner = about(schedule, quiet)
    return Candidate(
        value=schedule.name,
        label=f"{schedule.name} · {schedule.line}",
        tell=partial(_told, schedule),
        also=schedule.line,
        host=inner.host if inner.host and inner.command.is_about_a_host else None,
        targets=inner.targets,
        command=inner.command,
        owner=schedule.owner.id,
    )


def _told(schedule: Schedule) -> str:
    return f"{schedule.when.text} ({schedule.when.zone}) · {state_of(schedule)}"
