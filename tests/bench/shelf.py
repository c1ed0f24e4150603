"""An archive of many backups, each whole: one is made as always, and the others are its files under names of their own.

Must not know what is measured.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.stores.archive import Archive, Backup, BackupFiles, Manifest
from bot.stores.archive.names import directory_name
from tests.support.archives import back_up

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
VOLUMES = 100
_EVERY = timedelta(minutes=53)


class Shelf:
    """Grows at its newer end: backups of a hundred volumes in turn, one by one."""

    def __init__(self, root: Path) -> None:
        self.count = 0
        self._root = root
        mould = Archive(root.with_name(f"{root.name}-mould"), lambda: BEGAN)
        self._mould = back_up(mould, "mould", "00000000", items=4)

    @property
    def now(self) -> datetime:
        """Just after the newest backup."""
        return BEGAN + _EVERY * self.count

    def grow_to(self, count: int) -> None:
        """Until there are so many backups."""
        while self.count < count:
            self._add(self.count)
            self.count += 1

    def _add(self, number: int) -> None:
        at, run_id = BEGAN + _EVERY * number, f"{number * 2_654_435_761 % (1 << 32):08x}"
        manifest = _renamed(self._mould.manifest, f"{at:%Y%m%dT%H%M%SZ}-{run_id}")
        volume = replace(manifest.volume, name=f"volume{number % VOLUMES}")
        made = replace(
            manifest, volume=volume, run_id=run_id, started_at=at, ended_at=at + timedelta(seconds=9)
        )
        files = BackupFiles(directory=self._root / "local" / directory_name(volume.name), id=made.id)
        files.directory.mkdir(parents=True, exist_ok=True)
        _lay(self._mould, files)
        files.manifest.write_text(made.to_json())


def _renamed(manifest: Manifest, backup_id: str) -> Manifest:
    """With the names that the files of that backup have."""

    def named(file: str) -> str:
        return backup_id + file.removeprefix(manifest.id)

    inventory = manifest.inventory
    return replace(
        manifest,
        id=backup_id,
        stored=replace(manifest.stored, file=named(manifest.stored.file)),
        entries=replace(manifest.entries, file=named(manifest.entries.file)),
        inventory=inventory and replace(inventory, file=named(inventory.file)),
    )


def _lay(mould: Backup, files: BackupFiles) -> None:
    for source, target in (
        (mould.files.tar, files.tar),
        (mould.files.entries, files.entries),
        (mould.files.inventory, files.inventory),
    ):
        target.write_bytes(source.read_bytes())
