"""Counts what was turned away at Slack's doors, and says so in the log no oftener than once a minute.

Anybody can send such things, as many as they like: a line for each would fill the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

_log = logging.getLogger(__name__)
_BETWEEN_LINES = 60.0


class Refusals:
    """Numbers by reason since the start. May be told from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._unsaid: Counter[str] = Counter()
        self._said_at: float | None = None

    def note(self, why: str) -> None:
        """One more was turned away, for that reason."""
        with self._lock:
            self._counts[why] += 1
            self._unsaid[why] += 1
            now = self._clock()
            if self._said_at is not None and now - self._said_at < _BETWEEN_LINES:
                return
            unsaid, self._unsaid, self._said_at = self._unsaid, Counter(), now
        told = ", ".join(f"{number} {reason}" for reason, number in sorted(unsaid.items()))
        _log.warning("turned away at the door for Slack since the last such line: %s", told)

    def counts(self) -> dict[str, float]:
        """How many, by reason."""
        with self._lock:
            return {why: float(number) for why, number in self._counts.items()}
