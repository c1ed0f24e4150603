"""Verify: read a backup again, and prove that it still is what its manifest says; what came of it is remembered.

Must not know engines: a backup is proven by its bytes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.errors import ArchiveError
from bot.language import say, say_count
from bot.operations.context import RunContext
from bot.operations.holds import failed, is_verified, tried, verified
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup, Marks


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was read and found to be right; `marks` are those of the backup now."""

    backup: Backup
    marks: Marks
    entries: int
    raw_bytes: int
    stored_bytes: int


def _now() -> datetime:
    return datetime.now(UTC)


def verify(
    archive: Archive, run: RunContext, backup: Backup, clock: Callable[[], datetime] = _now
) -> Verified:
    """Check hashes, the tar's structure, each entry against the list.

    Raises ArchiveError on any doubt. A damaged backup (reason `damaged`) is marked so, and does not count until it
    verifies again; a disk that could not be read says nothing of the backup, so only that it was tried is noted.
    """
    manifest = backup.manifest

    def tick(done_bytes: int) -> None:
        run.check()
        run.progress(say("verifying"), done_bytes, manifest.raw.bytes)

    run.check()
    _mark_tried(archive, backup, clock())
    try:
        archive.prove(backup, tick)
    except ArchiveError as error:
        if error.reason is Reason.DAMAGED:
            _mark_failed(archive, backup, clock(), error)
        raise
    marks = archive.mark(backup, lambda marks: verified(marks, clock()))
    return Verified(
        backup=backup,
        marks=marks,
        entries=manifest.entries.count,
        raw_bytes=manifest.raw.bytes,
        stored_bytes=manifest.stored.bytes,
    )


def _mark_tried(archive: Archive, backup: Backup, at: datetime) -> None:
    """It only says whose turn is next: not worth an error, nor marks that nobody can read just now."""
    with suppress(ArchiveError):
        if not archive.marks(backup).unreadable:
            archive.mark(backup, lambda marks: tried(marks, at))


def _mark_failed(archive: Archive, backup: Backup, at: datetime, error: ArchiveError) -> None:
    """What was found out must be told even if it cannot be written down."""
    why = str(error)
    try:
        archive.mark(backup, lambda marks: failed(marks, at, why))
    except ArchiveError as problem:
        error.add_note(say("And that it is damaged could not be written beside it: {reason}", reason=problem))


def doubts(backup: Backup, marks: Marks) -> Iterator[str]:
    """Why it does not count, although it is whole."""
    if not backup.is_ok:
        yield say_count(
            "It stays partial: 1 file was not read as it should be when it was taken, so it counts for nothing in "
            "retention.",
            "It stays partial: {number} files were not read as they should be when it was taken, so it counts for "
            "nothing in retention.",
            backup.manifest.problems.count,
        )
    elif not is_verified(backup, marks):
        yield say(
            "It still does not count as a backup to rely on ({failure}); a drill that passes changes that.",
            failure=marks.failure,
        )
