"""What is said of the backups in the archive: a row for each, and which files there are not to be relied on.

Words only: must not know who asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.language import say
from bot.model import Table, Value
from bot.operations.holds import standing, verified_at
from bot.stores.archive import Archive, Backup, Damaged

_SHOWN = 3
_COLUMNS = (
    "backup",
    "volume",
    "host",
    "taken_at",
    "raw_bytes",
    "stored_bytes",
    "outcome",
    "verified_at",
    "proven_restorable_at",
    "held",
    "by",
)


def table(backups: Sequence[Backup], archive: Archive, now: datetime) -> Table | None:
    """These as rows; None for none."""
    rows = tuple(_row(backup, archive, now) for backup in backups)
    return Table(columns=_COLUMNS, rows=rows) if rows else None


def but(damaged: Sequence[Damaged]) -> str:
    """What does not count, behind a sentence that counts; empty for none."""
    if not damaged:
        return ""
    files = "; ".join(f"{item.path.name}: {item.reason}" for item in damaged[:_SHOWN])
    return " " + say("{count} damaged and not counted: {files}.", count=len(damaged), files=files)


def _row(backup: Backup, archive: Archive, now: datetime) -> tuple[Value, ...]:
    manifest, marks = backup.manifest, archive.marks(backup)
    read_back = verified_at(backup, marks)
    return (
        manifest.run_id,
        backup.volume,
        backup.host,
        manifest.started_at.isoformat(),
        manifest.raw.bytes,
        manifest.stored.bytes,
        standing(backup, marks),
        read_back.isoformat() if read_back else None,
        marks.drilled_at.isoformat() if marks.drilled_at else None,
        marks.is_held(now),
        manifest.actor.name,
    )
