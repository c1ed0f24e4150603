"""Where on the engine's machine a backup's content lies, so that it can be exchanged by renaming, or why it cannot.

Looks at the engine and changes nothing; it must not know how anything is exchanged.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine, HostPath, Storage
from bot.entry import printable
from bot.errors import Conflict, UsageError
from bot.language import say
from bot.operations.sources import MOUNTED, Source, resolve
from bot.stores.archive import Backup


@dataclass(frozen=True, kw_only=True)
class Place:
    """`name` in `directory` (of the engine's machine) is what is exchanged; who mounts `storage` uses it."""

    source: Source
    storage: Storage
    directory: str
    name: str
    path: str = ""

    @property
    def key(self) -> str:
        """The storage as one word: a volume's name, or an absolute path."""
        return self.storage.path if isinstance(self.storage, HostPath) else self.storage

    @property
    def words(self) -> str:
        """How sentences call it."""
        whole = self.source.words
        return say("“{path}” of {source}", path=printable(self.path), source=whole) if self.path else whole


def inside(path: str) -> str:
    """A path in a backup, relative to its root; empty for all of it. Raises UsageError for one that leads out."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise UsageError(
            say(
                "“{path}” cannot be a path in a backup: it may hold no “..”. Nothing was changed.",
                path=printable(path),
            )
        )
    return "/".join(parts)


def source_of(backup: Backup) -> str:
    """What the backup was taken of, as command lines name it: `VOLUME` or `CONTAINER:/PATH`."""
    found = backup.manifest.source
    return f"{found.container}:{found.path}" if found.container and found.path else backup.volume


def target_of(engine: Callable[[], Engine], text: str) -> str:
    """What a run holds, and roles allow, that changes what `VOLUME` or `CONTAINER:/PATH` names: what it really is.

    Only for a path the engine is asked. Raises as `resolve`.
    """
    return resolve(engine(), text).target if ":" in text else f"volume:{text}"


def place_of(engine: Engine, text: str, path: str = "") -> Place:
    """Where `VOLUME` or `CONTAINER:/PATH` lies, or one file or directory below it.

    Raises NotFound when it does not exist, and Conflict, saying what to do instead, when it is not a directory on
    the engine's own machine in whose parent we could rename it.
    """
    source = resolve(engine, text)
    if source.storage is None:
        raise _no_place(
            say(
                "{source} lies in the container's own layer, where nothing can be exchanged in one step.",
                source=source.words,
            )
        )
    base = _volume_base(source) if source.volume else _bind_base(source)
    below = posixpath.normpath(source.path.removeprefix(MOUNTED) + "/" + path).strip("/")
    directory, name = posixpath.split(base)
    return Place(
        source=source,
        storage=source.storage,
        directory=directory,
        name=f"{name}/{below}" if below not in ("", ".") else name,
        path=path,
    )


def _volume_base(source: Source) -> str:
    volume = source.volume
    if volume is None or volume.driver != "local" or volume.options or not volume.mountpoint:
        driver = volume.driver if volume else "?"
        options = ", ".join(sorted(volume.options)) if volume else ""
        what = (
            say("a local volume with options ({options})", options=options)
            if options
            else say("a volume of the driver {driver}", driver=driver)
        )
        raise _no_place(
            say(
                "{source} is {what}: its storage is not a plain directory of the host, so its content cannot be "
                "exchanged in one step.",
                source=source.words,
                what=what,
            )
        )
    return _with_parent(source, volume.mountpoint)


def _bind_base(source: Source) -> str:
    path = source.storage.path if isinstance(source.storage, HostPath) else ""
    return _with_parent(source, path)


def _with_parent(source: Source, path: str) -> str:
    base = posixpath.normpath(path)
    if not base.startswith("/") or posixpath.dirname(base) == "/":
        raise _no_place(
            say(
                "{source} lies at {path} on the host, and only what has a directory of its own above "
                "it can be exchanged.",
                source=source.words,
                path=printable(base),
            )
        )
    return base


def _no_place(why: str) -> Conflict:
    instead = say("Nothing was changed. Restore it into a new volume instead: leave out --replace.")
    return Conflict(f"{why} {instead}")
