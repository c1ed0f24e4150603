"""A whole SQLite database as one file: copied while others write, looked through, and put where it belongs.

It must not know what is in the tables.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

from bot.errors import StoreError
from bot.language import say
from bot.stores.archive.disk import create_file, part_of, sync_directory

_BESIDE = ("-journal", "-wal", "-shm")
_WAIT_SECONDS = 10.0


def file_of(url: str) -> Path | None:
    """The file of the database at that address; None if it is PostgreSQL's, or only in memory."""
    parts = make_url(url)
    name = parts.database if parts.get_backend_name() == "sqlite" else None
    return None if name in (None, "", ":memory:") else Path(name).absolute()


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A name beside the path to write to; what stands there at the end gets its name at once and durably.

    On any error nothing is left. A part that a crash left is removed first. Raises OSError, also for a database whose
    log SQLite could not write back into it, and StoreError for a path that something stands at or beside.
    """
    part = part_of(path)
    _refuse_taken(path)
    _remove(part)
    try:
        yield part
        _refuse_unwritten(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        _refuse_taken(path)
        part.rename(path)
    finally:
        _remove(part)
    sync_directory(path.parent)


def copy(source: Path, target: Path) -> None:
    """Copy the database as it is at one moment into a new file of the owner's, whoever writes to it meanwhile.

    SQLite's backup API in one step sees one moment, and keeps no writer waiting (its manual, "Online Backup", "WAL").
    Raises StoreError for a source that is none, or whose copy is not sound; OSError for what the disk refuses.
    """
    os.close(create_file(target))
    with _as_store_error(source), closing(_opened(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute(
            "PRAGMA journal_mode=DELETE"
        )  # so that it is one file, and can be read where nothing can be written
        problems = [row[0] for row in new.execute("PRAGMA integrity_check(3)")]
        problems += [f"{row[0]}: {row[2]}" for row in new.execute("PRAGMA foreign_key_check").fetchmany(3)]
    if problems != ["ok"]:
        raise StoreError(
            say(
                "{path} is damaged ({problems}), so no copy was made. Nothing was changed. Stop the bot and copy all "
                "files of it as they are, before anything else; then take an older backup of it.",
                path=source,
                problems="; ".join(problems),
            )
        )


def _opened(source: Path) -> sqlite3.Connection:
    # As a writer: one that only reads could not look into a write-ahead log that a killed bot left.
    return sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=_WAIT_SECONDS)


@contextmanager
def _as_store_error(source: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            say(
                "{path} cannot be copied ({reason}). Nothing was changed. Make sure that it is a database of "
                "shipkeeper's, that this user may read it, and that there is room for the copy.",
                path=source,
                reason=error,
            )
        ) from error


def _refuse_taken(path: Path) -> None:
    """Also for a log that an older database left there: SQLite would replay it into the new one."""
    for taken in (path, *_beside(path)):
        if taken.exists() or taken.is_symlink():
            raise StoreError(
                say(
                    "{path} is there already. Nothing was changed. Give another name, or move it away.",
                    path=taken,
                )
            )


def _refuse_unwritten(part: Path) -> None:
    """A log that its last reader could not write back, for want of room, is a piece of the database."""
    for log in _beside(part):
        if log.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))


def _beside(path: Path) -> tuple[Path, ...]:
    """Where SQLite keeps what is not yet in the file (its manual, "Temporary Files Used By SQLite")."""
    return tuple(path.with_name(path.name + ending) for ending in _BESIDE)


def _remove(path: Path) -> None:
    for one in (path, *_beside(path)):
        with suppress(FileNotFoundError):
            one.unlink()
