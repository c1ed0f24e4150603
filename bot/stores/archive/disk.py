"""Where a backup's files lie and how bytes are made to stay: rights, syncs, room, and disk errors in words.

Must not know what is inside the files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ArchiveError
from bot.language import later, say
from bot.reasons import Reason
from bot.stores.archive.names import ENTRIES, FILE, INVENTORY, MANIFEST, MARKS, PART, TAR, spool_name
from bot.words import size

CHUNK_BYTES = 1 << 20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOTHING_NEW = later("Nothing new is listed as a backup, and no earlier backup was changed.")


@dataclass(frozen=True, kw_only=True)
class BackupFiles:
    """The files of one backup, and what each is called before it is whole."""

    directory: Path
    id: str

    @property
    def tar(self) -> Path:
        """The compressed tar."""
        return self._file(TAR)

    @property
    def entries(self) -> Path:
        """The compressed list of entries: what the tar says."""
        return self._file(ENTRIES)

    @property
    def inventory(self) -> Path:
        """The compressed list of items: what a walk found. Not every backup has one."""
        return self._file(INVENTORY)

    @property
    def manifest(self) -> Path:
        """The manifest: written last, and only with it there is a backup."""
        return self._file(MANIFEST)

    @property
    def is_gone(self) -> bool:
        """Whether there is no manifest, so no backup. Not where a disk cannot say."""
        with suppress(OSError):
            try:
                os.lstat(self.manifest)
            except FileNotFoundError:
                return True
        return False

    @property
    def marks(self) -> Path:
        """What happened to the backup since; the only file of it that ever changes."""
        return self._file(MARKS)

    @property
    def contents(self) -> tuple[Path, ...]:
        """All of them but the manifest."""
        return (self.tar, self.entries, self.inventory, self.marks)

    @property
    def parts(self) -> tuple[Path, ...]:
        """The names that files bear while they are being written; those of spools are not among them."""
        return tuple(
            part_of(path) for path in (self.tar, self.entries, self.manifest, self.inventory, self.marks)
        )

    def spool(self, name: str) -> Path:
        """A file that exists only while the backup is being made."""
        return self._file(f".{spool_name(name)}{PART}")

    def spools(self) -> tuple[Path, ...]:
        """The spools that are there now, in the order of their names; raises OSError."""
        try:
            found = sorted(self.directory.iterdir())
        except FileNotFoundError:
            return ()
        matches = ((path, FILE.fullmatch(path.name)) for path in found)
        return tuple(path for path, match in matches if match and match["spool"] and match["id"] == self.id)

    def _file(self, ending: str) -> Path:
        return self.directory / f"{self.id}{ending}"


def part_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(path.name + PART)


@contextmanager
def disk_errors(
    doing: str, directory: Path, written_bytes: Callable[[], int] = int, unchanged: str = _NOTHING_NEW
) -> Iterator[None]:
    """Turn what the file system raises into an ArchiveError; `doing` says what did not come about.

    `written_bytes` tells how many had been written until then; `unchanged` is a sentence on what is as it was.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ArchiveError(
                say(
                    "{doing} failed: the archive's disk is full ({room}). {unchanged} Make room, then run it again.",
                    doing=doing,
                    room=_room(directory, written_bytes()),
                    unchanged=say(unchanged),
                ),
                reason=Reason.DISK_FULL,
            ) from error
        raise ArchiveError(
            say(
                "{doing} failed at {path}: {reason}. {unchanged} "
                "Make sure that the bot may read and write there, then send the command again.",
                doing=doing,
                path=error.filename or directory,
                reason=error.strerror or error,
                unchanged=say(unchanged),
            )
        ) from error


def _room(directory: Path, written_bytes: int) -> str:
    """What is free there, and how much of the backup had found room."""
    parts = [say("{size} are free at {directory}", size=size(free_bytes(directory)), directory=directory)]
    if written_bytes:
        parts.append(
            say("{size} of this backup had been written and still more are needed", size=size(written_bytes))
        )
    return "; ".join(parts)


def free_bytes(directory: Path) -> int:
    """Bytes that may still be written below the directory, which need not exist yet; raises OSError."""
    return room_at(directory)[0]


def room_at(directory: Path) -> tuple[int, int]:
    """The same, and how many bytes the disk has for anybody in all."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    found = os.statvfs(directory)
    used = found.f_blocks - found.f_bfree
    return found.f_bavail * found.f_frsize, (used + found.f_bavail) * found.f_frsize


def refuse_full(directory: Path, needed_bytes: int, what: str) -> None:
    """Raises ArchiveError when so many bytes more do not fit; `what` needs them, such as `the backup of pgdata`."""
    with disk_errors(say("Looking for free space"), directory):
        free = free_bytes(directory)
    if needed_bytes > free:
        raise ArchiveError(
            say(
                "There is no room for {what}: {needed} are needed, {free} are free at {directory}, so "
                "{missing} are missing. Nothing was changed. Make room there, then run it again.",
                what=what,
                needed=size(needed_bytes),
                free=size(free),
                directory=directory,
                missing=size(needed_bytes - free),
            ),
            reason=Reason.DISK_FULL,
        )


def make_directory(path: Path) -> None:
    """Make the directory and those above it, for the owner alone and so that they survive a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_file(path: Path) -> int:
    """A descriptor of a file that was not there before, readable by its owner alone."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_whole(path: Path, data: bytes) -> None:
    """Put a file of these bytes in its place at once and durably: part, sync, rename, sync of the directory.

    A part that a crash left is written over. Raises OSError; the former file, if there was one, then still stands.
    """
    part = part_of(path)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a disk that fills up may take a part without an error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def begin_to_store(descriptor: int) -> None:
    """Have the kernel begin to write what it holds of the file, so that the sync at the end has little left to do.

    That, and letting go of what is written, is what Linux does on this advice; elsewhere nothing happens.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def forget_cached(path: Path) -> None:
    """Ask the kernel to drop its copy, so that the next reading comes from the disk (posix_fadvise(2))."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
