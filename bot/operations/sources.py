"""What a backup is of: a volume, or a path in a container, and where its bytes can be read.

Looks at the engine and changes nothing; it must not know what a backup does with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bot.engine import Container, Engine, HostPath, Mount, Storage, Volume
from bot.entry import printable
from bot.errors import Conflict, NotFound, UsageError
from bot.language import say

MOUNTED = "/volume"
"""Where helpers and tools see what they mount."""

_MAX_LINKS = 40
_MADE_UP = ("proc", "sys", "dev")


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
    read_only: bool = field(default=False, compare=False)
    """Whether the container may not write there."""
    through: str = field(default="", compare=False)
    """What it was asked for as, when symbolic links in the container led from there; else empty."""

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
        return say("volume {volume}", volume=self.name) if self.is_volume else printable(self.name)


def resolve(engine: Engine, text: str) -> Source:
    """The source that `VOLUME` or `CONTAINER:/PATH` names.

    A path that is exactly where a named volume is mounted is that volume. Symbolic links on the way are followed, as
    Docker does when it reads, so a thing has one name whichever way leads to it; a link at the end is itself meant.
    Raises NotFound for what does not exist, UsageError for a path with `..` and for `/`, Conflict for what only the
    container's processes can see and for too many links.
    """
    container, colon, path = text.partition(":")
    if not colon:
        return _volume(engine, text)
    asked = normal(path)
    found = engine.container(container)
    way = _Way(engine, found)
    place = way.end(asked)
    source = _path(engine, found, way.mounts, place)
    return source if place == asked else replace(source, through=f"{found.name}:{asked}")


def users_of(engine: Engine, source: Source) -> tuple[Container, ...]:
    """Whoever may write to the source, in any state, as it is now; raises NotFound when its container is gone."""
    if source.storage is not None:
        return engine.users_of(source.storage)
    return () if source.container is None else (engine.container(source.container.id),)


def normal(path: str) -> str:
    """The absolute path without doubled slashes, `.` and a slash at its end; raises UsageError."""
    parts = _names(path)
    if not path.startswith("/") or ".." in parts or "\0" in path:
        raise UsageError(
            say(
                "“{path}” cannot be a path in a container: it must begin with / and hold no “..”. "
                "Nothing was changed.",
                path=printable(path),
            )
        )
    if not parts:
        raise UsageError(
            say(
                "A whole container cannot be taken by its files. Nothing was changed. Name a directory or a file "
                "in it, such as web:/etc/nginx."
            )
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
        say(
            "There is no volume {name}, but a container of that name. {mounts} Nothing was changed. "
            "Name a volume, or a path in the container, such as {name}:/PATH.",
            name=name,
            mounts=_mounted(container),
        )
    )


def _mounted(container: Container) -> str:
    places = [
        say(
            "{what} at {path}",
            what=mount.source if mount.kind == "volume" else mount.kind,
            path=mount.destination,
        )
        for mount in container.mounts
    ]
    return say("It mounts {places}.", places=", ".join(places)) if places else say("It mounts nothing.")


class _Way:
    """Finds where paths in a container lead. `mounts` are its mounts at the places that links lead Docker to."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self._engine = engine
        self._container = container
        self._known: dict[str, str | None] = {}
        self.mounts: tuple[Mount, ...] = ()
        self.mounts = tuple(
            replace(mount, destination=self._walk(mount.destination, last=True)) for mount in container.mounts
        )

    def end(self, place: str) -> str:
        """The path without links but, perhaps, its last name; raises Conflict."""
        found = self._walk(place, last=False)
        if "\n" in found:
            raise Conflict(
                say(
                    "Links in {container} lead from {place} to a path with a line break in it, "
                    "which cannot be the name of a backup. Nothing was changed.",
                    container=self._container.name,
                    place=printable(place),
                )
            )
        return found

    def _walk(self, place: str, *, last: bool) -> str:
        at, todo, links = "", _names(place), 0
        while todo:
            at = f"{at}/{todo.pop(0)}"
            target = self._link(at) if todo or last else None
            if target is None:
                continue
            links += 1
            if links > _MAX_LINKS:
                raise Conflict(
                    say(
                        "More than {number} symbolic links in {container} lie on the way to "
                        "{place}. Nothing was changed. Name the place that they lead to.",
                        number=_MAX_LINKS,
                        container=self._container.name,
                        place=printable(place),
                    )
                )
            at, todo = "", _names(target) + todo
        return at or "/"

    def _link(self, path: str) -> str | None:
        mount = _mount_over(self.mounts, path)
        if mount is not None and mount.storage is None:
            return None  # Docker would tell of what lies hidden below it
        if path not in self._known:
            self._known[path] = self._engine.link_at(self._container.id, path)
        return self._known[path]


def _path(engine: Engine, container: Container, mounts: tuple[Mount, ...], place: str) -> Source:
    mount = _mount_over(mounts, place)
    name = f"{container.name}:{place}"
    below = [other for other in mounts if other.destination.startswith(f"{place}/")]
    if mount is None:
        _refuse_made_up(container, place)
        _refuse_mounts(container, [other for other in below if other.storage is not None])
        inner = _places(other for other in below if other.storage is None)
        target = f"container:{container.name}"
        return Source(name=name, target=target, path=place, container=container, inner=inner)
    storage = mount.storage
    if storage is None:
        raise Conflict(
            say(
                "What {container} has at {path} is a {kind}, which only its own processes can "
                "see, so it can be neither backed up nor copied. Nothing was changed. {mounts}",
                container=container.name,
                path=mount.destination,
                kind=mount.kind,
                mounts=_mounted(container),
            )
        )
    rest = place.removeprefix(_slashless(mount.destination))
    volume = engine.volume(storage) if isinstance(storage, str) else None
    if volume is not None and not rest:
        return replace(_of_volume(volume), read_only=mount.read_only)
    return Source(
        name=name,
        target=f"volume:{volume.name}" if volume else f"path:{_host_path(storage)}",
        path=MOUNTED + rest,
        storage=storage,
        container=container,
        volume=volume,
        inner=_places(below),
        read_only=mount.read_only,
    )


def _refuse_made_up(container: Container, place: str) -> None:
    """What the kernel makes up for processes is not there when Docker reads."""
    if _names(place)[0] in _MADE_UP:
        raise Conflict(
            say(
                "{container}:{place} is no directory of a disk: the kernel makes up what processes see there, so it "
                "can be neither backed up nor copied. Nothing was changed. {mounts}",
                container=container.name,
                place=place,
                mounts=_mounted(container),
            )
        )


def _refuse_mounts(container: Container, below: list[Mount]) -> None:
    """Docker follows mounts when it reads in a container: a role for containers would read volumes by it."""
    if below:
        raise Conflict(
            say(
                "Other things are mounted below that path of {container}: {places}. They have "
                "users and backups of their own, so they are not read along. Nothing was changed. "
                "Back them up by themselves, and name paths beside them.",
                container=container.name,
                places=", ".join(_places(below)),
            )
        )


def _mount_over(mounts: Iterable[Mount], place: str) -> Mount | None:
    """The innermost mount that the path lies in."""
    over = [mount for mount in mounts if f"{place}/".startswith(_slashless(mount.destination) + "/")]
    return max(over, key=lambda mount: len(_slashless(mount.destination)), default=None)


def _names(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _places(mounts: Iterable[Mount]) -> tuple[str, ...]:
    return tuple(sorted({_slashless(mount.destination) for mount in mounts}))


def _slashless(destination: str) -> str:
    return destination.rstrip("/")


def _host_path(storage: Storage) -> str:
    path = storage.path if isinstance(storage, HostPath) else storage
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
