"""Makes the rules of alarms, and what the heartbeat asks, of their section of the settings. Looks at nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.alarmrules import AlarmRules, Taken
from bot.alarms.heartbeat import Heartbeat, Pulse
from bot.reload import Swapper
from bot.settings import Settings


def alarm_rules(settings: Settings) -> AlarmRules:
    """From when on something is an alarm, and where it is told."""
    section = settings.alarms
    return AlarmRules(
        channel=section.channel,
        max_age=_hours(section.max_age_hours),
        ages={pattern: _hours(hours) for pattern, hours in section.ages.items()},
        unprotected=section.unprotected,
        free_percent=section.free_percent,
        slower=section.slower,
        overdue=timedelta(hours=section.overdue_hours),
    )


def _hours(hours: float) -> timedelta | None:
    """Zero is no limit."""
    return timedelta(hours=hours) if hours else None


def pulse(settings: Settings) -> Pulse:
    """What the heartbeat asks, and how often."""
    section = settings.alarms
    return Pulse(url=section.heartbeat.get_secret_value(), every_seconds=section.heartbeat_seconds)


def alarms_swapper(taken: Taken, heartbeat: Heartbeat) -> Swapper:
    """Takes new rules of alarms, and another heartbeat."""

    def prepare(settings: Settings) -> Callable[[], None]:
        rules, beats = alarm_rules(settings), pulse(settings)

        def put() -> None:
            taken.replace(rules)
            heartbeat.replace(beats)

        return put

    return Swapper(sections=("alarms",), prepare=prepare)
