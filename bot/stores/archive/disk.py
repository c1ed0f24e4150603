"""Where a backup's files lie and how bytes are made to stay: names, rights, syncs, and disk errors in words.

Must not know what is inside the files.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ArchiveError

PART = ".part"
TAR = ".tar.zst"
ENTRIES = ".entries.jsonl.zst"
MANIFEST = ".manifest.json"
CHUNK_BYTES = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class BackupFiles:
    """The three files of one backup, and what each is called before it is whole."""

    directory: Path
    id: str

    @property
    def tar(self) -> Path:
        """The compressed tar."""
        return self.directory / f"{self.id}{TAR}"

    @property
    def entries(self) -> Path:
        """The compressed list of entries."""
        return self.directory / f"{self.id}{ENTRIES}"

    @property
    def manifest(self) -> Path:
        """The manifest: written last, and only with it there is a backup."""
        return self.directory / f"{self.id}{MANIFEST}"

    @property
    def parts(self) -> tuple[Path, ...]:
        """The names that the three bear while they are being written."""
        return tuple(part_of(path) for path in (self.tar, self.entries, self.manifest))


def part_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(path.name + PART)


def is_safe_name(name: str) -> bool:
    """Whether a host or volume of that name may have a directory here."""
    return _NAME.fullmatch(name) is not None and len(name) <= 200


def safe_name(word: str, name: str) -> str:
    """The name, if it may be a file's; raises ArchiveError otherwise. `word` says what it is the name of."""
    if not is_safe_name(name):
        raise ArchiveError(
            f"“{name}” cannot be the name of a {word} in the archive: only letters, digits and _ . - are "
            "allowed, and the first must be a letter or digit. Nothing was touched."
        )
    return name


@contextmanager
def disk_errors(doing: str, directory: Path, written_bytes: int = 0) -> Iterator[None]:
    """Turn what the file system raises into an ArchiveError; `doing` says what did not come about."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ArchiveError(
                f"{doing} failed: the archive's disk is full ({free_bytes(directory)} bytes are free at "
                f"{directory}; {written_bytes} bytes of this backup had been written and still more are "
                "needed). Nothing of it is listed as a backup. Make room, then run it again."
            ) from error
        raise ArchiveError(
            f"{doing} failed at {error.filename or directory}: {error.strerror or error}. "
            "Nothing new is listed as a backup, and no earlier backup was changed. Make sure that the bot may read "
            "and write there, then send the command again."
        ) from error


def free_bytes(directory: Path) -> int:
    """Bytes that may still be written below the directory, which need not exist yet; raises OSError."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


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


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a disk that fills up may take a part without an error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def forget_cached(path: Path) -> None:
    """Ask the kernel to drop its copy, so that the next reading comes from the disk (posix_fadvise(2))."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
