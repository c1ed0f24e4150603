"""Keeps the backup of what a run replaced for as long as `undo` may ask it back.

Must not know what replaces what.
"""

from __future__ import annotations

from bot.operations.context import DISCARD_DRAFT, RunContext
from bot.operations.holds import held
from bot.operations.replaceplan import UNDO_FOR
from bot.stores.archive import Archive, Backup, Hold


def hold_for_undo(archive: Archive, run: RunContext, backup: Backup, by: str, note: str) -> None:
    """Hold it; `by` is the command's name, and the note says of what it is. Raises ArchiveError."""
    at = backup.manifest.ended_at
    hold = Hold(by=f"{by} {run.run_id}", at=at, note=note, until=at + UNDO_FOR)
    where = {"host": backup.host, "volume": backup.volume, "backup": backup.id}
    with run.undoable(DISCARD_DRAFT, **where):  # of a published backup only half-written marks go
        archive.mark(backup, lambda marks: held(marks, hold))
