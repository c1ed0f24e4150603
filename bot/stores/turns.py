"""Whose turn it is to write: one thread at a time, and whoever is in a hurry before all others.

It must not know what is written.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST_STEP_BACK = 0.25
"""Seconds that others let those in a hurry go first; without end they would never come."""


class Turns:
    """A lock that its holder may take again. Not in the order of asking, for handing it over would cost more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._hurried = 0
        self._holder: int | None = None

    @contextmanager
    def taken(self, *, hurry: bool) -> Iterator[None]:
        """Hold it inside the block."""
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        self._wait(hurry=hurry)
        self._holder = me
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()

    def _wait(self, *, hurry: bool) -> None:
        if not hurry:
            if self._hurried:
                with self._changed:
                    self._changed.wait_for(lambda: not self._hurried, _LONGEST_STEP_BACK)
            self._lock.acquire()
            return
        with self._changed:
            self._hurried += 1
        try:
            self._lock.acquire()
        finally:
            with self._changed:
                self._hurried -= 1
                self._changed.notify_all()
