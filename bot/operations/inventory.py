"""Who uses what on a host, and how well its volumes are protected, as rows for lists.

Must not know who asked: what may be shown is told by a function. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.engine import RUN_LABEL, Engine, Volume
from bot.engine.image_contract import Image
from bot.engine.inventory_contract import Condition, ListedContainer
from bot.errors import UsageError
from bot.language import say
from bot.operations.holds import is_verified
from bot.reference import parse
from bot.stores.archive import Archive, Backup

MayTouch = Callable[[str, str], bool]
"""Of a host and a target such as `volume:pgdata`: whether the asker may do anything about it."""

_SHORT_ID = 12


@dataclass(frozen=True, kw_only=True)
class VolumeRow:
    """A volume with the names of its users and its newest verified backup; `size_bytes` is None when nobody asked."""

    host: str
    volume: Volume
    users: tuple[str, ...]
    backup: Backup | None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """An image with its references in full, as far as they may be shown, and the containers made from it."""

    host: str
    image: Image
    references: tuple[str, ...]
    users: tuple[str, ...]

    @property
    def short_id(self) -> str:
        """The id as `docker images` prints it."""
        return self.image.id.removeprefix("sha256:")[:_SHORT_ID]

    @property
    def made_by_run(self) -> str:
        """The run of ours that made it, if one did: then it is a snapshot, or was built here."""
        return self.image.labels.get(RUN_LABEL, "")


@dataclass(frozen=True, kw_only=True)
class ContainerRow:
    """A container; `condition` is None until it is looked at, and when it is gone by then."""

    host: str
    container: ListedContainer
    condition: Condition | None = None


@dataclass(frozen=True, kw_only=True)
class Protection:
    """The newest verified backup of each volume of one host."""

    newest: Mapping[str, Backup] = field(default_factory=dict)

    @classmethod
    def of(cls, archive: Archive, host: str, volume: str | None = None) -> Protection:
        """Read from the archive; of all volumes, or of one."""
        return cls.among(archive.backups(host, volume), archive)

    @classmethod
    def among(cls, backups: Iterable[Backup], archive: Archive) -> Protection:
        """Among those of one host, newest first."""
        newest: dict[str, Backup] = {}
        for backup in backups:
            if backup.volume not in newest and is_verified(backup, archive.marks(backup)):
                newest[backup.volume] = backup
        return cls(newest=newest)


def container_rows(engine: Engine) -> tuple[ContainerRow, ...]:
    """All containers of the company's, by name."""
    return tuple(ContainerRow(host=engine.host, container=one) for one in engine.list_containers())


def volumes_and_users(engine: Engine) -> tuple[tuple[Volume, tuple[str, ...]], ...]:
    """All volumes, by name, with the names of the containers that use them."""
    users = _users(engine.list_containers())
    return tuple((volume, users.get(volume.name, ())) for volume in engine.volumes())


def volume_rows(engine: Engine, archive: Archive, sizes: Mapping[str, int]) -> tuple[VolumeRow, ...]:
    """All volumes, by name."""
    protection = Protection.of(archive, engine.host)
    return tuple(
        VolumeRow(
            host=engine.host,
            volume=volume,
            users=users,
            backup=protection.newest.get(volume.name),
            size_bytes=sizes.get(volume.name),
        )
        for volume, users in volumes_and_users(engine)
    )


def image_rows(engine: Engine) -> tuple[ImageRow, ...]:
    """All images, by name, as the engine sorts them."""
    containers = engine.list_containers()
    return tuple(
        ImageRow(
            host=engine.host,
            image=image,
            references=image.references,
            users=tuple(one.name for one in containers if one.image_id == image.id),
        )
        for image in engine.images()
    )


def short(reference: str) -> str:
    """A reference as people type it: without what Docker adds by itself."""
    try:
        return parse(reference).familiar
    except UsageError:
        return reference


def named(kind: str, names: Iterable[str], may_touch: Callable[[str], bool]) -> str:
    """Names for a cell; those that the asker may not touch are only counted."""
    every = tuple(names)
    shown = [name for name in every if may_touch(f"{kind}:{name}")]
    hidden = len(every) - len(shown)
    more = (
        [say("{number} more", number=hidden) if shown else say("{number} not shown", number=hidden)]
        if hidden
        else []
    )
    return ", ".join([*shown, *more])


def in_seconds(at: datetime, now: datetime) -> float:
    """The age of something, never less than nothing."""
    return max(0.0, (now - at).total_seconds())


def _users(containers: Iterable[ListedContainer]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for container in containers:
        for volume in container.volumes:
            found[volume] = (*found.get(volume, ()), container.name)
    return found
