"""What a backup is of: a volume, or a path in a container, and where its bytes can be read.

Looks at the engine and changes nothing; it must not know what a backup does with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.engine import Container, Engine, HostPath, Mount, Storage, Volume
from bot.entry import printable
from bot.errors import Conflict, NotFound, UsageError

MOUNTED = "/volume"
"""Where helpers and tools see what they mount."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is read: `path` in a helper that mounts `storage`, or in `container` itself when there is none.

    `name` is what its backups are filed under and `target` what a run holds meanwhile. `volume` is the volume that
    all or a part of it is; `inner` are places below it where the container mounts something else, which is not
    part of it.
    """

    name: str
    target: str
    path: str
    storage: Storage | None = None
    container: Container | None = None
    volume: Volume | None = None
    inner: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """The first name of every path in its tar."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_volume(self) -> bool:
        """Whether it is a whole volume, and not a path."""
        return self.container is None

    @property
    def place(self) -> str:
        """The path in the container as it is to be named again; empty for a volume."""
        return "" if self.container is None else self.name.partition(":")[2]

    @property
    def words(self) -> str:
        """How sentences call it."""
        return f"volume {self.name}" if self.is_volume else printable(self.name)


def resolve(engine: Engine, text: str) -> Source:
    """The source that `VOLUME` or `CONTAINER:/PATH` names.

    A path that is exactly where a named volume is mounted is that volume. Raises NotFound for what does not exist,
    UsageError for a path with `..` and for `/`, Conflict for what only the container's processes can see.
    """
    container, colon, path = text.partition(":")
    if not colon:
        return _volume(engine, text)
    place = normal(path)
    return _path(engine, engine.container(container), place)


def users_of(engine: Engine, source: Source) -> tuple[Container, ...]:
    """Whoever may write to the source, in any state, as it is now; raises NotFound when its container is gone."""
    if source.storage is not None:
        return engine.users_of(source.storage)
    return () if source.container is None else (engine.container(source.container.id),)


def normal(path: str) -> str:
    """The absolute path without doubled slashes, `.` and a slash at its end; raises UsageError."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not path.startswith("/") or ".." in parts or "\0" in path:
        raise UsageError(
            f"“{printable(path)}” cannot be a path in a container: it must begin with / and hold no “..”. "
            "Nothing was changed."
        )
    if not parts:
        raise UsageError(
            "A whole container cannot be backed up by its files. Nothing was changed. Name a directory or a file "
            "in it, such as web:/etc/nginx."
        )
    return "/" + "/".join(parts)


def _volume(engine: Engine, name: str) -> Source:
    try:
        volume = engine.volume(name)
    except NotFound as error:
        raise _hint(engine, name, error) from error
    return _of_volume(volume)


def _of_volume(volume: Volume) -> Source:
    name = volume.name
    return Source(name=name, target=f"volume:{name}", path=MOUNTED, storage=name, volume=volume)


def _hint(engine: Engine, name: str, error: NotFound) -> NotFound:
    """Whoever names a container instead of a volume is told what can be named of it."""
    try:
        container = engine.container(name)
    except NotFound:
        return error
    return NotFound(
        f"There is no volume {name}, but a container of that name. {_mounted(container)} Nothing was changed. "
        f"Name a volume, or a path in the container, such as {name}:/PATH."
    )


def _mounted(container: Container) -> str:
    places = [
        f"{mount.source if mount.kind == 'volume' else mount.kind} at {mount.destination}"
        for mount in container.mounts
    ]
    return f"It mounts {', '.join(places)}." if places else "It mounts nothing."


def _path(engine: Engine, container: Container, place: str) -> Source:
    mount = _mount_over(container, place)
    name = f"{container.name}:{place}"
    below = [other for other in container.mounts if other.destination.startswith(f"{place}/")]
    if mount is None:  # Docker follows mounts when it reads in a container, but for those in memory
        inner = _places(other for other in below if other.storage is None)
        target = f"container:{container.name}"
        return Source(name=name, target=target, path=place, container=container, inner=inner)
    storage = mount.storage
    if storage is None:
        raise Conflict(
            f"What {container.name} has at {mount.destination} is a {mount.kind}, which only its own processes can "
            f"see, so it cannot be backed up. Nothing was changed. {_mounted(container)}"
        )
    rest = place.removeprefix(_slashless(mount.destination))
    volume = engine.volume(storage) if isinstance(storage, str) else None
    if volume is not None and not rest:
        return _of_volume(volume)
    return Source(
        name=name,
        target=f"volume:{volume.name}" if volume else f"path:{_host_path(storage)}",
        path=MOUNTED + rest,
        storage=storage,
        container=container,
        volume=volume,
        inner=_places(below),
    )


def _mount_over(container: Container, place: str) -> Mount | None:
    """The innermost mount that the path lies in."""
    over = [
        mount for mount in container.mounts if f"{place}/".startswith(_slashless(mount.destination) + "/")
    ]
    return max(over, key=lambda mount: len(_slashless(mount.destination)), default=None)


def _places(mounts: Iterable[Mount]) -> tuple[str, ...]:
    return tuple(sorted({_slashless(mount.destination) for mount in mounts}))


def _slashless(destination: str) -> str:
    return destination.rstrip("/")


def _host_path(storage: Storage) -> str:
    path = storage.path if isinstance(storage, HostPath) else storage
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
