"""Alarms and schedules as numbers, for whoever scrapes them. Reads only."""

from __future__ import annotations

from bot.alarmrules import AlarmKind
from bot.services import Services


def figures(services: Services) -> dict[str, dict[str, float]]:
    """How many alarms of each kind are open, and how many schedules fire or do not; raises StoreError."""
    open_ones = services.alarms.counts()
    schedules = services.schedules.states()
    return {
        "alarms": {kind.value: float(open_ones.get(kind, 0)) for kind in AlarmKind},
        "schedules": {state: float(schedules.get(state, 0)) for state in ("on", "paused", "suspended")},
    }
