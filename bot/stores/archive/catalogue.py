"""The archive: the directory is the catalogue, so losing the database loses no backup.

Must not know engines, runs or people.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.entry import Entry, Item
from bot.errors import ArchiveError, Conflict, NotFound
from bot.language import later, say
from bot.reasons import Reason
from bot.stores.archive.disk import disk_errors, free_bytes, refuse_full, room_at, write_whole
from bot.stores.archive.draft import Beginning, Draft
from bot.stores.archive.marks import Marks, read_marks
from bot.stores.archive.names import safe_name
from bot.stores.archive.probing import Room, probe
from bot.stores.archive.proving import prove, prove_stored, proven
from bot.stores.archive.reading import Backup, Tick, read_entries, read_items, read_raw
from bot.stores.archive.removal import held, remove_backup, remove_draft
from bot.stores.archive.report import Report, report
from bot.stores.archive.scanning import Damaged, Scanner, damaged_marks, files_of, leftovers


class Archive:
    """Backups as `<root>/<host>/<volume>/<time>-<run id>.tar.zst`, each with its lists, manifest and marks.

    `volume` is the name of any source, such as `pgdata` or `web:/srv/data`; its directory is that name encoded.
    """

    def __init__(self, root: Path, clock: Callable[[], datetime]) -> None:
        self.root = root
        self._clock = clock
        self._scanner = Scanner(root)

    def begin(self, host: str, volume: str, run_id: str) -> Draft:
        """A draft with its id; no file is made before it is entered. Raises ArchiveError for unsafe names."""
        now, run = self._clock().astimezone(UTC), safe_name(later("run"), run_id)
        backup_id = f"{now:%Y%m%dT%H%M%SZ}-{run}"
        beginning = Beginning(host=host, volume=volume, run_id=run_id, started_at=now)
        return Draft(files_of(self.root, host, volume, backup_id), beginning, self._clock)

    def discard(self, host: str, volume: str, backup_id: str) -> None:
        """Remove a draft that was never published; a published backup stays. May be called twice."""
        remove_draft(files_of(self.root, host, volume, backup_id))

    def backups(
        self, host: str | None = None, volume: str | None = None, *, anew: bool = False
    ) -> tuple[Backup, ...]:
        """Every whole backup, newest first; damaged ones are left to `damaged`.

        A manifest that was read within the last hour, and whose file looks the same, is not read again unless `anew`:
        whoever removes something because of a backup, or proves one, relies on what the disk holds now.
        """
        scanned = self._scanner.scan(host, volume, anew=anew)
        found = (item for item in scanned if isinstance(item, Backup))
        return tuple(sorted(found, key=lambda item: (item.manifest.started_at, item.id), reverse=True))

    def of_run(self, run_id: str) -> tuple[Backup, ...]:
        """Every whole backup that the run made, newest first; each is read anew, and no other."""
        found = (item for item in self._scanner.named(run_id, None, None) if isinstance(item, Backup))
        made = (item for item in found if item.manifest.run_id == run_id)
        return tuple(sorted(made, key=lambda item: (item.manifest.started_at, item.id), reverse=True))

    def damaged(self, host: str | None = None, volume: str | None = None) -> tuple[Damaged, ...]:
        """Every manifest that does not hold together with its files at a glance, and all marks that are no marks.

        What the files hold is for `prove`.
        """
        found = (
            item if isinstance(item, Damaged) else damaged_marks(item)
            for item in self._scanner.scan(host, volume)
        )
        return tuple(item for item in found if item is not None)

    def find(self, reference: str, host: str | None = None, volume: str | None = None) -> Backup:
        """The backup with that id or run id; raises NotFound (with the nearest) or Conflict (several fit).

        What it is of and a slash may stand before the id, for a run may make several.
        """
        if "/" in reference:
            volume, _, reference = reference.rpartition("/")
        items = tuple(self._scanner.named(reference, host, volume))
        fitting = [item for item in items if isinstance(item, Backup)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            places = ", ".join(
                say("{backup} on {host}", backup="/".join((item.volume, item.id)), host=item.host)
                for item in fitting
            )
            raise Conflict(
                say(
                    "“{reference}” could be any of {places}. Nothing was changed. Name it in full.",
                    reference=reference,
                    places=places,
                )
            )
        for item in items:
            if isinstance(item, Damaged):
                raise ArchiveError(
                    say(
                        "Backup {backup} is damaged: {reason}. Nothing was changed. Look at the archive's disk.",
                        backup=reference,
                        reason=item.reason,
                    ),
                    reason=Reason.DAMAGED,
                )
        raise NotFound(
            say(
                "There is no backup {backup}. Nothing was changed. {hint}",
                backup=reference,
                hint=_nearest(reference, self._scanner.ids(host, volume)),
            )
        )

    def open(self, backup: Backup) -> Generator[bytes, None, None]:
        """The tar in chunks; raises ArchiveError, at the end, when the bytes are not those recorded. Close it."""
        return read_raw(backup.files.tar, backup.manifest.stored.sha256, backup.manifest.raw)

    def entries(self, backup: Backup) -> Iterator[Entry]:
        """Every entry in the tar's order; raises ArchiveError, at the latest at the end, when damaged."""
        return read_entries(backup)

    def items(self, backup: Backup) -> Iterator[Item]:
        """What the walk found, nothing for a backup without one; raises ArchiveError as `entries` does."""
        return read_items(backup)

    def prove(self, backup: Backup, tick: Tick) -> None:
        """Re-read everything and compare; raises ArchiveError with what differs. Marks are not its business."""
        prove(backup, tick)

    def open_proven(self, backup: Backup) -> Generator[bytes, None, None]:
        """The tar in chunks, proven on the way as by `prove`: nothing counts unless it ended by itself. Close it."""
        return proven(backup)

    def prove_stored(self, backup: Backup, tick: Tick) -> None:
        """The quick part of `prove`: whether the stored tar is what was written; raises ArchiveError."""
        prove_stored(backup, tick)

    def marks(self, backup: Backup) -> Marks:
        """What happened to the backup since. Never raises: marks that cannot be read say so, and hold it."""
        return read_marks(backup.files)

    def mark(self, backup: Backup, change: Callable[[Marks], Marks]) -> Marks:
        """Replace the marks by what `change` makes of them, durably and at once, whoever else does so too.

        Raises NotFound when there is no such backup any more, ArchiveError when the disk does not take them.
        """
        unchanged = say("The backup and what was noted of it are as they were.")
        with disk_errors(
            say("Marking backup {backup}", backup=backup.id),
            backup.files.directory,
            unchanged=unchanged,
        ):
            try:
                with held(backup.files):
                    made = change(read_marks(backup.files))
                    write_whole(backup.files.marks, made.to_json(backup.id).encode("ascii"))
            except FileNotFoundError as error:
                raise NotFound(
                    say(
                        "There is no backup {backup} any more. Nothing was noted of it.",
                        backup=backup.id,
                    )
                ) from error
        return made

    def remove(self, backup: Backup) -> None:
        """Remove a backup with all that belongs to it; may be called twice. What a crash leaves is for `sweep`."""
        remove_backup(backup.files)

    def sweep(self, is_over: Callable[[str], bool]) -> tuple[Path, ...]:
        """Remove what runs that are over left without a manifest; says what was removed.

        `is_over` is asked with each leftover's run id. Files with names of another kind always stay.
        """
        removed: list[Path] = []
        for found in tuple(leftovers(self.root)):
            if is_over(found.run_id):
                removed += remove_draft(found.files)
        return tuple(removed)

    def probe(self) -> Room:
        """Write something, remove it again, and say how much room there is; raises ArchiveError."""
        return probe(self.root)

    def report(self) -> Report:
        """All of the archive at a glance, from the disk alone."""
        return report(self.root, self._clock())

    def free_bytes(self) -> int:
        """Bytes that may still be written; raises ArchiveError when the disk does not say."""
        with disk_errors(say("Looking for free space"), self.root):
            return free_bytes(self.root)

    def room(self) -> tuple[int, int]:
        """The same, and how many bytes the disk has in all; raises ArchiveError when it does not say."""
        with disk_errors(say("Looking for free space"), self.root):
            return room_at(self.root)

    def refuse_full(self, needed_bytes: int, what: str) -> None:
        """Raises ArchiveError when so many bytes more do not fit; `what` needs them, as in `the backup of pgdata`."""
        refuse_full(self.root, needed_bytes, what)


def _nearest(reference: str, ids: Iterable[str]) -> str:
    names = [name for one in ids for name in (one.partition("-")[2], one)]
    near = difflib.get_close_matches(reference, names, n=3, cutoff=0.5)
    return say("The nearest are: {names}.", names=", ".join(near)) if near else say("`backups` lists them.")
