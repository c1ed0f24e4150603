"""Keeps APScheduler equal to the table of schedules, and looks at a schedule when it is due. Knows no command.

APScheduler only wakes us: what is due is read from the row then. So a wake-up too many, or late, does no harm.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from bot.errors import StoreError
from bot.stores.schedules import Schedule, Schedules
from bot.when import When

_log = logging.getLogger(__name__)

_COMPARE_SECONDS = 5.0
_LOOKERS = 4


class _Due(BaseTrigger):  # type: ignore[misc]
    """APScheduler's view of due times."""

    def __init__(self, when: When) -> None:
        self._when = when

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first due time after the one before, or after now."""
        return self._when.after(previous_fire_time or now)


class Timer:
    """Wakes `look` for each schedule at its due times, and once for each at the start, for what was due before.

    `look` is called on threads of APScheduler's; it may raise StoreError, and is then called again soon.
    """

    def __init__(self, schedules: Schedules, look: Callable[[Schedule], None]) -> None:
        self._schedules = schedules
        self._look = look
        self._known: dict[str, int] = {}
        self._again: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(_LOOKERS)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    @property
    def is_alive(self) -> bool:
        """Whether due times are noticed."""
        is_comparing = self._thread is not None and self._thread.is_alive()
        return is_comparing and _thread_of(self._scheduler).is_alive()

    def start(self) -> None:
        """Begin, on threads of its own; raises StoreError when the schedules cannot be read."""
        self._scheduler.start(paused=True)
        self._compare()
        self._scheduler.resume()
        self._thread = threading.Thread(target=self._keep_equal, name="timer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; whoever is being looked at is looked at to the end. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _keep_equal(self) -> None:
        while not self._stop.wait(_COMPARE_SECONDS):
            try:
                self._compare()
            except StoreError as error:
                _log.error("schedules cannot be read while the database is away: %s", error)

    def _compare(self) -> None:
        """Make APScheduler's jobs those of the table; a schedule that is new to it is looked at once, at once."""
        wanted = self._schedules.revisions()
        for name in self._known.keys() - wanted.keys():
            self._forget(name)
        changed = {name for name, revision in wanted.items() if self._known.get(name) != revision}
        if changed:
            for schedule in self._schedules.all():
                if schedule.name in changed and schedule.is_on:
                    self._know(schedule)
        with self._lock:
            again, self._again = self._again, set()
        for name in again & wanted.keys():
            self._scheduler.add_job(self._wake, args=[name])

    def _know(self, schedule: Schedule) -> None:
        trigger = _Due(schedule.when)
        self._scheduler.add_job(
            self._wake, trigger, args=[schedule.name], id=schedule.name, replace_existing=True
        )
        self._known[schedule.name] = schedule.revision
        self._scheduler.add_job(self._wake, args=[schedule.name])

    def _forget(self, name: str) -> None:
        del self._known[name]
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            _log.debug("schedule %s had no job any more", name)

    def _wake(self, name: str) -> None:
        try:
            found = [one for one in (self._schedules.find(name),) if one is not None and one.is_on]
            for schedule in found:
                self._look(schedule)
        except StoreError as error:
            _log.error("schedule %s cannot be looked at now; it is tried again: %s", name, error)
            with self._lock:
                self._again.add(name)


def _thread_of(scheduler: Any) -> threading.Thread:
    thread: threading.Thread = scheduler._thread
    return thread
