"""What tells the things that a run touches from others of the same name. Looks at the engine and changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from bot.engine import Engine, Volume
from bot.errors import NotFound
from bot.kinds import VolumeName
from bot.model import Plan
from bot.stores.archive import Backup

ABSENT = ""


def bound(plan: Plan, engine: Engine | None, more: Mapping[str, str]) -> Plan:
    """The plan, bound to its targets as they are now, beside what its command bound it to. Raises EngineError."""
    return replace(plan, binds={**identities(engine, plan.targets), **plan.binds, **more})


def of_backups(*backups: Backup) -> dict[str, str]:
    """Backups by their content: one that was exchanged has another."""
    return {f"backup:{one.volume}/{one.id}": one.manifest.raw.sha256 for one in backups}


def of_downtime(sleepers: Mapping[str, str], most: timedelta | None = None) -> dict[str, str]:
    """Which containers sleep, in which way, and how long at most; nothing where none does."""
    told = [f"{name} {how}" for name, how in sorted(sleepers.items())]
    if told and most is not None:
        told.append(f"<={round(most.total_seconds())}s")
    return {"downtime:": ", ".join(told)} if told else {}


def sha256_of(pieces: Iterable[bytes]) -> str:
    """Of all of them together."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


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
