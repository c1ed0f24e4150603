"""The archive: volumes' bytes on disk; the manifest beside them is written last and is the backup.

Must not know engines, runs, Slack or the database.
"""

from bot.stores.archive.catalogue import Archive, Damaged
from bot.stores.archive.disk import BackupFiles
from bot.stores.archive.draft import Draft, Sealed
from bot.stores.archive.manifest import (
    Content,
    EngineFacts,
    EntriesFile,
    Manifest,
    QuiesceFacts,
    StoredFile,
    VolumeFacts,
)
from bot.stores.archive.reading import Backup, Tick

__all__ = [
    "Archive",
    "Backup",
    "BackupFiles",
    "Content",
    "Damaged",
    "Draft",
    "EngineFacts",
    "EntriesFile",
    "Manifest",
    "QuiesceFacts",
    "Sealed",
    "StoredFile",
    "Tick",
    "VolumeFacts",
]
