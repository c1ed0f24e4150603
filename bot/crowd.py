"""Who waits for an answer now, and how work that takes long lets them go first.

It must not know what is asked, nor what the work is.
"""

from __future__ import annotations

import threading
import time

_LONGEST_PAUSE = 0.5
"""Seconds that a piece of work waits for a crowd; a burst of 200 commands is answered by then."""


class Crowd:
    """How many are at the door and were not told anything yet. May be used from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def arrived(self) -> None:
        """One more."""
        with self._changed:
            self._count += 1

    def left(self) -> None:
        """One fewer."""
        with self._changed:
            self._count -= 1
            if not self._count:
                self._changed.notify_all()

    @property
    def is_there(self) -> bool:
        """Whether anybody waits."""
        return self._count > 0

    def wait_until_gone(self, seconds: float) -> None:
        """Returns when nobody waits, or after that long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count, seconds)


class Courtesy:
    """One piece of work that steps aside while a crowd is there, and never loses more than half its time by it.

    Copying takes every processor, and Python lets one thread run at a time: without a pause, an answer that is made
    in a millisecond waits its turn behind every piece that is hashed, parsed and compressed meanwhile.
    """

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._works_until = 0.0

    def step_aside(self) -> None:
        """Wait for a crowd to be gone, unless we waited just now. Cheap: call it for every chunk."""
        if not self._crowd.is_there or time.monotonic() < self._works_until:
            return
        began = time.monotonic()
        self._crowd.wait_until_gone(_LONGEST_PAUSE)
        now = time.monotonic()
        self._works_until = now + (now - began)
