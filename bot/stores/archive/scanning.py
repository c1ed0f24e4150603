"""Finds what lies in the archive's directories: backups, damaged ones, and leftovers; the disk is the catalogue.

Must not know who asks; it changes nothing on disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import ArchiveError
from bot.language import later, say
from bot.stores.archive.disk import BackupFiles, disk_errors
from bot.stores.archive.manifest import LARGEST_BYTES, Manifest, parse_manifest
from bot.stores.archive.marks import read_marks
from bot.stores.archive.names import (
    ENTRIES,
    FILE,
    INVENTORY,
    MANIFEST,
    MARKS,
    TAR,
    directory_name,
    is_directory_name,
    is_safe_name,
    safe_name,
)
from bot.stores.archive.reading import Backup

_TRUSTED_SECONDS = 3600.0
"""A manifest that was read so long ago is read again: a disk may have spoiled it, which no time of a file tells."""
_LARGEST_KEPT = 1 << 14
"""Of bytes of a manifest; one with long lists of problems is rare, and read anew each time."""
_ALIKE = (
    "host",
    "engine",
    "volume",
    "actor",
    "quiesce",
    "proof",
    "lost",
    "source",
    "problems",
    "outcome",
    "hooks",
)
_UNSETTLED_SECONDS = 2.0
"""A file that changed so lately may change again without its time telling so."""


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


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A manifest that was read, what its file looked like then, and when that was."""

    backup: Backup
    sign: tuple[int, ...]
    read_at: float
    is_settled: bool

    def is_true(self, sign: tuple[int, ...]) -> bool:
        """Whether a file that looks like that now is the one that was read, not too long ago."""
        return sign == self.sign and time.monotonic() - self.read_at < _TRUSTED_SECONDS


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """The names in a directory of backups, in order."""

    directory: Path
    names: tuple[str, ...]

    def manifests(self, reference: str = "") -> Iterator[BackupFiles]:
        """The files of each backup that has a manifest, perhaps only of those with that in their names."""
        for name in self.names:
            if name.endswith(MANIFEST) and reference in name:
                match = FILE.fullmatch(name)
                if match and match["ending"] == MANIFEST:
                    yield BackupFiles(directory=self.directory, id=match["id"])


class Scanner:
    """Looks at manifests and their files, but not into those. For any thread.

    A manifest never changes once it is written, so it is remembered as long as its file looks the same: looking at
    ten thousand backups costs the names and sizes of their files, and not the reading of ten thousand manifests.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, dict[str, _Known]] = {}

    def scan(self, host: str | None, source: str | None, *, anew: bool = False) -> Iterator[Backup | Damaged]:
        """Every manifest there is; with `anew` each is read, for what removes backups or relies on one."""
        seen = []
        for listing in _listings(self._root, host, source):
            seen.append(listing.directory)
            known = {} if anew else self._known.get(listing.directory, {})
            now: dict[str, _Known] = {}
            like: Manifest | None = None
            for files in listing.manifests():
                found = _look(files, known.get(files.id), like)
                if isinstance(found, _Known):
                    now[files.id], like = found, found.backup.manifest
                    yield found.backup
                elif found is not None:
                    yield found
            self._known[listing.directory] = {name: one for name, one in now.items() if one.is_settled}
        if host is None and source is None:
            self._known = {directory: self._known.get(directory, {}) for directory in seen}

    def named(self, reference: str, host: str | None, source: str | None) -> Iterator[Backup | Damaged]:
        """Those with that id or run id in their names, read anew; no other manifest is looked at."""
        for listing in _listings(self._root, host, source):
            for files in listing.manifests(reference):
                if reference in (files.id, _run_of(files.id)):
                    found = _look(files, None)
                    if found is not None:
                        yield found.backup if isinstance(found, _Known) else found

    def ids(self, host: str | None, source: str | None) -> Iterator[str]:
        """The ids of all that have a manifest, whether or not it can be read."""
        for listing in _listings(self._root, host, source):
            yield from (files.id for files in listing.manifests())


def scan(root: Path, host: str | None, source: str | None) -> Iterator[Backup | Damaged]:
    """Every manifest there is, looked at with its files, but not into them."""
    return Scanner(root).scan(host, source)


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
                    run_id=_run_of(backup_id),
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
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _listings(root: Path, host: str | None, source: str | None) -> Iterator[_Listing]:
    for directory in directories(root, host, source):
        yield _Listing(directory=directory, names=tuple(_names(directory)))


def _run_of(backup_id: str) -> str:
    return backup_id.partition("-")[2]


def _look(files: BackupFiles, known: _Known | None, like: Manifest | None = None) -> _Known | Damaged | None:
    """As it is now; of a manifest whose file is as it was when it was read, only the other files are looked at.

    None for a backup that was removed since its name was read. What a manifest has in common with the one before it,
    which it is `like`, is kept once for both.
    """
    path = f"{files.directory}/{files.id}"
    try:
        status = os.stat(path + MANIFEST)
        if known is None or not known.is_true(_sign(status)):
            known = _known(Backup(manifest=_shared(_read(files), like), files=files), status)
        manifest = known.backup.manifest
        if os.stat(path + TAR).st_size != manifest.stored.bytes:
            raise ValueError(say("{file} is not as long as it should be", file=files.tar.name))
        for ending in (ENTRIES, *([INVENTORY] if manifest.inventory else [])):
            if not os.path.isfile(path + ending):
                raise ValueError(say("{file} is missing", file=files.id + ending))
    except FileNotFoundError as error:
        reason = say("{file} is missing", file=Path(error.filename).name)
    except (ValueError, OSError, ArchiveError) as error:
        reason = str(error)
    else:
        return known
    return None if files.is_gone else Damaged(path=files.manifest, reason=reason)


def _known(backup: Backup, status: os.stat_result) -> _Known:
    is_settled = time.time() - status.st_mtime >= _UNSETTLED_SECONDS and status.st_size <= _LARGEST_KEPT
    return _Known(backup=backup, sign=_sign(status), read_at=time.monotonic(), is_settled=is_settled)


def _sign(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _shared(manifest: Manifest, like: Manifest | None) -> Manifest:
    """The same, with the very objects of the other where they are equal: most backups of a volume are made alike."""
    if like is None:
        return manifest
    alike = {name: getattr(like, name) for name in _ALIKE if getattr(like, name) == getattr(manifest, name)}
    return replace(manifest, **alike)


def _read(files: BackupFiles) -> Manifest:
    with files.manifest.open("rb") as file:
        manifest = parse_manifest(file.read(LARGEST_BYTES + 1).decode())
    place = (files.directory.parent.name, files.directory.name, files.id)
    if (manifest.host, directory_name(manifest.volume.name), manifest.id) != place:
        raise ValueError(say("it belongs to another place"))
    return manifest
