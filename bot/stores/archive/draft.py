"""A backup while it is being written: takes tar bytes and entries, proves what the disk kept, publishes.

Must not know where the bytes come from. Without `publish` there is never a backup.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import zstandard

from bot.entry import Entry
from bot.errors import ArchiveError
from bot.stores.archive.disk import (
    BackupFiles,
    create_file,
    disk_errors,
    forget_cached,
    make_directory,
    part_of,
    sync_directory,
    write_all,
)
from bot.stores.archive.manifest import Content, EntriesFile, Manifest, StoredFile
from bot.stores.archive.reading import Backup, Tick, decompress, read_raw

LEVEL = 3


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


class _CompressedFile:
    """One file that is compressed, counted and hashed on its way to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw_bytes = self.stored_bytes = 0
        self._raw, self._stored = hashlib.sha256(), hashlib.sha256()
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        self._descriptor: int | None = create_file(path)

    def write(self, data: bytes) -> None:
        self._raw.update(data)
        self.raw_bytes += len(data)
        self._store(self._zstd.compress(data))

    def finish(self) -> None:
        self._store(self._zstd.flush())
        if self._descriptor is not None:
            os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def raw(self) -> Content:
        return Content(bytes=self.raw_bytes, sha256=self._raw.hexdigest())

    def stored(self) -> Content:
        return Content(bytes=self.stored_bytes, sha256=self._stored.hexdigest())

    def _store(self, data: bytes) -> None:
        if data and self._descriptor is not None:
            write_all(self._descriptor, data)
            self._stored.update(data)
            self.stored_bytes += len(data)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a draft is of, and since when."""

    host: str
    volume: str
    run_id: str
    started_at: datetime


class Draft:
    """Makes its files when entered and lets go of them when left; leaving removes nothing.

    Call `write` and `entry` as the tar goes by, then `seal`, then `publish`. `discard` removes what is there.
    """

    def __init__(self, files: BackupFiles, beginning: Beginning, clock: Callable[[], datetime]) -> None:
        self.files = files
        self.entries = 0
        self._beginning = beginning
        self._clock = clock
        self._tar: _CompressedFile | None = None
        self._list: _CompressedFile | None = None
        self._sealed: Sealed | None = None

    @property
    def id(self) -> str:
        """What the backup will be called."""
        return self.files.id

    @property
    def part_paths(self) -> tuple[Path, ...]:
        """The files that may exist before `publish`."""
        return self.files.parts

    @property
    def raw_bytes(self) -> int:
        """Bytes of tar taken so far."""
        return self._tar.raw_bytes if self._tar else 0

    def __enter__(self) -> Draft:
        with disk_errors(f"Starting backup {self.id}", self.files.directory):
            make_directory(self.files.directory)
            self._tar = _CompressedFile(part_of(self.files.tar))
            self._list = _CompressedFile(part_of(self.files.entries))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, data: bytes) -> None:
        """Take the next bytes of the tar; raises ArchiveError when the disk does not take them."""
        file = self._open(self._tar)
        with disk_errors(f"Writing backup {self.id}", self.files.directory, file.stored_bytes):
            file.write(data)

    def entry(self, entry: Entry) -> None:
        """Put an entry on the list; raises ArchiveError when the disk does not take it."""
        file = self._open(self._list)
        self.entries += 1
        with disk_errors(f"Writing backup {self.id}", self.files.directory, file.stored_bytes):
            file.write(entry.to_line().encode("ascii"))

    def seal(self, tick: Tick = lambda _: None) -> Sealed:
        """Finish and sync both files, then read them back from the disk and compare.

        Raises ArchiveError when what the disk gives back is not what was written.
        """
        tar, entries = self._open(self._tar), self._open(self._list)
        with disk_errors(f"Writing backup {self.id}", self.files.directory, tar.stored_bytes):
            tar.finish()
            entries.finish()
            forget_cached(tar.path)
            forget_cached(entries.path)
        done = 0
        for chunk in read_raw(tar.path, tar.stored().sha256, tar.raw()):
            done += len(chunk)
            tick(done)
        for _ in decompress(entries.path, entries.stored().sha256):
            tick(done)
        self._sealed = self._facts(tar, entries)
        return self._sealed

    def publish(self, manifest: Manifest) -> Backup:
        """Give the files their names and write the manifest, durably; only now the backup exists.

        Raises ArchiveError when the manifest is not of this draft or the disk fails; then there is no backup.
        """
        if self._sealed is None or not _describes(manifest, self._sealed):
            raise ArchiveError(f"The manifest is not that of backup {self.id}. Nothing was published.")
        with disk_errors(f"Publishing backup {self.id}", self.files.directory, self._sealed.stored.bytes):
            for path in (self.files.tar, self.files.entries):
                part_of(path).rename(path)
            sync_directory(self.files.directory)
            try:
                self._write_manifest(manifest.to_json().encode())
            except OSError:
                self.files.manifest.unlink(missing_ok=True)
                raise
        return Backup(manifest=manifest, files=self.files)

    def discard(self) -> None:
        """Remove every file of the draft, unless it was published. May be called twice."""
        self._close()
        remove_draft(self.files)

    def _write_manifest(self, text: bytes) -> None:
        part = part_of(self.files.manifest)
        descriptor = create_file(part)
        try:
            write_all(descriptor, text)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(self.files.manifest)
        sync_directory(self.files.directory)

    def _facts(self, tar: _CompressedFile, entries: _CompressedFile) -> Sealed:
        began, stored = self._beginning, tar.stored()
        return Sealed(
            id=self.id,
            host=began.host,
            volume=began.volume,
            run_id=began.run_id,
            started_at=began.started_at,
            ended_at=self._clock(),
            raw=tar.raw(),
            stored=StoredFile(bytes=stored.bytes, sha256=stored.sha256, file=self.files.tar.name),
            entries=EntriesFile(
                count=self.entries, file=self.files.entries.name, sha256=entries.stored().sha256
            ),
        )

    def _close(self) -> None:
        for file in (self._tar, self._list):
            if file is not None:
                file.close()

    def _open(self, file: _CompressedFile | None) -> _CompressedFile:
        if file is None or self._sealed is not None:
            raise ArchiveError(f"Backup {self.id} takes no more data. Nothing was changed.")
        return file


def remove_draft(files: BackupFiles) -> tuple[Path, ...]:
    """Remove what was never published and say what that was; nothing at all when there is a manifest."""
    removed: list[Path] = []
    with disk_errors(f"Removing the leftovers of {files.id}", files.directory):
        if files.manifest.exists():
            return ()
        for path in (*files.parts, files.tar, files.entries):
            if path.exists():
                path.unlink()
                removed.append(path)
        if removed:
            sync_directory(files.directory)
    return tuple(removed)


def _describes(manifest: Manifest, sealed: Sealed) -> bool:
    mine = (sealed.id, sealed.host, sealed.volume, sealed.raw, sealed.stored, sealed.entries)
    return mine == (
        manifest.id,
        manifest.host,
        manifest.volume.name,
        manifest.raw,
        manifest.stored,
        manifest.entries,
    )
