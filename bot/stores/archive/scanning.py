"""Finds what lies in the archive's directories: backups, damaged ones, and leftovers; the disk is the catalogue.

Must not know who asks; it changes nothing on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ArchiveError
from bot.language import later, say
from bot.stores.archive.disk import BackupFiles, disk_errors
from bot.stores.archive.manifest import LARGEST_BYTES, parse_manifest
from bot.stores.archive.marks import read_marks
from bot.stores.archive.names import (
    FILE,
    MANIFEST,
    MARKS,
    directory_name,
    is_directory_name,
    is_safe_name,
    safe_name,
)
from bot.stores.archive.reading import Backup


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A manifest, or marks, that cannot be trusted, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Files that no backup needs: of a run that did not end well, of a removal, or of marks half written."""

    files: BackupFiles
    run_id: str
    paths: tuple[Path, ...]


def files_of(root: Path, host: str, source: str, backup_id: str) -> BackupFiles:
    """Where a backup's files belong; raises ArchiveError for names that lead elsewhere."""
    directory = root / safe_name(later("host"), host) / directory_name(source)
    return BackupFiles(directory=directory, id=safe_name(later("backup"), backup_id))


def directories(root: Path, host: str | None, source: str | None) -> Iterator[Path]:
    """Those of hosts and sources; `lost+found` and the like, which may be closed to us, are neither."""
    hosts = list(filter(is_safe_name, _names(root))) if host is None else [safe_name(later("host"), host)]
    wanted = None if source is None else [directory_name(source)]
    for host_name in hosts:
        place = root / host_name
        names = filter(is_directory_name, _names(place)) if wanted is None else wanted
        yield from (place / name for name in names if (place / name).is_dir())


def scan(root: Path, host: str | None, source: str | None) -> Iterator[Backup | Damaged]:
    """Every manifest there is, looked at with its files, but not into them."""
    for directory in directories(root, host, source):
        for name in _names(directory):
            match = FILE.fullmatch(name)
            if match and match["ending"] == MANIFEST and not match["part"]:
                yield _read(BackupFiles(directory=directory, id=match["id"]))


def damaged_marks(backup: Backup) -> Damaged | None:
    """What is wrong with the marks of a backup, if anything is."""
    reason = read_marks(backup.files).unreadable
    return Damaged(path=backup.files.marks, reason=reason) if reason else None


def leftovers(root: Path) -> Iterator[Leftovers]:
    """Every file of ours that no backup needs, by backup id. Files with names of another kind are never ours."""
    for directory in directories(root, None, None):
        found: dict[str, list[str]] = {}
        for name in _names(directory):
            if match := FILE.fullmatch(name):
                found.setdefault(match["id"], []).append(name)
        for backup_id, names in sorted(found.items()):
            if left := _needless(names, backup_id):
                yield Leftovers(
                    files=BackupFiles(directory=directory, id=backup_id),
                    run_id=backup_id.partition("-")[2],
                    paths=tuple(directory / name for name in left),
                )


def _needless(names: list[str], backup_id: str) -> list[str]:
    if backup_id + MANIFEST not in names:
        return names
    # Of a backup that was published only its marks are ever written again.
    return [name for name in names if name.startswith(backup_id + MARKS) and name != backup_id + MARKS]


def _names(directory: Path) -> list[str]:
    with disk_errors(say("Reading the archive"), directory):
        try:
            return sorted(path.name for path in directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def _read(files: BackupFiles) -> Backup | Damaged:
    try:
        with files.manifest.open("rb") as file:
            manifest = parse_manifest(file.read(LARGEST_BYTES + 1).decode())
        place = (files.directory.parent.name, files.directory.name, files.id)
        if (manifest.host, directory_name(manifest.volume.name), manifest.id) != place:
            raise ValueError(say("it belongs to another place"))
        if files.tar.stat().st_size != manifest.stored.bytes:
            raise ValueError(say("{file} is not as long as it should be", file=files.tar.name))
        for path in (files.entries, *([files.inventory] if manifest.inventory else [])):
            if not path.is_file():
                raise ValueError(say("{file} is missing", file=path.name))
    except FileNotFoundError as error:
        return Damaged(path=files.manifest, reason=say("{file} is missing", file=Path(error.filename).name))
    except (ValueError, OSError, ArchiveError) as error:
        return Damaged(path=files.manifest, reason=str(error))
    return Backup(manifest=manifest, files=files)
