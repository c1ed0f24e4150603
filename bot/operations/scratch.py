"""Tables on disk for as long as a comparison takes, so that long lists take no memory.

Must not know what the lists are about.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.errors import StoreError
from bot.language import say
from bot.reasons import Reason

_CACHE_KIBIBYTES = 8 << 10
_FETCHED = 500


class Scratch:
    """A database in a nameless file in `directory`, the system's temporary one when None; gone when left, or killed.

    Everything raises StoreError when the disk is full or fails. Threads may use it, one at a time.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Scratch:
        try:
            with (
                self._told(),
                tempfile.TemporaryDirectory(prefix=".shipkeeper-", dir=self._directory) as made,
            ):
                self._connection = sqlite3.connect(
                    Path(made) / "scratch", isolation_level=None, check_same_thread=False
                )
                for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIBIBYTES}"):
                    self._connection.execute(f"PRAGMA {setting}")
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def run(self, *statements: str) -> None:
        """Execute them."""
        with self._told():
            for statement in statements:
                self._open.execute(statement)

    def fill(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute it for each row; raises what `rows` raises, and what came before stays."""
        with self._told():
            self._open.execute("BEGIN")
            try:
                self._open.executemany(statement, rows)
            finally:
                self._open.execute("COMMIT")

    def put(self, statement: str, row: tuple[Any, ...]) -> None:
        """Execute it for one row; within a transaction that `run` began, this is quick."""
        with self._told():
            self._open.execute(statement, row)

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row, if there is one."""
        with self._told():
            found: tuple[Any, ...] | None = self._open.execute(query, values).fetchone()
            return found

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """All rows, some at a time."""
        with self._told():
            cursor = self._open.execute(query, values)
        while True:
            with self._told():
                found = cursor.fetchmany(_FETCHED)
            if not found:
                return
            yield from found

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("used before entering or after leaving")
        return self._connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        where = self._directory or Path(tempfile.gettempdir())
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return StoreError(
            say(
                "The lists that are compared could not be kept in {directory} for the time being ({error}). "
                "Nothing counts as compared. Make room there, then run it again.",
                directory=where,
                error=error,
            ),
            reason=Reason.DISK_FULL if is_full else Reason.STORE,
        )


def merged(
    left: Iterator[tuple[Any, ...]], right: Iterator[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]]:
    """Pairs of the rows that begin with the same value; both must be in that value's order, without repeats."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one, None
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def to_bytes(path: str) -> bytes:
    """A path as it is kept and put in order: the bytes that it has on disk."""
    return path.encode("utf-8", "surrogateescape")


def to_path(name: bytes) -> str:
    """The opposite of `to_bytes`."""
    return name.decode("utf-8", "surrogateescape")
