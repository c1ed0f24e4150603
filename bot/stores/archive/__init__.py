"""The archive: backups' bytes on disk; the manifest beside them is written last and is the backup.

Must not know engines, runs, Slack or the database.
"""

from bot.stores.archive.catalogue import Archive
from bot.stores.archive.disk import BackupFiles
from bot.stores.archive.draft import Draft
from bot.stores.archive.facts import (
    Content,
    DumpFacts,
    EngineFacts,
    EntriesFile,
    HookFacts,
    Problem,
    Problems,
    QuiesceFacts,
    SourceFacts,
    StoredFile,
    VolumeFacts,
)
from bot.stores.archive.manifest import (
    LOST,
    OUTCOME_OK,
    OUTCOME_PARTIAL,
    PROOF,
    PROOF_INVENTORY,
    PROOF_READ_TWICE,
    SAFETY,
    SNAPSHOT,
    Manifest,
)
from bot.stores.archive.marks import Hold, Marks
from bot.stores.archive.probing import Room
from bot.stores.archive.reading import Backup, Tick
from bot.stores.archive.report import Report, SourceReport
from bot.stores.archive.scanning import Damaged
from bot.stores.archive.sealed import Sealed
from bot.stores.archive.writing import Spool

__all__ = [
    "LOST",
    "OUTCOME_OK",
    "OUTCOME_PARTIAL",
    "PROOF",
    "PROOF_INVENTORY",
    "PROOF_READ_TWICE",
    "SAFETY",
    "SNAPSHOT",
    "Archive",
    "Backup",
    "BackupFiles",
    "Content",
    "Damaged",
    "Draft",
    "DumpFacts",
    "EngineFacts",
    "EntriesFile",
    "Hold",
    "HookFacts",
    "Manifest",
    "Marks",
    "Problem",
    "Problems",
    "QuiesceFacts",
    "Report",
    "Room",
    "Sealed",
    "SourceFacts",
    "SourceReport",
    "Spool",
    "StoredFile",
    "Tick",
    "VolumeFacts",
]
