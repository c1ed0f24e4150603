"""The clock of a quiesce: how long containers slept, and a watchdog that ends the work when they slept too long.

Must not know how they are woken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.errors import BotError, EngineError
from bot.language import Thread, say
from bot.reasons import Reason

_log = logging.getLogger(__name__)


class Downtime:
    """One downtime: `check` whether it is over once a chunk, `guarded` around calls that wait for bytes."""

    def __init__(self, allowed: timedelta, names: tuple[str, ...] = ()) -> None:
        self._allowed = allowed
        self._names = names
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self._is_settled = False
        self._is_over = False
        self._began: float | None = None
        self._ended: float | None = None
        self._notes: list[str] = []

    @property
    def seconds(self) -> float:
        """From the moment before the first container was put to sleep until the last one was awake again."""
        if self._began is None:
            return 0.0
        return (self._ended if self._ended is not None else time.monotonic()) - self._began

    @property
    def has_begun(self) -> bool:
        """Whether anybody was put to sleep."""
        return self._began is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it was, a sentence each; complete once everybody is awake."""
        return tuple(self._notes)

    def check(self) -> None:
        """Raises EngineError (reason `downtime`) once the allowed time is over."""
        if self._is_over:
            raise self._error()

    @contextmanager
    def guarded(self, end: Callable[[], None]) -> Iterator[None]:
        """While the body runs: when the allowed time is over, call `end` once, from another thread.

        What the body then raises as EngineError becomes the error of `check`.
        """
        with self._lock:
            self.check()
            self._ends.append(end)
        try:
            yield
        except EngineError as error:
            if self._is_over:
                raise self._error() from error
            raise
        finally:
            with self._lock:
                if end in self._ends:
                    self._ends.remove(end)

    # ---- for those who put to sleep and wake -------------------------------------------------------

    def begin(self) -> None:
        """The first container is about to be put to sleep."""
        self._began = time.monotonic()

    def end(self) -> None:
        """The last container is awake; only the first call counts."""
        if self._ended is None:
            self._ended = time.monotonic()

    def note(self, sentence: str) -> None:
        """Something is not as it was."""
        self._notes.append(sentence)

    def settle(self) -> None:
        """The work is done in time, and stays so whatever the clock says; raises as `check` if it is not."""
        with self._lock:
            self.check()
            self._is_settled = True

    def expire(self) -> bool:
        """The time is over: every check raises from now on. False when the work was done just before."""
        with self._lock:
            self._is_over = not self._is_settled
            return self._is_over

    def end_work(self) -> None:
        """Call what guards the body's waiting calls; their errors go to the log."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            try:
                end()
            except (BotError, OSError) as error:
                _log.warning("the work whose time is over could not be ended: %s", error)

    def _error(self) -> EngineError:
        return EngineError(
            say(
                "{containers} may sleep for {allowed:g} s at most (limits.max_downtime), and the work was not "
                "done by then: everybody is awake again, and nothing of the copy is kept. Allow more, or choose a "
                "gentler way to keep them still.",
                containers=", ".join(self._names),
                allowed=self._allowed.total_seconds(),
            ),
            reason=Reason.DOWNTIME,
        )


class Watchdog:
    """Calls `wake` from a thread of its own when the allowed time has passed before the body ends."""

    def __init__(self, downtime: Downtime, allowed: timedelta, wake: Callable[[], None]) -> None:
        self._downtime = downtime
        self._seconds = allowed.total_seconds()
        self._wake = wake
        self._done = threading.Event()
        self._thread = Thread(self._watch, name="downtime-watchdog")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Returns once the thread is gone: nobody is woken from two sides, unless the work is over anyway."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._done.wait(self._seconds) or not self._downtime.expire():
            return
        _log.warning("the allowed downtime is over; waking everybody")
        try:
            self._wake()
        finally:
            self._downtime.end_work()
