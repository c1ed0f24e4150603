"""The newest backups of everything in the archive, and how much room is left there. Must not know hosts.

Manifests are read again only when a directory of the archive changed: there may be many thousands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot import words
from bot.alarmrules import AlarmKind, AlarmRules, Condition, Findings
from bot.errors import ArchiveError
from bot.language import say
from bot.operations.backedup import Source
from bot.operations.holds import is_verified
from bot.stores.archive import Archive, Backup

_UNSETTLED_SECONDS = 5.0
"""A directory that changed so lately may change again without its time telling so."""
_AT_LEAST_EVERY = 3600.0
_BAND_PERCENT = 2
_TIMES, _TIMES_AGAIN = 2, 2.5
"""So many of the largest newest backup must fit, and so many until an alarm about that is over."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """By host and source: the newest backup that counts, and the newest of any kind."""

    verified: Mapping[Source, Backup] = field(default_factory=dict)
    newest: Mapping[Source, Backup] = field(default_factory=dict)


class Shelves:
    """Looks at the archive. For one thread."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._seen: dict[str, int] | None = None
        self._catalogue = Catalogue()
        self._is_emptied = False
        self._read_at = 0.0

    def read(self) -> tuple[Catalogue | None, Findings]:
        """What it holds; if it cannot be read, or is empty all of a sudden, what it held before, and an alarm.

        None when that is not known either.
        """
        try:
            self._look()
        except ArchiveError as error:
            self._seen = None
            return self._catalogue if self._catalogue.newest else None, self._lost(str(error))
        if self._is_emptied:
            sentence = say("There were backups in it a moment ago, and there are none now.")
            return self._catalogue, self._lost(sentence)
        if not self._catalogue.newest:  # perhaps its disk is not there: what was open stays so
            return self._catalogue, Findings(unsure=frozenset({f"{AlarmKind.STALE}:", AlarmKind.ARCHIVE}))
        return self._catalogue, Findings()

    def _look(self) -> None:
        changed, now = _changes(self._archive.root), time.monotonic()
        if self._seen is None or changed != self._seen or now - self._read_at >= _AT_LEAST_EVERY:
            self._take(_catalogued(self._archive))
            self._read_at = now
        self._seen = changed

    def _take(self, found: Catalogue) -> None:
        self._is_emptied = not found.newest and len(self._catalogue.newest) > 0
        if not self._is_emptied:
            self._catalogue = found

    def _lost(self, why: str) -> Findings:
        condition = Condition(
            kind=AlarmKind.ARCHIVE,
            key=AlarmKind.ARCHIVE,
            text=say(
                "The archive at {root} cannot be relied on. {why} Look whether its disk is there.",
                root=self._archive.root,
                why=why,
            ),
        )
        return Findings(conditions=(condition,), unsure=frozenset({f"{AlarmKind.STALE}:", "unprotected:"}))

    def room(self, rules: AlarmRules) -> Findings:
        """Whether enough is free. A little more than that must be free until an alarm is over."""
        key = AlarmKind.SPACE
        try:
            free, total = self._archive.room()
        except ArchiveError:
            return Findings(unsure=frozenset({key}))
        largest = max(
            ((one.manifest.stored.bytes, one) for one in self._catalogue.newest.values()),
            key=lambda found: found[0],
            default=(0, None),
        )
        percent = 100 * free / total if total else 100.0
        if percent < rules.free_percent:
            return Findings(conditions=(_short(self._archive.root, free, total, rules.free_percent),))
        if largest[1] is not None and free < _TIMES * largest[0]:
            return Findings(conditions=(_tight(self._archive.root, free, largest[1]),))
        wanted = rules.free_percent + _BAND_PERCENT if rules.free_percent else 0
        is_close = percent < wanted or free < _TIMES_AGAIN * largest[0]
        return Findings(unsure=frozenset({key}) if is_close else frozenset())


def _short(root: Path, free: int, total: int, wanted: int) -> Condition:
    return Condition(
        kind=AlarmKind.SPACE,
        key=AlarmKind.SPACE,
        text=say(
            "The archive at {root} has {free} of {total} free, which is less than {wanted} %. Prune, or make room.",
            root=root,
            free=words.size(free),
            total=words.size(total),
            wanted=wanted,
        ),
    )


def _tight(root: Path, free: int, largest: Backup) -> Condition:
    return Condition(
        kind=AlarmKind.SPACE,
        key=AlarmKind.SPACE,
        text=say(
            "The archive at {root} has {free} free, which is less than two more backups of {source} on {host} take. "
            "Prune, or make room.",
            root=root,
            free=words.size(free),
            source=largest.volume,
            host=largest.host,
        ),
    )


def _catalogued(archive: Archive) -> Catalogue:
    verified: dict[Source, Backup] = {}
    newest: dict[Source, Backup] = {}
    for backup in archive.backups():
        source = (backup.host, backup.volume)
        newest.setdefault(source, backup)
        if source not in verified and is_verified(backup, archive.marks(backup)):
            verified[source] = backup
    return Catalogue(verified=verified, newest=newest)


def _changes(root: Path) -> dict[str, int] | None:
    """When each directory changed; None when that cannot be told, or was too short a time ago to be relied on."""
    found: dict[str, int] = {}
    try:
        for host in (root, *_below(root)):
            for place in (host, *_below(host)):
                found[str(place)] = place.stat().st_mtime_ns
    except OSError:
        return None  # reading it says what is wrong
    newest = max(found.values(), default=0) / 1e9
    return found if newest < time.time() - _UNSETTLED_SECONDS else None


def _below(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, PermissionError):
        return []
