"""Which backup comes next where all of them are to be proven in turn: the one that was proven longest ago.

Reads the archive only; must not know who asks, nor what is done with what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from bot.errors import NotFound, UsageError
from bot.language import say
from bot.operations.holds import is_verified, verified_at
from bot.stores.archive import Archive, Backup, Marks

NEVER = datetime.min.replace(tzinfo=UTC)

LastTried = Callable[[str], datetime | None]
"""Of a source: when a drill of it last came to an end that says something of its backups, as far as is known."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whose turn it may be: sources on that host that match the pattern (fnmatch), or only those that are `held`."""

    host: str
    pattern: str = "*"
    held: frozenset[str] | None = None

    def includes(self, source: str) -> bool:
        """Whether that source is among them."""
        return fnmatchcase(source, self.pattern) and (self.held is None or source in self.held)


def refuse_both(named: object, among: str | None, *, oldest: bool) -> None:
    """Raises UsageError when one is named and the oldest is asked for, or a pattern is given for what is named."""
    if oldest and named:
        raise UsageError(
            say(
                "Name what is to be proven, or say --oldest, but not both. Nothing was proven and nothing changed."
            )
        )
    if among and not oldest:
        raise UsageError(say("--among belongs to --oldest. Nothing was proven and nothing changed."))


def next_to_drill(archive: Archive, turn: Turn, last_tried: LastTried) -> Backup:
    """The newest verified backup of the source that was drilled longest ago; one that never was goes first.

    A drill that failed counts as well: else one source whose drills fail would keep all others waiting for ever.
    Raises NotFound when there is nothing that a drill could prove.
    """
    newest: dict[str, Backup] = {}
    proven: dict[str, datetime] = {}
    for backup, marks in _verified(archive, turn):
        newest.setdefault(backup.volume, backup)
        proven[backup.volume] = max(proven.get(backup.volume, NEVER), marks.drilled_at or NEVER)

    def turn_of(source: str) -> tuple[datetime, datetime, str]:
        tried = max(proven[source], last_tried(source) or NEVER)
        return tried, newest[source].manifest.started_at, source

    return newest[min(newest, key=turn_of)] if newest else _nothing(turn)


def next_to_verify(archive: Archive, turn: Turn) -> Backup:
    """The backup that was read back longest ago, of those that count; raises NotFound without any.

    A reading that came to no end counts as well: else one that cannot be read would keep all others waiting for ever.
    """

    def turn_of(one: tuple[Backup, Marks]) -> tuple[datetime, str, str]:
        backup, marks = one
        read = max(verified_at(backup, marks) or NEVER, marks.tried_at or NEVER)
        return read, backup.volume, backup.id

    first = min(_verified(archive, turn), key=turn_of, default=None)
    return first[0] if first else _nothing(turn)


def sources_of(targets: Iterable[str]) -> frozenset[str]:
    """The sources whose backups a run holds that holds these targets."""
    return frozenset(one.removeprefix("volume:") for one in targets if one.startswith("volume:"))


def _verified(archive: Archive, turn: Turn) -> Iterator[tuple[Backup, Marks]]:
    """Newest first; what is known to be bad, or cannot be known, is nothing to prove by turns."""
    for backup in archive.backups(turn.host, anew=True):
        if turn.includes(backup.volume):
            marks = archive.marks(backup)
            if is_verified(backup, marks):
                yield backup, marks


def _nothing(turn: Turn) -> Backup:
    if turn.pattern == "*":
        raise NotFound(
            say(
                "There is no verified backup from host {host}, so there is nothing to prove. Nothing was changed. "
                "`backups` lists what there is.",
                host=turn.host,
            )
        )
    raise NotFound(
        say(
            "There is no verified backup from host {host} of anything like {pattern}, so there is nothing to prove. "
            "Nothing was changed. `backups` lists what there is.",
            host=turn.host,
            pattern=turn.pattern,
        )
    )
