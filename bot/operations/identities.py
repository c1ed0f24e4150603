"""What tells the things that a run touches from others of the same name. Looks at the engine and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.engine import Engine, Volume
from bot.errors import NotFound
from bot.kinds import VolumeName
from bot.model import Plan

ABSENT = ""


def bound(plan: Plan, engine: Engine | None) -> Plan:
    """The plan, bound to its targets as they are now, beside what its command bound it to. Raises EngineError."""
    return replace(plan, binds={**identities(engine, plan.targets), **plan.binds})


def identities(engine: Engine | None, targets: Iterable[str]) -> dict[str, str]:
    """By target: a container's or an image's id, and when and where a volume was made; empty for what is not there.

    Nothing without an engine. Raises EngineError.
    """
    if engine is None:
        return {}
    found = {}
    for target in targets:
        kind, _, name = target.partition(":")
        is_name = kind in ("container", "image") or (kind == "volume" and VolumeName.shape.fullmatch(name))
        if is_name:
            found[target] = _identity(engine, kind, name)
    return found


def _identity(engine: Engine, kind: str, name: str) -> str:
    try:
        if kind == "container":
            return engine.container(name).id
        if kind == "image":
            return engine.image(name).id
        return of_volume(engine.volume(name))
    except NotFound:
        return ABSENT


def of_volume(volume: Volume) -> str:
    """When it was made, by which driver and where it lies, as far as the driver says."""
    return " ".join(part for part in (volume.created_at, volume.driver, volume.mountpoint) if part)
