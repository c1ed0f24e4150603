"""What a draft turned out to hold, once the disk has given it back. Must not know how it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.stores.archive.facts import Content, EntriesFile, StoredFile
from bot.stores.archive.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a draft holds, read back from the disk; the manifest is made from it."""

    id: str
    host: str
    volume: str
    run_id: str
    started_at: datetime
    ended_at: datetime
    raw: Content
    stored: StoredFile
    entries: EntriesFile
    inventory: EntriesFile | None = None

    def is_described_by(self, manifest: Manifest) -> bool:
        """Whether the manifest says of the files, and of where they belong, what is true."""
        mine = (self.id, self.host, self.volume, self.raw, self.stored, self.entries, self.inventory)
        return mine == (
            manifest.id,
            manifest.host,
            manifest.volume.name,
            manifest.raw,
            manifest.stored,
            manifest.entries,
            manifest.inventory,
        )
