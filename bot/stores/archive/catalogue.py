"""The archive: the directory is the catalogue, so losing the database loses no backup.

Must not know engines, runs or people.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.entry import Entry
from bot.errors import ArchiveError, Conflict, NotFound
from bot.stores.archive.disk import (
    ENTRIES,
    MANIFEST,
    PART,
    TAR,
    BackupFiles,
    disk_errors,
    free_bytes,
    is_safe_name,
    safe_name,
)
from bot.stores.archive.draft import Beginning, Draft, remove_draft
from bot.stores.archive.manifest import parse_manifest
from bot.stores.archive.reading import Backup, Tick, prove, read_entries, read_raw

_ID = r"[0-9]{8}T[0-9]{6}Z-(?P<run>[A-Za-z0-9][A-Za-z0-9_.-]*)"
_FILE = re.compile(
    rf"(?P<id>{_ID}?)({re.escape(TAR)}|{re.escape(ENTRIES)}|{re.escape(MANIFEST)})({re.escape(PART)})?"
)
_LARGEST_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A manifest that cannot be trusted, and why."""

    path: Path
    reason: str


class Archive:
    """Backups as `<root>/<host>/<volume>/<time>-<run id>.tar.zst`, each with its list and its manifest."""

    def __init__(self, root: Path, clock: Callable[[], datetime]) -> None:
        self.root = root
        self._clock = clock

    def begin(self, host: str, volume: str, run_id: str) -> Draft:
        """A draft with its id; no file is made before it is entered. Raises ArchiveError for unsafe names."""
        now = self._clock().astimezone(UTC)
        backup_id = f"{now:%Y%m%dT%H%M%SZ}-{safe_name('run', run_id)}"
        beginning = Beginning(host=host, volume=volume, run_id=run_id, started_at=now)
        return Draft(self._files(host, volume, backup_id), beginning, self._clock)

    def discard(self, host: str, volume: str, backup_id: str) -> None:
        """Remove a draft that was never published; a published backup stays. May be called twice."""
        remove_draft(self._files(host, volume, backup_id))

    def backups(self, host: str | None = None, volume: str | None = None) -> tuple[Backup, ...]:
        """Every whole backup, newest first; damaged ones are left to `damaged`."""
        found = (item for item in self._scan(host, volume) if isinstance(item, Backup))
        return tuple(sorted(found, key=lambda item: (item.manifest.started_at, item.id), reverse=True))

    def damaged(self, host: str | None = None, volume: str | None = None) -> tuple[Damaged, ...]:
        """Every manifest that does not hold together with its files at a glance (content is for `prove`)."""
        return tuple(item for item in self._scan(host, volume) if isinstance(item, Damaged))

    def find(self, reference: str, host: str | None = None, volume: str | None = None) -> Backup:
        """The backup with that id or run id; raises NotFound (with the nearest) or Conflict (several fit)."""
        items = tuple(self._scan(host, volume))
        backups = [item for item in items if isinstance(item, Backup)]
        fitting = [item for item in backups if reference in (item.id, item.manifest.run_id)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            places = ", ".join(f"{item.id} of {item.volume} on {item.host}" for item in fitting)
            raise Conflict(f"“{reference}” could be any of {places}. Nothing was changed. Name it in full.")
        for item in items:
            if isinstance(item, Damaged) and _named(item.path, reference):
                raise ArchiveError(
                    f"Backup {reference} is damaged: {item.reason}. Nothing was changed. Look at the archive's disk."
                )
        raise NotFound(f"There is no backup {reference}. Nothing was changed.{_nearest(reference, backups)}")

    def open(self, backup: Backup) -> Iterator[bytes]:
        """The tar in chunks; raises ArchiveError, at the end, when the bytes are not those recorded."""
        return read_raw(backup.files.tar, backup.manifest.stored.sha256, backup.manifest.raw)

    def entries(self, backup: Backup) -> Iterator[Entry]:
        """Every entry in the tar's order; raises ArchiveError, at the latest at the end, when damaged."""
        return read_entries(backup)

    def prove(self, backup: Backup, tick: Tick) -> None:
        """Re-read everything and compare; raises ArchiveError with what differs."""
        prove(backup, tick)

    def sweep(self, is_over: Callable[[str], bool]) -> tuple[Path, ...]:
        """Remove what runs that are over left without a manifest; says what was removed.

        `is_over` is asked with each leftover's run id. Files with names of another kind always stay.
        """
        leftovers = set()
        for directory in self._directories(None, None):
            for name in _names(directory):
                match = _FILE.fullmatch(name)
                if match and is_over(match["run"]):
                    leftovers.add((directory, match["id"]))
        removed: list[Path] = []
        for directory, backup_id in sorted(leftovers):
            removed += remove_draft(BackupFiles(directory=directory, id=backup_id))
        return tuple(removed)

    def free_bytes(self) -> int:
        """Bytes that may still be written; raises ArchiveError when the disk does not say."""
        with disk_errors("Looking for free space", self.root):
            return free_bytes(self.root)

    def _files(self, host: str, volume: str, backup_id: str) -> BackupFiles:
        directory = self.root / safe_name("host", host) / safe_name("volume", volume)
        return BackupFiles(directory=directory, id=safe_name("backup", backup_id))

    def _directories(self, host: str | None, volume: str | None) -> Iterator[Path]:
        """Those of hosts and volumes; `lost+found` and the like, which may be closed to us, are neither."""
        hosts = _safe_names(self.root) if host is None else [safe_name("host", host)]
        for host_name in hosts:
            place = self.root / host_name
            volumes = _safe_names(place) if volume is None else [safe_name("volume", volume)]
            yield from (place / name for name in volumes if (place / name).is_dir())

    def _scan(self, host: str | None, volume: str | None) -> Iterator[Backup | Damaged]:
        for directory in self._directories(host, volume):
            for name in _names(directory):
                match = _FILE.fullmatch(name)
                if match and name.endswith(MANIFEST):
                    yield _read(BackupFiles(directory=directory, id=match["id"]))


def _names(directory: Path) -> list[str]:
    with disk_errors("Reading the archive", directory):
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def _safe_names(directory: Path) -> list[str]:
    return [name for name in _names(directory) if is_safe_name(name)]


def _read(files: BackupFiles) -> Backup | Damaged:
    try:
        with files.manifest.open("rb") as file:
            manifest = parse_manifest(file.read(_LARGEST_MANIFEST_BYTES).decode())
        place = (files.directory.parent.name, files.directory.name, files.id)
        if (manifest.host, manifest.volume.name, manifest.id) != place:
            raise ValueError("it belongs to another place")
        if files.tar.stat().st_size != manifest.stored.bytes:
            raise ValueError(f"{files.tar.name} is not as long as it should be")
        if not files.entries.is_file():
            raise ValueError(f"{files.entries.name} is missing")
    except FileNotFoundError as error:
        return Damaged(path=files.manifest, reason=f"{Path(error.filename).name} is missing")
    except (ValueError, OSError) as error:
        return Damaged(path=files.manifest, reason=str(error))
    return Backup(manifest=manifest, files=files)


def _named(path: Path, reference: str) -> bool:
    match = _FILE.fullmatch(path.name)
    return match is not None and reference in (match["id"], match["run"])


def _nearest(reference: str, backups: list[Backup]) -> str:
    names = [name for item in backups for name in (item.manifest.run_id, item.id)]
    near = difflib.get_close_matches(reference, names, n=3, cutoff=0.5)
    return f" The nearest are: {', '.join(near)}." if near else " `backups` lists them."
