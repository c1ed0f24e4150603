"""Files that go with replies: kept in the state directory until whoever asked has them.

A file stands under its name only once it is whole and synced. Knows nothing of Slack, nor what is in the files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from bot.errors import StoreError
from bot.language import later, say
from bot.model import Attachment
from bot.reasons import Reason
from bot.stores.archive.disk import create_file, make_directory, sync_directory, write_all

KEPT_FOR = timedelta(days=7)
"""What could not be delivered in that time is given up."""

_FILE = re.compile(r"(?P<run>[0-9a-f]{8})-(?P<sha256>[0-9a-f]{64})")
_PART = ".part"
_LONGEST_NAME = 200
_ODD = re.compile(r"[\x00-\x1f\x7f/\\\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain_name(name: str) -> str:
    """A file's name as any file system and Slack take it: one part, no control characters, not hidden."""
    safe = _ODD.sub("_", name).lstrip(".").strip() or "file"
    while len(safe.encode()) > _LONGEST_NAME:
        safe = safe[:-1]
    return safe


class Draft:
    """A file that is being written; unless it is kept, leaving the `with` removes it."""

    def __init__(self, directory: Path, run_id: str) -> None:
        self.size = 0
        self._directory = directory
        self._run_id = run_id
        self._hash = hashlib.sha256()
        self._part = directory / f"{run_id}-{os.urandom(8).hex()}{_PART}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        with _disk_errors(self._directory):
            make_directory(self._directory)
            self._descriptor = create_file(self._part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._part.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """Of all that was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes; raises StoreError (reason `disk-full`)."""
        with _disk_errors(self._directory):
            write_all(self._descriptor, bytes(data))
        self._hash.update(data)
        self.size += len(data)

    def keep(self, name: str, alt: str = "") -> Attachment:
        """Make it durable under its own name, and say how a reply refers to it. Nothing can be written after."""
        made = Attachment(name=plain_name(name), size=self.size, sha256=self.sha256, alt=alt)
        with _disk_errors(self._directory):
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self._part.rename(self._directory / _file_name(self._run_id, made))
            sync_directory(self._directory)
        return made


class Outgoing:
    """The files of all runs, by run and content."""

    def __init__(self, directory: Path, clock: Callable[[], datetime]) -> None:
        self._directory = directory
        self._clock = clock

    def begin(self, run_id: str) -> Draft:
        """A new file for that run's reply, to be used in a `with`."""
        return Draft(self._directory, run_id)

    def open(self, run_id: str, file: Attachment) -> BinaryIO:
        """Its bytes, from the first on; raises StoreError when it is not there."""
        with _disk_errors(self._directory):
            return self._path(run_id, file).open("rb")

    def remove(self, run_id: str, file: Attachment) -> None:
        """Whoever asked has it. May be called twice."""
        with _disk_errors(self._directory):
            self._path(run_id, file).unlink(missing_ok=True)

    def kept_at(self, run_id: str, file: Attachment) -> Path | None:
        """Where it lies, for whoever may look there; None when it is not there any more."""
        path = self._path(run_id, file)
        return path if path.is_file() else None

    def hand_over(self, run_id: str, file: Attachment, directory: Path) -> Path:
        """Write it into a directory of the shell's, beside whatever is there, and compare; the path it got.

        The stored file stays, for the same run may be asked for again. Raises StoreError, and leaves nothing there; its
        text advises nothing, for only the caller knows what a command that is sent again would do.
        """
        with _disk_errors(directory, is_over=True), self._path(run_id, file).open("rb") as source:
            path, descriptor = _new_file(directory, file.name, run_id)
            try:
                written = _copied(source, path, descriptor)
            except OSError:
                path.unlink(missing_ok=True)
                raise
        if written != file.sha256:
            path.unlink(missing_ok=True)
            raise StoreError(say("{path} was not written as it should be, and was removed.", path=path))
        return path

    def remove_old(self) -> None:
        """Remove what is whole and older than a week: whoever writes meanwhile has younger ones. Raises StoreError."""
        with _disk_errors(self._directory):
            for path in self._directory.glob("*"):
                with suppress(FileNotFoundError):
                    if _FILE.fullmatch(path.name) and self._is_old(path):
                        path.unlink()

    def sweep(self, is_wanted: Callable[[str, str], bool]) -> tuple[str, ...]:
        """Remove what no run wants (by run and SHA-256), what is older than a week, and what was never whole.

        Only while nobody writes: at the start of the one process that executes. Returns the names.
        """
        removed = []
        with _disk_errors(self._directory):
            for path in sorted(self._directory.glob("*")) if self._directory.is_dir() else ():
                found = _FILE.fullmatch(path.name)
                if found and is_wanted(found["run"], found["sha256"]) and not self._is_old(path):
                    continue
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return tuple(removed)

    def names(self) -> tuple[str, ...]:
        """Everything that is kept, whole or not."""
        return tuple(sorted(path.name for path in self._directory.glob("*")))

    def _path(self, run_id: str, file: Attachment) -> Path:
        return self._directory / _file_name(run_id, file)

    def _is_old(self, path: Path) -> bool:
        return path.stat().st_mtime < (self._clock() - KEPT_FOR).timestamp()


def _file_name(run_id: str, file: Attachment) -> str:
    return f"{run_id}-{file.sha256}"


def _new_file(directory: Path, name: str, run_id: str) -> tuple[Path, int]:
    """A file that was not there before: under its own name, or with the run's id in it."""
    stem, dot, ending = name.rpartition(".")
    for candidate in (name, f"{stem or ending}-{run_id}{dot if stem else ''}{ending if stem else ''}"):
        try:
            return directory / candidate, create_file(directory / candidate)
        except FileExistsError:
            continue
    raise StoreError(
        say(
            "{directory} holds a {file} already, and one of run {run_id}. They were not changed.",
            directory=directory,
            file=name,
            run_id=run_id,
        )
    )


def _copied(source: BinaryIO, path: Path, descriptor: int) -> str:
    """Write all of it, durably; the SHA-256 of what is read back. Closes the descriptor."""
    try:
        while chunk := source.read(1 << 20):
            write_all(descriptor, chunk)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with path.open("rb") as copy:
        return hashlib.file_digest(copy, "sha256").hexdigest()


@contextmanager
def _disk_errors(directory: Path, *, is_over: bool = False) -> Iterator[None]:
    """With `is_over` nothing is advised: the run has its ending already."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sentence = later("A file for the answer cannot be kept at {path}: {reason}.")
        said = say(sentence, path=error.filename or directory, reason=error.strerror or error)
        raise StoreError(
            said if is_over else f"{said} {_advice(is_full=full)}",
            reason=Reason.DISK_FULL if full else None,
        ) from error


def _advice(*, is_full: bool) -> str:
    if is_full:
        return say("Make room there, then send the command again.")
    return say("Make sure that the bot may read and write there, then send the command again.")
