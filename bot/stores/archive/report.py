"""The archive at a glance: what is there, what is damaged, what is left over, told from the disk alone.

Must not know the database nor the runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.language import say
from bot.stores.archive.marks import read_marks
from bot.stores.archive.reading import Backup
from bot.stores.archive.scanning import Damaged, damaged_marks, leftovers, scan


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """One source's backups. `newest_at` is the start of the newest one, UTC; sizes are as stored."""

    host: str
    source: str
    backups: int
    partial: int
    held: int
    stored_bytes: int
    largest_bytes: int
    """What the largest of them takes."""
    newest_at: datetime


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found. `damaged` holds also what was found bad since it was made.

    `leftovers` are files that belong to no backup; runs at work have such files too.
    """

    sources: tuple[SourceReport, ...]
    damaged: tuple[Damaged, ...]
    leftovers: tuple[Path, ...]

    @property
    def backups(self) -> int:
        """Backups that hold together at a glance, partial ones included."""
        return sum(source.backups for source in self.sources)

    @property
    def partial(self) -> int:
        """How many of them are partial."""
        return sum(source.partial for source in self.sources)

    @property
    def stored_bytes(self) -> int:
        """What the tars of all of them take."""
        return sum(source.stored_bytes for source in self.sources)

    @property
    def largest_bytes(self) -> int:
        """What the tar of the largest takes."""
        return max((source.largest_bytes for source in self.sources), default=0)


def report(root: Path, now: datetime) -> Report:
    """Read every manifest and all marks, and look at every name; raises ArchiveError when the disk cannot be read."""
    damaged: list[Damaged] = []
    sources: dict[tuple[str, str], list[Backup]] = {}
    for found in scan(root, None, None):
        if isinstance(found, Damaged):
            damaged.append(found)
            continue
        sources.setdefault((found.host, found.volume), []).append(found)
        if wrong := damaged_marks(found):
            damaged.append(wrong)
        marks = read_marks(found.files)
        if marks.failed_at is not None:
            why = say(
                "found bad at {time:%Y-%m-%d %H:%M} UTC: {reason}",
                time=marks.failed_at,
                reason=marks.failure,
            )
            damaged.append(Damaged(path=found.files.manifest, reason=why))
    return Report(
        sources=tuple(_source(backups, now) for _, backups in sorted(sources.items())),
        damaged=tuple(damaged),
        leftovers=tuple(path for found in leftovers(root) for path in found.paths),
    )


def _source(backups: list[Backup], now: datetime) -> SourceReport:
    return SourceReport(
        host=backups[0].host,
        source=backups[0].volume,
        backups=len(backups),
        partial=sum(not backup.is_ok for backup in backups),
        held=sum(read_marks(backup.files).is_held(now) for backup in backups),
        stored_bytes=sum(backup.manifest.stored.bytes for backup in backups),
        largest_bytes=max(backup.manifest.stored.bytes for backup in backups),
        newest_at=max(backup.manifest.started_at for backup in backups),
    )
