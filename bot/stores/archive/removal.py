"""Takes backups, and what is left of unfinished ones, off the disk, in an order that a crash cannot spoil.

Must not know why.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.language import say
from bot.stores.archive.disk import BackupFiles, disk_errors, part_of, sync_directory


@contextmanager
def held(files: BackupFiles) -> Iterator[None]:
    """Be the only one to change the marks of a backup, or to remove it, in whatever process.

    The manifest itself is locked (flock(2)), so nothing is left behind. Raises FileNotFoundError when there is no
    such backup, also when it went away while we waited.
    """
    descriptor = os.open(files.manifest, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        files.manifest.stat()
        yield
    finally:
        os.close(descriptor)


def remove_draft(files: BackupFiles) -> tuple[Path, ...]:
    """Remove what was never published, or published and then half removed; says what that was.

    Of a backup that has its manifest only half-written marks go. Directories that are empty then go as well.
    """
    with disk_errors(say("Removing the leftovers of {backup}", backup=files.id), files.directory):
        with suppress(FileNotFoundError), held(files):
            return _unlink(files, [part_of(files.marks)])
        removed = _unlink(files, [*files.parts, *files.contents, *files.spools()])
    _remove_empty(files)
    return removed


def remove_backup(files: BackupFiles) -> None:
    """Remove a backup: the manifest first and durably, so that it is whole or a leftover. May be called twice."""
    unchanged = say("Other backups were not changed.")
    with disk_errors(say("Removing backup {backup}", backup=files.id), files.directory, unchanged=unchanged):
        with suppress(FileNotFoundError), held(files):
            _unlink(files, [files.manifest])
        _unlink(files, [*files.parts, *files.contents, *files.spools()])


def _remove_empty(files: BackupFiles) -> None:
    """The directories of the source and of its host, if nothing is in them: rmdir(2) takes no other."""
    with suppress(OSError):
        for directory in (files.directory, files.directory.parent):
            directory.rmdir()


def _unlink(files: BackupFiles, paths: list[Path]) -> tuple[Path, ...]:
    removed: list[Path] = []
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
            removed.append(path)
    if removed:
        with suppress(FileNotFoundError):  # somebody else, who found it empty, has removed it
            sync_directory(files.directory)
    return tuple(removed)
