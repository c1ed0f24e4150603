"""Verify: read a backup again, all of it, and prove that it still is what its manifest says.

Must not know engines: a backup is proven by its bytes alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.operations.context import RunContext
from bot.stores.archive import Archive, Backup


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was read and found to be right."""

    backup: Backup
    entries: int
    raw_bytes: int
    stored_bytes: int


def verify(archive: Archive, run: RunContext, backup: Backup) -> Verified:
    """Check hashes, the tar's structure, each entry against the list; raises ArchiveError on any doubt."""
    manifest = backup.manifest

    def tick(done_bytes: int) -> None:
        run.check()
        run.progress("verifying", done_bytes, manifest.raw.bytes)

    run.check()
    archive.prove(backup, tick)
    return Verified(
        backup=backup,
        entries=manifest.entries.count,
        raw_bytes=manifest.raw.bytes,
        stored_bytes=manifest.stored.bytes,
    )
