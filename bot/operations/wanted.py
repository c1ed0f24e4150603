"""What is to be restored of a backup: all of it or what is at one path, with what the tar alone does not carry.

Must not know where it is put.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from bot.entry import ROOT, Entry, Item, printable
from bot.language import say
from bot.operations.comparison import refuse_differences
from bot.operations.context import heeding
from bot.operations.extras import Extras
from bot.operations.selection import Selection, select
from bot.operations.walkdiff import Loss
from bot.stores.archive import Archive, Backup
from bot.tar.edit import Decide, edit, in_turn

_SHOWN = 5
_HEADERS_BYTES = 1024


class Wanted:
    """One backup or a part of it; made by `wanted`."""

    def __init__(
        self, archive: Archive, backup: Backup, selection: Selection | None, extras: Extras | None
    ) -> None:
        self._archive = archive
        self._backup = backup
        self._selection = selection
        self._extras = extras
        self.root = backup.manifest.source.root
        first = next(archive.entries(backup), None)
        self.is_directory = first is not None and first.path == ROOT and first.kind == "directory"

    @property
    def path(self) -> str:
        """What of the backup is wanted, relative to its root; empty for all of it."""
        return self._selection.path if self._selection else ""

    @property
    def has_inventory(self) -> bool:
        """Whether more is known than the tar says."""
        return self._extras is not None

    @property
    def count(self) -> int:
        """How many things a place is filled with."""
        return self._selection.count if self._selection else self._backup.manifest.entries.count

    @property
    def raw_bytes(self) -> int:
        """What they take in a tar, about."""
        if self._selection is None:
            return self._backup.manifest.raw.bytes
        return self._selection.total_bytes + self._selection.count * _HEADERS_BYTES

    def tar(self, check: Callable[[], None] = lambda: None) -> Generator[bytes, None, None]:
        """The tar to unpack, while the whole stored one is proven; close it.

        `check` is called once a chunk that is read, and may raise: of many, nothing may be left to be unpacked.
        Raises ArchiveError, at the end at the latest, when the backup is damaged: then what was unpacked is nothing.
        """
        decides: list[Decide] = []
        if self._selection is not None:
            decides.append(self._selection.decide)
        if self._extras is not None:
            decides.append(self._extras.decide)
        with closing(self._archive.open_proven(self._backup)) as proven:
            chunks = _checked(proven, check)
            if decides:
                yield from edit(chunks, in_turn(decides, self.root), self.root)
            else:
                yield from chunks

    def refuse_differences(self, found: Iterable[Entry], check: Callable[[], None]) -> None:
        """Raises EngineError (reason `differs`) unless a tar read back holds exactly what is wanted."""
        refuse_differences(self._expected, found, self._backup.volume, self._backup.files.directory, check)

    def _expected(self) -> Iterable[Entry]:
        entries = self._archive.entries(self._backup)
        return entries if self._selection is None else self._selection.entries(entries)

    def refuse_other_items(self, walk: Iterable[Item], check: Callable[[], None]) -> tuple[str, ...]:
        """Raises EngineError (reason `differs`) unless a walk that began at `path` found what is wanted.

        Returns what no restore can put back, a text each. `check` is called now and then, and may raise.
        """
        if self._extras is None:
            return ()
        compared = self._extras.compare(walk, self.path, check)
        compared.refuse(self._backup.volume)
        return tuple(_in_words(loss) for loss in compared.losses)


@contextmanager
def wanted(
    archive: Archive, backup: Backup, path: str, check: Callable[[], None] = lambda: None
) -> Iterator[Wanted]:
    """All of a backup, or what is at `path` in it; `check` is called now and then while its lists are read.

    Raises NotFound when nothing is there, ArchiveError when a list of the backup is damaged, what `check` raises.
    """
    with ExitStack() as held:
        root = backup.manifest.source.root
        selection = select(lambda: heeding(check, archive.entries(backup)), path, root) if path else None
        extras = None
        if backup.manifest.inventory is not None:
            items = heeding(check, archive.items(backup))
            extras = held.enter_context(Extras(items, backup.files.directory))
            if not backup.is_ok:
                extras.excuse(heeding(check, archive.entries(backup)))
        yield Wanted(archive, backup, selection, extras)


def _checked(chunks: Iterable[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for chunk in chunks:
        check()
        yield chunk


def _in_words(loss: Loss) -> str:
    named = ", ".join(f"“{printable(path)}”" for path in loss.paths[:_SHOWN])
    if loss.count > _SHOWN:
        named = say("{names} and {number} more", names=named, number=loss.count - _SHOWN)
    return f"{loss.text} ({named})"
