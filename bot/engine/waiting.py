"""Waits for one long answer of the daemon without being bound to it. It must not know what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_SECONDS = 0.2


class _Asking(threading.Thread, Generic[T]):
    """The thread that asks, and what came of it."""

    def __init__(self, ask: Callable[[], T]) -> None:
        super().__init__(name="asking", daemon=True)
        self._ask = ask
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self.is_over = threading.Event()

    def run(self) -> None:
        """Ask once."""
        with self:
            self._answer.append(self._ask())

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._error = error
        self.is_over.set()
        return True

    def answer(self) -> T:
        """What came of it; raises what asking raised."""
        if self._error is not None:
            raise self._error
        return self._answer[0]


def patiently(ask: Callable[[], T], check: Callable[[], None]) -> T:
    """What `ask` returns or raises; or at once what `check` raises, which is asked several times a second.

    Then `ask` is left to itself, and may still change something.
    """
    asking = _Asking(ask)
    asking.start()
    while not asking.is_over.wait(_LOOK_SECONDS):
        check()
    return asking.answer()
