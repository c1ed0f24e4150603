"""Files of the machine that the bot runs on: read for a copy, and written whole or not at all.

Must not know where the bytes come from or go.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.entry import printable
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say
from bot.operations.context import REMOVE_PART, RunContext
from bot.operations.single import Facts

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_PART = ".part"
_OLD = ".old"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file that was written and read back."""

    path: Path
    size: int
    sha256: str


def facts_of(path: Path) -> Facts:
    """What a file is, links followed; raises NotFound, or Conflict for anything that is no regular file."""
    with _disk_errors(path):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise Conflict(
            say(
                "{path} is no regular file. Nothing was changed. Copy single files, or a tar.",
                path=printable(str(path)),
            )
        )
    return Facts(
        size=found.st_size,
        mode=stat.S_IMODE(found.st_mode) & 0o777,
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=found.st_mtime,
    )


def chunks_of(path: Path) -> Iterator[bytes]:
    """Its bytes from the first on."""
    with _disk_errors(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def destination_of(path: Path, name: str, *, is_directory: bool, force: bool) -> Path:
    """Where a file of that name is to be written; raises Conflict when something is there, NotFound without a place."""
    with _disk_errors(path):
        if path.is_dir():
            path = path / name
        elif is_directory or not path.parent.is_dir():
            missing = path if is_directory else path.parent
            raise NotFound(
                say(
                    "There is no directory {missing}. Nothing was changed. Make it first.",
                    missing=printable(str(missing)),
                )
            )
        if path.is_dir() or (os.path.lexists(path) and not force):
            raise _taken(path)
    return path


@contextmanager
def new_file(run: RunContext, path: Path, *, force: bool) -> Iterator[Callable[[Iterable[bytes]], Written]]:
    """A function that takes all of a file's bytes once, and puts them at the path: whole, synced and read back.

    What was there before stays unless `force`; it raises Conflict then. Until it is whole it has a name of the run's,
    and what it takes the place of keeps one until the journal says that the new file stays. Writing is to be the last
    thing of the body that may fail.
    """
    named = f".{path.name[:200]}.{run.run_id}"
    part, old = path.with_name(f"{named}{_PART}"), path.with_name(f"{named}{_OLD}")
    with run.undoable(REMOVE_PART, path=str(part), place=str(path), old=str(old) if force else "") as step:

        def write(chunks: Iterable[bytes]) -> Written:
            size, sha256 = _write(part, chunks)
            with _disk_errors(path):
                _settle(part, path, old if force else None)
                step.keep()
            return Written(path=path, size=size, sha256=sha256)

        yield write
    _tidy(part, old)


def remove_part(arguments: Mapping[str, str]) -> None:
    """Undo of REMOVE_PART: what was not whole is gone, and the place is as it was before.

    It held nothing, if it was given to just that file, or what has the run's other name.
    """
    part, place, old = Path(arguments["path"]), Path(arguments["place"]), arguments.get("old", "")
    with _disk_errors(part):
        if old and os.path.lexists(old):
            if not (part.exists() and os.path.lexists(place)):  # else nothing took the place yet
                Path(old).replace(place)
            Path(old).unlink(missing_ok=True)
        elif part.exists() and place.exists() and part.samefile(place):
            place.unlink()
        part.unlink(missing_ok=True)


def found_written(arguments: Mapping[str, str]) -> Written:
    """What was written before a crash, with what that may have left beside it removed; raises NotFound, Conflict."""
    _tidy(Path(arguments["path"]), *(Path(old) for old in (arguments.get("old"),) if old))
    path, sha256, size = Path(arguments["place"]), hashlib.sha256(), 0
    for chunk in chunks_of(path):
        sha256.update(chunk)
        size += len(chunk)
    return Written(path=path, size=size, sha256=sha256.hexdigest())


def _write(part: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Raises EngineError unless what is on the disk then is what came."""
    came, size = hashlib.sha256(), 0
    with _disk_errors(part):
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                came.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    there = hashlib.sha256()
    for chunk in chunks_of(part):
        there.update(chunk)
    if there.digest() != came.digest():
        raise EngineError(
            say(
                "{directory} does not give back what was written to it. Nothing was kept. Look at the disk.",
                directory=part.parent,
            )
        )
    return size, came.hexdigest()


def _tidy(*beside: Path) -> None:
    """Remove what lies beside a file that stays; that it cannot be removed makes that no less true."""
    for path in beside:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s is left beside the file that was written: %s", path, error)


def _keep_old(path: Path, old: Path) -> bool:
    """Give what is there a second name; where the disk or its owner allows none, only that one. False for nothing."""
    if not os.path.lexists(path):
        return False
    try:
        os.link(path, old, follow_symlinks=False)
    except OSError:
        path.rename(old)
    return True


def _settle(part: Path, path: Path, old: Path | None) -> None:
    """Give it its name: a link never takes another's place, a rename does, once that has the name `old`."""
    if old is not None and _keep_old(path, old):
        part.replace(path)
    else:
        try:
            path.hardlink_to(part)
        except FileExistsError as error:
            raise _taken(path) from error
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(path: Path) -> Conflict:
    return Conflict(
        say(
            "There is something at {path} already. It was not changed. Choose another name, or, if it is "
            "a file that may be replaced, add --force.",
            path=printable(str(path)),
        )
    )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(
            say(
                "There is no {path} where the bot runs. Nothing was changed. Check the path.",
                path=printable(str(error.filename or path)),
            )
        ) from error
    except OSError as error:
        raise Conflict(
            say(
                "{path} cannot be used: {reason}. Nothing that was there was changed. "
                "Make sure that the bot may do that, then send the command again.",
                path=printable(str(path)),
                reason=error.strerror or error,
            )
        ) from error
