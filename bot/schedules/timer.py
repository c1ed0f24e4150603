"""Keeps APScheduler equal to the table of schedules, and looks at a schedule when it is due. Knows no command.

APScheduler only wakes us: what is due is read from the row then. So a wake-up too many, or late, does no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from bot.errors import BotError
from bot.stores.schedules import Schedule, Schedules
from bot.times.when import UNRECKONABLE, When

_log = logging.getLogger(__name__)

_COMPARE_SECONDS = 5.0
_LOOKERS = 4
_FEW = 20
_STILL_SECONDS = 60.0
"""For so long the loop, or every look, may take before the timer counts as dead."""

_STEP = timedelta(seconds=2)
"""What the machine's clock went beyond its true pace in one round is a step."""

_LEAST = timedelta(seconds=1)
"""So long after now a schedule is due at the soonest: APScheduler would go through times that are past for ever."""


class _Due(BaseTrigger):  # type: ignore[misc]
    """APScheduler's view of due times: only the next one, whatever was before."""

    def __init__(self, when: When) -> None:
        self._when = when
        self._next: datetime | None = None

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The first due time after now; APScheduler asks twice each time."""
        if self._next is None or self._next <= now:
            self._next = max(self._when.after(now), now + _LEAST)
        return self._next


class Timer:
    """Wakes `look` for the name of each schedule at its due times, and at the start if anything was due before.

    `look` is called on threads of its own; when it says so, or raises, the same schedule is looked at again soon.
    Whatever is in `on_beat` is called every few seconds from the loop that keeps it all going, and shall be quick.
    """

    def __init__(
        self,
        schedules: Schedules,
        look: Callable[[str], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._schedules = schedules
        self._look = look
        self._clock = clock
        self.on_beat: list[Callable[[], None]] = []
        self._known: dict[str, int] = {}
        self._pending: set[str] = set()
        self._again: set[str] = set()
        self._looking: dict[object, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._beat_at = time.monotonic()
        self._offset = self._clock() - _since_boot()
        self._pool = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="looker")
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": DebugExecutor()},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    @property
    def is_alive(self) -> bool:
        """Whether due times are noticed: both threads live, the loop came round lately, and not every look hangs."""
        now = time.monotonic()
        with self._lock:
            begun = list(self._looking.values())
        hang = len(begun) >= _LOOKERS and now - max(begun) > _STILL_SECONDS
        is_beating = self._thread is not None and self._thread.is_alive()
        is_waking = is_beating and _thread_of(self._scheduler).is_alive()
        return is_waking and not hang and now - self._beat_at <= _STILL_SECONDS

    def start(self) -> None:
        """Begin, on threads of its own; raises StoreError when the schedules cannot be read."""
        self._scheduler.start(paused=True)
        self._compare()
        self._scheduler.resume()
        self._beat_at = time.monotonic()
        self._thread = threading.Thread(target=self._keep_equal, name="timer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; whoever is being looked at is looked at to the end. May be called twice."""
        self._stop.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _keep_equal(self) -> None:
        while not self._stop.wait(_COMPARE_SECONDS):
            for act in (self._compare, *self.on_beat):
                try:
                    act()
                except BotError as error:
                    _log.error("the timer could not do all of its round: %s", error)
            self._beat_at = time.monotonic()

    def _compare(self) -> None:
        """Make APScheduler's jobs those of the table; after a step of the clock all are reckoned anew."""
        wanted = self._schedules.revisions()
        for name in self._known.keys() - wanted.keys():
            self._forget(name)
        if self._clock_was_set():
            self._known.clear()
        changed = {name for name, revision in wanted.items() if self._known.get(name) != revision}
        for schedule in self._read(changed):
            self._known[schedule.name] = schedule.revision
            try:
                self._know(schedule)
            except UNRECKONABLE:
                _log.exception("when schedule %s is due cannot be reckoned: it does not run", schedule.name)
        with self._lock:
            again, self._again = self._again, set()
        for name in again & wanted.keys():
            self._wake(name)
        self._scheduler.wakeup()  # it waits by a clock that cannot be set, and would sleep past a step

    def _clock_was_set(self) -> bool:
        offset = self._clock() - _since_boot()
        step, self._offset = offset - self._offset, offset
        if abs(step) <= _STEP:
            return False
        _log.warning(
            "the clock of this machine went %s further than time did; all due times are reckoned anew", step
        )
        return True

    def _read(self, names: set[str]) -> list[Schedule]:
        if len(names) > _FEW:
            found: list[Schedule | None] = [one for one in self._schedules.all() if one.name in names]
        else:
            found = [self._schedules.find(name) for name in names]
        return [one for one in found if one is not None and one.is_on]

    def _know(self, schedule: Schedule) -> None:
        now = self._clock()
        due = schedule.when.after(min(schedule.dealt_with_at, now))
        if due <= now or schedule.dealt_with_at > now:
            self._wake(schedule.name)
            due = schedule.when.after(now)
        self._scheduler.add_job(
            self._wake,
            _Due(schedule.when),
            args=[schedule.name],
            id=schedule.name,
            replace_existing=True,
            next_run_time=due,
        )

    def _forget(self, name: str) -> None:
        del self._known[name]
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            _log.debug("schedule %s had no job any more", name)

    def _wake(self, name: str) -> None:
        """Have it looked at soon, on another thread; once, however often this is called until then."""
        with self._lock:
            if name in self._pending or self._stop.is_set():
                return
            self._pending.add(name)
        self._pool.submit(self._look_at, name).add_done_callback(partial(self._looked, name))

    def _look_at(self, name: str) -> bool:
        look = object()
        with self._lock:
            self._pending.discard(name)
            self._looking[look] = time.monotonic()
        try:
            return self._look(name)
        finally:
            with self._lock:
                del self._looking[look]

    def _looked(self, name: str, done: Future[bool]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, BotError):
            _log.error("schedule %s cannot be looked at now; it is tried again: %s", name, error)
        elif error is not None:
            _log.error("looking at schedule %s broke; it is tried again", name, exc_info=error)
        if error is not None or (not done.cancelled() and done.result()):
            with self._lock:
                self._again.add(name)


def _since_boot() -> timedelta:
    return timedelta(seconds=time.monotonic())


def _thread_of(scheduler: Any) -> threading.Thread:
    thread: threading.Thread = scheduler._thread
    return thread
