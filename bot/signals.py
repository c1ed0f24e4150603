"""Turns the wish to end (SIGINT, SIGTERM) into a call, once; the second signal ends the process as usual."""

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
