"""What our own containers mount, and what other containers mount, in Docker's words and in ours.

It must not know what is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import docker

from bot.engine import HostPath, Mount, Storage
from bot.engine.translate import scrub
from bot.errors import EngineError, NotFound
from bot.language import say

# What daemons say for a path that is not there: 400 from 20.10 on.
_NO_SUCH_SOURCE = "bind source path does not exist"


def docker_mount(storage: Storage, target: str, *, read_only: bool) -> Any:
    """The SDK's mount; unlike a bind by text it never makes what is not there (engine fact 13)."""
    if isinstance(storage, HostPath):
        return docker.types.Mount(target, storage.path, type="bind", read_only=read_only)
    return docker.types.Mount(target, storage, type="volume", read_only=read_only, no_copy=True)


@contextmanager
def missing_path_is_not_found(storage: Storage, host: str) -> Iterator[None]:
    """Within it, the daemon's refusal of a path that is not there becomes NotFound."""
    missing = NotFound(
        say(
            "There is no path “{path}” on the machine of host “{host}”. Nothing was changed; check the path.",
            path=scrub(storage.path) if isinstance(storage, HostPath) else "",
            host=host,
        )
    )
    if isinstance(storage, HostPath) and not storage.path.startswith("/"):
        raise missing
    try:
        yield
    except docker.errors.APIError as error:
        if isinstance(storage, HostPath) and _NO_SUCH_SOURCE in str(error.explanation or error):
            raise missing from error
        raise


def refuse_odd_place(at: str) -> None:
    """Raises EngineError unless `at` may be the one name of a directory at a container's root."""
    if at in ("", ".", "..") or "/" in at or "\0" in at:
        raise EngineError(say("“{at}” is no name to mount anything at. Nothing was changed.", at=scrub(at)))


def mounts_of(raw: Mapping[str, Any]) -> tuple[Mount, ...]:
    """The mounts of a container as listed or inspected, sorted by destination, for the daemon has no order.

    Those made by `--tmpfs` stand elsewhere than the others, and only when inspected.
    """
    found = [
        Mount(
            kind=str(mount.get("Type") or ""),
            source=str((mount.get("Name") if mount.get("Type") == "volume" else mount.get("Source")) or ""),
            destination=str(mount.get("Destination") or ""),
            read_only=not mount.get("RW", True),
        )
        for mount in raw.get("Mounts") or ()
    ]
    tmpfs = (raw.get("HostConfig") or {}).get("Tmpfs") or {}
    found += [Mount(kind="tmpfs", source="", destination=str(PurePosixPath(place))) for place in tmpfs]
    return tuple(sorted(found, key=lambda mount: mount.destination))


def touches(raw: Mapping[str, Any], storage: Storage, place: str) -> bool:
    """Does a listed container use the storage? `place` is where a volume's files lie, empty if nobody knows.

    A volume is also used by whoever binds its files by their path, and a path by whoever mounts the volume it is in.
    """
    return any(_touches(mount, storage, place) for mount in raw.get("Mounts") or ())


def _touches(mount: Mapping[str, Any], storage: Storage, place: str) -> bool:
    kind, source = mount.get("Type"), str(mount.get("Source") or "")
    its = PurePosixPath(source)
    if not isinstance(storage, HostPath):
        if kind == "volume":
            return mount.get("Name") == storage
        mine = PurePosixPath(place)
        return kind == "bind" and bool(place) and (mine == its or mine in its.parents)
    mine = PurePosixPath(storage.path)
    return (
        kind in ("bind", "volume")
        and bool(source)
        and (mine == its or mine in its.parents or its in mine.parents)
    )
