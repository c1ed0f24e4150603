"""Files of the machine that the bot runs on: read for a copy, and written whole or not at all.

Must not know where the bytes come from or go.
"""

from __future__ import annotations

import hashlib
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

_CHUNK_BYTES = 1 << 20
_PART = ".part"


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

    What was there before stays unless `force`; it raises Conflict then. Until it is whole it has a name of the run's.
    """
    part = path.with_name(f".{path.name[:200]}.{run.run_id}{_PART}")
    with run.undoable(REMOVE_PART, path=str(part), place=str(path)) as step:

        def write(chunks: Iterable[bytes]) -> Written:
            size, sha256 = _write(part, chunks)
            with _disk_errors(path):
                _settle(part, path, force=force)
                step.keep()
                part.unlink(missing_ok=True)
            return Written(path=path, size=size, sha256=sha256)

        yield write


def remove_part(arguments: Mapping[str, str]) -> None:
    """Undo of REMOVE_PART: what was not whole is gone, and so is the place if it was given to just that file."""
    part, place = Path(arguments["path"]), Path(arguments["place"])
    with _disk_errors(part):
        if part.exists() and place.exists() and part.samefile(place):
            place.unlink()
        part.unlink(missing_ok=True)


def found_written(arguments: Mapping[str, str]) -> Written:
    """What was written before a crash, with what that may have left beside it removed; raises NotFound, Conflict."""
    Path(arguments["path"]).unlink(missing_ok=True)
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


def _settle(part: Path, path: Path, *, force: bool) -> None:
    """Give it its name: a link never takes another's place, a rename does."""
    if force:
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
