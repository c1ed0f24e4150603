"""Writes of many threads in one transaction, so that all of them wait for the disk once.

It must not know what is written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.stores.database import Database

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class _Wish(Generic[T, R]):
    given: T
    done: threading.Event = field(default_factory=threading.Event)
    got: list[R] = field(default_factory=list)
    error: StoreError | None = None


class SharedWrites(Generic[T, R]):
    """Writes at once what comes alone. What comes while another writes is written together, next, before others.

    `write` is given what was asked for, and gives as many answers, in the same order. It may raise IntegrityError
    where another process was quicker; then each is written alone, and asked for once more.
    """

    def __init__(self, database: Database, write: Callable[[Connection, Sequence[T]], Sequence[R]]) -> None:
        self._database = database
        self._write = write
        self._lock = threading.Lock()
        self._wishes: list[_Wish[T, R]] = []

    def do(self, given: T) -> R:
        """The answer, once it is durable. Raises StoreError, and then it was not written."""
        wish: _Wish[T, R] = _Wish(given)
        with self._lock:
            self._wishes.append(wish)
            leads = len(self._wishes) == 1
        if leads:
            self._lead()
        else:
            wish.done.wait()
        if wish.error is not None:
            raise wish.error
        return wish.got[0] if wish.got else self._alone(given)

    def _lead(self) -> None:
        """Write for all who wait by the time it is our turn. Whoever comes later leads the next."""
        taken: list[_Wish[T, R]] = []
        try:
            with self._database.write(hurry=True) as connection:
                taken = self._take()
                answers = self._write(connection, [one.given for one in taken])
            for one, answer in zip(taken, answers, strict=True):
                one.got.append(answer)
        except IntegrityError:
            pass  # nobody has an answer, so everybody asks alone
        except StoreError as error:
            taken = taken or self._take()
            for one in taken:
                one.error = StoreError(str(error))
        finally:
            for one in taken or self._take():
                one.done.set()

    def _take(self) -> list[_Wish[T, R]]:
        with self._lock:
            taken, self._wishes = self._wishes, []
        return taken

    def _alone(self, given: T) -> R:
        try:
            with self._database.write(hurry=True) as connection:
                return self._write(connection, [given])[0]
        except IntegrityError:  # drew the same id, or another process stored the same key just now
            return self._alone(given)
