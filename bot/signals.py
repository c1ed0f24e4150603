"""Turns signals into calls: the wish to end (SIGINT, SIGTERM) once, as the second one ends the process as usual;

the wish to read the settings again (SIGHUP) each time.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class OnSignal:
    """While the body runs, the first SIGINT or SIGTERM calls `what`. For the main thread only."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, self._before[number])
        self._what()


class OnHangup:
    """While the body runs, each SIGHUP calls `what`, which must be over at once. For the main thread only."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGHUP, self._handle)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGHUP, self._before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._what()
