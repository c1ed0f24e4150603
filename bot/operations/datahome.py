"""Where a database keeps its data in its container, and whether that lies in what a backup is of.

Looks at nothing but what it is given; it must not know how anything is dumped.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from bot.engine import Container, HostPath
from bot.operations.presets import Preset
from bot.operations.sources import MOUNTED, Source

_MYSQL = (
    "/var/lib/mysql",
    "/bitnami/mysql/data",
    "/bitnami/mysql",
    "/bitnami/mariadb/data",
    "/bitnami/mariadb",
)
_PLACES = {
    "postgresql": (
        "/var/lib/postgresql/data/pgdata",
        "/var/lib/postgresql/data",
        "/var/lib/postgresql/18/docker",
        "/var/lib/postgresql",
        "/bitnami/postgresql/data",
        "/bitnami/postgresql",
        "/home/postgres/pgdata/data",
        "/home/postgres/pgdata",
    ),
    "mysql": _MYSQL,
    "mariadb": (*_MYSQL, "/config/databases", "/config"),
    "redis": (
        "/bitnami/redis/data",
        "/bitnami/redis",
        "/bitnami/valkey/data",
        "/bitnami/valkey",
        "/var/lib/redis",
        "/data",
    ),
    "mongodb": (
        "/bitnami/mongodb/data/db",
        "/bitnami/mongodb",
        "/var/lib/mongodb",
        "/var/lib/mongo",
        "/data/db",
        "/data",
    ),
}
"""Data directories of the images that are in use, and those above them that are the database's, too.

Of those at which a container mounts something, the first one counts.
"""


def holds_data(source: Source, container: Container, preset: Preset) -> bool:
    """Whether the container's database keeps its data in the source, as far as anybody can know from its mounts.

    Only a source that is mounted at the database's own place does, or lies there. Of the presets with a file, a
    volume that the file lies in, or its very directory.
    """
    at_home = _has_file if preset.file else _has_data
    return any(at_home(place, source, container, preset) for place in _places(source, container))


def _places(source: Source, container: Container) -> Iterator[str]:
    """Where the container sees the source."""
    if source.storage is None:
        yield source.path
        return
    below = source.path.removeprefix(MOUNTED)
    for mount in container.mounts:
        if isinstance(source.storage, HostPath) and mount.kind == "bind":
            whole, bound = posixpath.normpath(source.storage.path + below), posixpath.normpath(mount.source)
            if _is_in(whole, bound):
                yield posixpath.normpath(f"{mount.destination}/{whole.removeprefix(bound)}")
        elif mount.storage == source.storage:
            yield posixpath.normpath(mount.destination + below)


def _has_data(place: str, _: Source, container: Container, preset: Preset) -> bool:
    known, mounted = _PLACES.get(preset.name, ()), _destinations(container)
    home = next((one for one in known if one in mounted), place)
    return place in known and _is_in(place, home)


def _has_file(place: str, source: Source, container: Container, preset: Preset) -> bool:
    inner = [one for one in _destinations(container) if one != place and _is_in(one, place)]
    is_near = source.is_volume or place in (preset.file, posixpath.dirname(preset.file))
    return is_near and _is_in(preset.file, place) and not any(_is_in(preset.file, one) for one in inner)


def _destinations(container: Container) -> list[str]:
    return [posixpath.normpath(mount.destination) for mount in container.mounts]


def _is_in(path: str, directory: str) -> bool:
    return f"{path}/".startswith(directory.rstrip("/") + "/")
