"""What hosts, the archive, the runs and the schedules have, kept in memory and looked at anew in the background.

Each place has a thread of its own, so that a host which does not answer keeps nobody else waiting; what it said last
stays known meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from bot.completion.candidates import Candidate
from bot.completion.known import Rooms
from bot.completion.looking import look_at_archive, look_at_host, look_at_runs
from bot.completion.schedules import look_at_schedules
from bot.errors import BotError
from bot.sources import Source

_log = logging.getLogger(__name__)

FRESH_SECONDS = 3.0
"""What was looked at within this time is not looked at again."""

_SHARE = 10
"""A place is asked for at most this part of the time: one that takes long is asked more seldom."""

_PATIENCE = 1.0

OF_ONE_HOST = frozenset(
    {Source.VOLUME, Source.CONTAINER, Source.IMAGE, Source.REPOSITORY, Source.SNAPSHOT},
)
"""What each host has of its own."""

Look = Iterator[tuple[Source, tuple[Candidate, ...]]]


class Shelf:
    """One place's things. They are looked at by the shelf's thread, when somebody wants them and they are old."""

    def __init__(self, name: str, look: Callable[[], Look]) -> None:
        self._name = name
        self._look = look
        self._things: dict[Source, tuple[Candidate, ...]] = {}
        self._seen_at: dict[Source, float] = {}
        self._again_at = 0.0
        self._is_looking = False
        self._changed = threading.Condition()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def of(self, source: Source) -> tuple[Candidate, ...]:
        """What is known; nothing before the place was looked at."""
        return self._things.get(source, ())

    def want(self) -> None:
        """Have it looked at, unless that was just done or is being done. Returns at once."""
        if time.monotonic() >= self._again_at:
            self._look_soon()

    def await_fresh(self, source: Source, seconds: float) -> None:
        """Wait for a look that is wanted to come by the source, but not longer than so many seconds."""
        since = time.monotonic() - FRESH_SECONDS
        with self._changed:
            self._changed.wait_for(
                lambda: not self._is_looking or self._seen_at.get(source, since) > since, seconds
            )

    def start(self) -> None:
        """Look for the first time, then whenever it is wanted."""
        self._look_soon()
        self._thread = threading.Thread(target=self._keep, name=f"inventory-{self._name}", daemon=True)
        self._thread.start()

    def stop(self, patience: float = _PATIENCE) -> None:
        """End; a place that does not answer is waited for so many seconds. May be called twice."""
        self._stopped.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _look_soon(self) -> None:
        with self._changed:
            self._is_looking = True
        self._wanted.set()

    def _keep(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopped.is_set():
                return
            began = time.monotonic()
            self._look_around()
            took = time.monotonic() - began
            self._again_at = time.monotonic() + max(FRESH_SECONDS, took * _SHARE)
            with self._changed:
                self._is_looking = self._wanted.is_set()
                self._changed.notify_all()

    def _look_around(self) -> None:
        try:
            for source, things in self._look():
                if self._stopped.is_set():
                    return
                self._things[source] = things
                with self._changed:
                    self._seen_at[source] = time.monotonic()
                    self._changed.notify_all()
        except BotError as error:  # what it had is still the best guess
            _log.info("%s could not be looked at for completion: %s", self._name, error)


class Inventory:
    """All places."""

    def __init__(self, rooms: Rooms) -> None:
        self._hosts = {
            name: Shelf(name, partial(look_at_host, engine)) for name, engine in rooms.engines.items()
        }
        self._archive = Shelf("archive", partial(look_at_archive, rooms.archive))
        self._runs = Shelf("runs", partial(look_at_runs, rooms.runs))
        self._schedules = Shelf("schedules", partial(look_at_schedules, rooms))
        self._shelves = [*self._hosts.values(), self._archive, self._runs, self._schedules]

    def known(self, source: Source) -> tuple[Candidate, ...]:
        """What all places have of it, one place after the other."""
        return tuple(one for shelf in self._shelves for one in shelf.of(source))

    def want(self) -> None:
        """Have everything that is old looked at anew. Returns at once."""
        for shelf in self._shelves:
            shelf.want()

    def await_fresh(self, source: Source, host: str, seconds: float) -> None:
        """Wait until what is known of it there is fresh, but not longer than so many seconds."""
        elsewhere = {Source.RUN: self._runs, Source.SCHEDULE: self._schedules}.get(source, self._archive)
        shelf = self._hosts.get(host) if source in OF_ONE_HOST else elsewhere
        if shelf is not None:
            shelf.await_fresh(source, seconds)

    def start(self) -> None:
        """Begin, each place on a thread of its own."""
        for shelf in self._shelves:
            shelf.start()

    def stop(self, patience: float = _PATIENCE) -> None:
        """End; each place that does not answer is waited for so many seconds. May be called twice."""
        for shelf in self._shelves:
            shelf.stop(patience)
