"""Which alarms somebody may see: what names volumes is for those who may see these. Must not know who asked."""

from __future__ import annotations

from collections.abc import Iterable

from bot.alarmrules import AlarmKind
from bot.operations.inventory import MayTouch
from bot.stores.alarms import Alarm


def visible(alarms: Iterable[Alarm], may_touch: MayTouch) -> tuple[Alarm, ...]:
    """Those of them."""
    return tuple(alarm for alarm in alarms if _is_seen(alarm, may_touch))


def _is_seen(alarm: Alarm, may_touch: MayTouch) -> bool:
    host, _, source = alarm.key.partition(":")[2].partition("/")
    if alarm.kind is AlarmKind.STALE:
        return may_touch(host, f"volume:{source}")
    return alarm.kind is not AlarmKind.UNPROTECTED or may_touch(host, "volume:*")
