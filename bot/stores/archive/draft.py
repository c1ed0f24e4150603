"""A backup while it is being written: takes tar bytes, entries and items, proves what the disk kept, publishes.

Must not know where the bytes come from. Without `publish` there is never a backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bot.entry import Entry, Item
from bot.errors import ArchiveError
from bot.language import say
from bot.overlap import Behind
from bot.stores.archive.disk import (
    BackupFiles,
    disk_errors,
    make_directory,
    part_of,
    sync_directory,
    write_whole,
)
from bot.stores.archive.facts import EntriesFile, StoredFile
from bot.stores.archive.manifest import Manifest, readable_json
from bot.stores.archive.reading import Backup, Tick, read_back
from bot.stores.archive.removal import remove_draft
from bot.stores.archive.sealed import Sealed
from bot.stores.archive.writing import CompressedFile, Lines, Spool, TarFile

_TRIES = 20
_TICK_SECONDS = 0.1
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a draft is of, and since when."""

    host: str
    volume: str
    run_id: str
    started_at: datetime


class Draft:
    """Makes its files when entered and lets go of them when left; leaving removes nothing.

    Call `write` and `entry` as the tar goes by, `item` as the walk does, then `seal`, then `publish`. `discard`
    removes what is there.
    """

    def __init__(self, files: BackupFiles, beginning: Beginning, clock: Callable[[], datetime]) -> None:
        self.files = files
        self._beginning = beginning
        self._clock = clock
        self._tar: TarFile | None = None
        self._entries = Lines(part_of(files.entries))
        self._items = Lines(part_of(files.inventory))
        self._spools: list[Spool] = []
        self._sealing: Behind[TarFile] | None = None
        self._sealed: Sealed | None = None
        self._read_back_bytes = 0
        self._is_left = False

    @property
    def id(self) -> str:
        """What the backup will be called."""
        return self.files.id

    @property
    def part_paths(self) -> tuple[Path, ...]:
        """The files that may exist before `publish`."""
        return (*self.files.parts, *(spool.path for spool in self._spools))

    @property
    def raw_bytes(self) -> int:
        """Bytes of tar taken so far."""
        return self._tar.raw_bytes if self._tar else 0

    @property
    def entries(self) -> int:
        """Entries taken so far."""
        return self._entries.count

    def __enter__(self) -> Draft:
        try:
            with disk_errors(say("Starting backup {backup}", backup=self.id), self.files.directory):
                self._tar = self._begun()
                self._entries.start()
        except BaseException:  # nobody leaves what was never entered
            self._close()
            raise
        return self

    def _begun(self) -> TarFile:
        """The first file. A run that ends takes empty directories away, perhaps between our making one and this."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                make_directory(self.files.directory)
                return TarFile(part_of(self.files.tar))
        return TarFile(part_of(self.files.tar))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, data: bytes) -> None:
        """Take the next bytes of the tar; raises ArchiveError when the disk does not take them."""
        tar = self._open_tar()
        with self._writing(tar):
            tar.write(data)

    def entry(self, entry: Entry) -> None:
        """Put an entry on the list; raises ArchiveError when the disk does not take it."""
        self._add(self._entries, entry.to_line())

    def item(self, item: Item) -> None:
        """Put what a walk found on the inventory; raises ArchiveError when the disk does not take it."""
        self._add(self._items, item.to_line())

    def entries_so_far(self) -> Iterator[Entry]:
        """The entries until now, read from the disk, as often as wanted until the draft is left or published.

        Raises ArchiveError, at the end, when the disk does not give back what was written.
        """
        return self._so_far(self._entries, Entry.from_line)

    def items(self) -> Iterator[Item]:
        """The items until now, as `entries_so_far`."""
        return self._so_far(self._items, Item.from_line)

    def spool(self, name: str) -> Spool:
        """A temporary file beside the draft: `name` is short, lower case, and used once a draft.

        It goes away with `publish`, `discard` or the sweep. Raises ArchiveError when the disk does not take it.
        """
        self._open_tar()
        spool = Spool(self.files.spool(name))
        self._spools.append(spool)
        return spool

    def begin_sealing(self) -> Behind[TarFile]:
        """All is in it: finish and sync its files, and read them back, behind whoever has something else to do.

        What goes wrong there `seal` raises. Raises ArchiveError when the disk does not take the lists.
        """
        tar = self._open_tar()
        with self._writing(tar):
            for lines in (self._entries, self._items):
                lines.finish()
        self._sealing = Behind(self._finish_and_read_back, name=f"sealing {self.id}")
        self._sealing.put(tar)
        return self._sealing

    def seal(self, tick: Tick = lambda _: None) -> Sealed:
        """Finish and sync all files, then read them back from the disk and compare.

        Raises ArchiveError when what the disk gives back is not what was written.
        """
        sealing = self._sealing or self.begin_sealing()
        while not sealing.finished(_TICK_SECONDS):
            tick(self._read_back_bytes)
        sealing.finish()
        tick(self._read_back_bytes)
        if self._sealed is None:
            raise self._never_begun()
        self._sealed = replace(self._sealed, ended_at=self._clock())  # whoever sealed early went on reading
        return self._sealed

    def _finish_and_read_back(self, tar: TarFile) -> None:
        with self._writing(tar):
            tar.finish()
        lists = [lines.file for lines in (self._entries, self._items) if lines.file is not None]
        files: list[TarFile | CompressedFile] = [tar, *lists]
        for file in files:
            for chunk in read_back(file.path, file.stored(), file.raw_bytes):
                if self._is_left:
                    return
                self._read_back_bytes += len(chunk)
        self._sealed = self._facts(tar)

    def _never_begun(self) -> ArchiveError:
        return ArchiveError(say("Backup {backup} was never begun. Nothing was changed.", backup=self.id))

    def publish(self, manifest: Manifest) -> Backup:
        """Give the files their names and write the manifest, durably; only now the backup exists.

        Raises ArchiveError when the manifest is not of this draft or the disk fails; then there is no backup.
        """
        sealed = self._sealed
        if sealed is None or not sealed.is_described_by(manifest):
            raise ArchiveError(
                say("The manifest is not that of backup {backup}. Nothing was published.", backup=self.id)
            )
        text = readable_json(manifest)
        paths = [self.files.tar, self.files.entries]
        if sealed.inventory is not None:
            paths.append(self.files.inventory)
        doing = say("Publishing backup {backup}", backup=self.id)
        with disk_errors(doing, self.files.directory, lambda: sealed.stored.bytes):
            for spool in self._spools:
                spool.remove()
            for path in paths:
                part_of(path).rename(path)
            sync_directory(self.files.directory)
            try:
                write_whole(self.files.manifest, text)
            except OSError:
                self.files.manifest.unlink(missing_ok=True)
                raise
        return Backup(manifest=manifest, files=self.files)

    def discard(self) -> None:
        """Remove every file of the draft, unless it was published. May be called twice."""
        self._close()
        remove_draft(self.files)

    def _add(self, lines: Lines, line: str) -> None:
        tar = self._open_tar()
        if lines.file is None:
            with self._writing(tar):
                lines.start()
        if lines.add(line):
            with self._writing(tar):
                lines.flush()

    def _so_far(self, lines: Lines, make: Callable[[bytes], _T]) -> Iterator[_T]:
        if self._sealing is None:
            with self._writing(self._open_tar()):
                lines.flush()
        return lines.read_so_far(make)

    def _writing(self, tar: TarFile) -> AbstractContextManager[None]:
        return tar.errors(say("Writing backup {backup}", backup=self.id))

    def _facts(self, tar: TarFile) -> Sealed:
        began, stored, files = self._beginning, tar.stored(), self.files
        entries = _list_facts(self._entries, files.entries)
        if entries is None:
            raise self._never_begun()
        return Sealed(
            id=self.id,
            host=began.host,
            volume=began.volume,
            run_id=began.run_id,
            started_at=began.started_at,
            ended_at=self._clock(),
            raw=tar.raw(),
            stored=StoredFile(bytes=stored.bytes, sha256=stored.sha256, file=files.tar.name),
            entries=entries,
            inventory=_list_facts(self._items, files.inventory),
        )

    def _close(self) -> None:
        self._is_left = True
        with ExitStack() as closing:  # whichever of them fails, the others are closed
            for file in (*self._spools, self._items.file, self._entries.file, self._tar):
                if file is not None:
                    closing.callback(file.close)
            if self._sealing is not None:
                closing.callback(self._sealing.stop)

    def _open_tar(self) -> TarFile:
        if self._tar is None or self._sealing is not None:
            raise ArchiveError(
                say("Backup {backup} takes no more data. Nothing was changed.", backup=self.id)
            )
        return self._tar


def _list_facts(lines: Lines, path: Path) -> EntriesFile | None:
    if lines.file is None:
        return None
    return EntriesFile(count=lines.count, file=path.name, sha256=lines.file.stored().sha256)
