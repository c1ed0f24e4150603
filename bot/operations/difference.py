"""Difference: what changed in what a backup is of, since it was taken or until another backup.

It only reads. Must not know who asked, nor how lists are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from bot.engine import Engine, Storage
from bot.entry import Entry, Item
from bot.errors import Conflict
from bot.language import later, say
from bot.operations.changes import Difference, Sides, Thing, of_entry, of_item, sides
from bot.operations.context import REMOVE_HELPER, RunContext
from bot.operations.place import source_of
from bot.operations.reading import Reading
from bot.operations.sources import resolve
from bot.stores.archive import Archive, Backup

_CHECK_EVERY = 1000
BY_TIME = later(
    "The content of a file counts as changed when its size or its time, to the nanosecond, is another: what was "
    "written without changing either is not seen."
)
BY_INODE = later(
    "A file counts as changed when its size, its inode or one of its times is another, so what was written or replaced "
    "since then is seen."
)
BY_WHOLE_SECONDS = later(
    "This backup is of a version that kept no inventory, so the content of a file counts as changed when its size or "
    "its time in whole seconds is another: what was written without changing either is not seen."
)
BY_HELD = later(
    "This backup is partial, so what its tar really holds was compared: the content of a file counts as changed when "
    "its size or its time in whole seconds is another, and what was written without changing either is not seen."
)
BY_CONTENT = later("The content of files was compared by SHA-256.")


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What is compared of two walks, and how that is told."""

    of: Callable[[Item], Thing]
    told: str


_AS_KEPT = _Look(of=partial(of_item, like_tar=False), told=BY_TIME)
_AS_TOUCHED = _Look(of=partial(of_item, like_tar=False, by_inode=True), told=BY_INODE)


def between(
    archive: Archive, run: RunContext, old: Backup, new: Backup, limit: int
) -> tuple[Difference, str]:
    """What changed from one backup to the other, by content; and a sentence on how that was judged.

    Raises Conflict when one of them is a dump, ArchiveError when a list is damaged.
    """
    for backup in (old, new):
        _refuse_dump(backup)
    with sides(old.files.directory) as both:
        _add_all(run, both.add_old, (of_entry(entry, hashed=True) for entry in archive.entries(old)))
        _add_all(run, both.add_new, (of_entry(entry, hashed=True) for entry in archive.entries(new)))
        return both.difference(limit, run.check), say(BY_CONTENT)


def until_now(
    engine: Engine, archive: Archive, run: RunContext, backup: Backup, limit: int
) -> tuple[Difference, str]:
    """What changed since the backup in what it is of, with the first `limit` paths; and how that was judged.

    A volume, or a path in a mount, is walked through by a tool. A path in a container itself is read whole, while
    the engine holds the container's lock (engine fact 8). Raises NotFound when it is not there any more, Conflict
    for a dump, ArchiveError when the backup's list is damaged, EngineError. A partial backup's first walk saw things
    that the backup does not hold, so there the tar's own list counts.
    """
    return _until_now(archive, _reading(engine, run, backup), backup, limit, _AS_KEPT)


def touched_until_now(
    engine: Engine, archive: Archive, run: RunContext, backup: Backup, limit: int
) -> tuple[Difference, str]:
    """The same, and a file counts as changed as soon as anything was done to it, for what cannot be taken back.

    One that was put there anew with the same content counts, too.
    """
    return _until_now(archive, _reading(engine, run, backup), backup, limit, _AS_TOUCHED)


def _reading(engine: Engine, run: RunContext, backup: Backup) -> Reading:
    _refuse_dump(backup)
    return Reading.undisturbed(engine, run, resolve(engine, source_of(backup)))


def _until_now(
    archive: Archive, reading: Reading, backup: Backup, limit: int, look: _Look
) -> tuple[Difference, str]:
    run, source = reading.run, reading.source
    with sides(backup.files.directory) as both:
        if source.storage is None:
            return _read(archive, reading, backup, both).difference(limit, run.check), say(BY_CONTENT)
        if backup.manifest.inventory is None or not backup.is_ok:
            _walk(reading, source.storage, lambda item: _add_like_tar(both, item))
            entries = archive.entries(backup)
            _add_all(run, both.add_old, (of_entry(entry, hashed=False) for entry in entries))
            return both.difference(limit, run.check), say(BY_WHOLE_SECONDS if backup.is_ok else BY_HELD)
        _walk(reading, source.storage, lambda item: both.add_new(look.of(item)))
        _add_all(run, both.add_old, map(look.of, archive.items(backup)))
        return both.difference(limit, run.check), say(look.told)


def held_now(engine: Engine, backup: Backup) -> tuple[str, ...]:
    """What a run holds while it looks at what the backup is of; raises NotFound when that is gone."""
    _refuse_dump(backup)
    return (resolve(engine, source_of(backup)).target,)


def _refuse_dump(backup: Backup) -> None:
    if backup.manifest.dump is not None:
        raise Conflict(
            say(
                "Backup {backup} holds a dump that a database's own program wrote, and no files to compare. Nothing "
                "was changed.",
                backup=backup.manifest.run_id,
            )
        )


def _walk(reading: Reading, storage: Storage, on_item: Callable[[Item], None]) -> None:
    engine, run = reading.engine, reading.run
    tool = f"shipkeeper-look-{run.run_id}"
    with run.undoable(REMOVE_HELPER, name=tool):
        engine.create_tool(tool, storage, run_id=run.run_id, read_only=True)
        reading.walk(tool, say("walking through what is there"), on_item, attributes=True)


def _add_like_tar(both: Sides, item: Item) -> None:
    if item.kind != "socket":  # no tar can hold one
        both.add_new(of_item(item, like_tar=True))


def _read(archive: Archive, reading: Reading, backup: Backup, both: Sides) -> Sides:
    def add(entry: Entry) -> None:
        both.add_new(of_entry(entry, hashed=True))

    container = reading.source.container
    reading.tar(container.id if container else "", add, lambda _: None)
    _add_all(reading.run, both.add_old, (of_entry(entry, hashed=True) for entry in archive.entries(backup)))
    return both


def _add_all(run: RunContext, add: Callable[[Thing], None], things: Iterable[Thing]) -> None:
    for count, thing in enumerate(things):
        if count % _CHECK_EVERY == 0:
            run.progress(say("comparing"))
            run.check()
        add(thing)
