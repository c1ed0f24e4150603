"""Waits for one long answer, of Docker or a registry, without being bound to it. It must not know what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic, TypeVar

from bot.language import Thread

T = TypeVar("T")
_LOOK_SECONDS = 0.2


class _Asking(Thread, Generic[T]):
    """The thread that asks, and what came of it."""

    def __init__(self, ask: Callable[[], T], discard: Callable[[T], None]) -> None:
        super().__init__(self._ask_once, name="asking")
        self._ask, self._discard = ask, discard
        self._lock = threading.Lock()
        self._is_unwanted = False
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self.is_over = threading.Event()

    def _ask_once(self) -> None:
        with self:
            answer = self._ask()
            with self._lock:
                self._answer.append(answer)
                is_unwanted = self._is_unwanted
            if is_unwanted:
                self._discard(answer)

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

    def leave(self) -> None:
        """Nobody takes the answer any more: it is discarded, now or when it comes."""
        with self._lock:
            self._is_unwanted = True
            come = list(self._answer)
        for answer in come:
            self._discard(answer)


def patiently(
    ask: Callable[[], T], check: Callable[[], None], *, discard: Callable[[T], None] = lambda _: None
) -> T:
    """What `ask` returns or raises; or at once what `check` raises, which is asked several times a second.

    Then `ask` is left to itself, and may still change something; what it returns later is given to `discard`.
    """
    asking = _Asking(ask, discard)
    asking.start()
    with ExitStack() as leaving:
        leaving.callback(asking.leave)
        while not asking.is_over.wait(_LOOK_SECONDS):
            check()
        leaving.pop_all()
    return asking.answer()
