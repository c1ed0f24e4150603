"""Whether the archive can be written to, and how much room it has, found out by really writing.

Must not know backups.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bot.language import later, say
from bot.stores.archive.disk import disk_errors, sync_directory, write_all

_NAME = ".shipkeeper-probe"
"""Not a name that anything in the archive has; always the same, so that a crash leaves one at most."""
_BYTES = 4096
_NOTHING = later("Nothing was changed.")


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where it was written, and how many bytes are free and there are in all; `directory` may be above the archive."""

    directory: Path
    free_bytes: int
    total_bytes: int

    @property
    def free_percent(self) -> float:
        """Of all."""
        return 100 * self.free_bytes / self.total_bytes if self.total_bytes else 0.0


def probe(root: Path) -> Room:
    """Write a small file, make it durable, and remove it; raises ArchiveError.

    Before the first backup there is no directory yet: then where it will be made.
    """
    directory = root
    with disk_errors(say("Writing to the archive"), root, unchanged=_NOTHING):
        while not directory.exists() and directory != directory.parent:
            directory = directory.parent
        path = directory / _NAME
        try:
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                write_all(descriptor, bytes(_BYTES))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        finally:
            path.unlink(missing_ok=True)
        sync_directory(directory)
        found = os.statvfs(directory)
    return Room(
        directory=directory,
        free_bytes=found.f_bavail * found.f_frsize,
        total_bytes=found.f_blocks * found.f_frsize,
    )
