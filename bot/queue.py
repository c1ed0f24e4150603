"""Carries ids of runs to workers. The rows are the truth; a queue that forgets everything loses nothing.

`RunQueue` is the contract; `EmbeddedQueue` needs no server. Knows nothing of commands, Docker or Slack.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.errors import StoreError
from bot.stores.database import Database, Transaction
from bot.stores.runrow import Lane
from bot.stores.runs import Runs

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
"""How soon a row that another process stored, or a cancel that it asked for, is seen."""


_RECOVER_SECONDS = 5.0
"""How often to look for runs whose worker gave up because the database was away."""

_WAITING_FOR_A_HOST = 8
"""How many runs may ask one host at a time before they are handed to its workers."""

_LAST_SECONDS = 5.0
"""What running bodies get to take back what they began, once the grace is over."""


class Signal:
    """Tells a running body that it should end, and why."""

    def __init__(self, admit: Callable[[str], bool] = lambda _host: True) -> None:
        self._admit = admit
        self._cancelled = threading.Event()
        self._stopping = threading.Event()
        self._ending = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait so long for either; whether the body is to end."""
        return self._ending.wait(seconds)

    def cancelled(self) -> bool:
        """Whether somebody asked for an end."""
        return self._cancelled.is_set()

    def stopping(self) -> bool:
        """Whether the process is about to end, and its patience with it."""
        return self._stopping.is_set()

    def begin_on(self, host: str) -> bool:
        """Ask before anything that may wait for that host; False when too many runs wait for it already."""
        return self._admit(host)

    def cancel(self) -> None:
        """Ask for an end. May be called twice."""
        self._cancelled.set()
        self._ending.set()

    def stop(self) -> None:
        """Say that the process ends. May be called twice."""
        self._stopping.set()
        self._ending.set()


Execute = Callable[[str, Signal], None]


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """What one worker is doing."""

    lane: Lane
    run_id: str


class RunQueue(Protocol):
    """Carries run ids; knows nothing of what a run does."""

    def start(self, execute: Execute, *, only: frozenset[str] | None = None) -> None:
        """Take the runs of dead holders, then hand claimable ones to `execute`; work perhaps only of those ids."""

    def enqueue(self, connection: Transaction, run_id: str, lane: Lane) -> None:
        """A run becomes claimable when this transaction commits."""

    def cancel(self, run_id: str) -> None:
        """Nudge the holder; the flag is in the row already."""

    def recover(self) -> int:
        """Hand over the runs of dead holders to be taken back; returns how many."""

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Who is at work."""

    def stop(self, grace: float) -> None:
        """Hand out nothing more; wait at most `grace` seconds for what is running."""


@dataclass(frozen=True)
class _Place:
    lane: Lane
    host: str


class EmbeddedQueue:
    """A thread that looks at the table, and workers on two lanes: FRONT decides quickly, WORK works for long.

    The two lanes are why a question is answered while every worker is busy for an hour. On WORK each host has
    workers of its own, and so it has on FRONT, once it is known which host a run turns to: a host that is mute keeps
    nobody from another one. Each run has a thread of its own, which
    does not keep the process alive: what is cut off is taken back at the next start. It must run in the sole holder
    of the database only.
    """

    def __init__(self, database: Database, threads: Mapping[Lane, int], hosts: int = 1) -> None:
        self._database = database
        self._hosts = hosts
        self._turned_to: dict[str, str] = {}
        self._sent_back: dict[str, str] = {}
        self._only: frozenset[str] | None = None
        self._threads = dict(threads)
        self._signals: dict[str, Signal] = {}
        self._places: dict[str, _Place] = {}
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._loop: threading.Thread | None = None

    def bind(self, runs: Runs) -> None:
        """Where to look. The table needs the queue to wake, and the queue needs the table."""
        self._runs = runs

    def start(self, execute: Execute, *, only: frozenset[str] | None = None) -> None:
        """Begin; with `only`, no other work is done here, but everybody is decided about and answered."""
        self._execute, self._only = execute, only
        self.recover()
        self._loop = threading.Thread(target=self._look, name="queue", daemon=True)
        self._loop.start()

    def enqueue(self, connection: Transaction, run_id: str, lane: Lane) -> None:  # noqa: ARG002
        """The row is the queue: only wake the loop, once it can see the row."""
        self._database.after_commit(connection, self._wake.set)

    def cancel(self, run_id: str) -> None:
        """Raise the signal of a run that is at work in this process."""
        with self._lock:
            signal = self._signals.get(run_id)
        if signal is not None:
            signal.cancel()

    def recover(self) -> int:
        """Every running row that is not ours is an orphan: nobody else can be alive."""
        running = self._runs.running()  # before `ours`: a run handed over in between must not look orphaned
        with self._lock:
            ours = set(self._signals)
        orphans = [run for run in running if run.id not in ours]
        for run in orphans:
            # Not on the front lane: undoing may wait for a mute Docker, and questions must not.
            self._hand_over(run.id, _Place(Lane.WORK, run.host))
        return len(orphans)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Who is at work in this process."""
        with self._lock:
            return tuple(WorkerInfo(lane=at.lane, run_id=run_id) for run_id, at in self._places.items())

    def stop(self, grace: float) -> None:
        """Hand out nothing more, wait, then tell what still runs to take back what it began. May be called twice."""
        self._stopping.set()
        self._wake.set()
        if self._loop is not None:
            self._loop.join()
        self._join(grace)
        with self._lock:
            for signal in self._signals.values():
                signal.stop()
        self._join(_LAST_SECONDS)

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._lock:
            workers = set(self._workers)
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0))

    def _look(self) -> None:
        recovered_at = time.monotonic()
        while not self._stopping.is_set():
            self._wake.wait(_POLL_SECONDS)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self._fill_front()
                self._fill_work()
                for run_id in self._runs.asked_to_cancel():
                    self.cancel(run_id)
                if time.monotonic() - recovered_at > _RECOVER_SECONDS:
                    recovered_at = time.monotonic()
                    self.recover()
            except StoreError as error:
                _log.error("the queue cannot see the runs, and will look again: %s", error)

    def _fill_front(self) -> None:
        """Few decide at a time; those that turned to a host meanwhile are counted there, and not here."""
        with self._lock:
            busy = set(self._signals)
            here = [run_id for run_id, at in self._places.items() if at.lane is Lane.FRONT]
            deciding = sum(1 for run_id in here if run_id not in self._turned_to)
            full = self._full_hosts()
            self._sent_back = {run_id: host for run_id, host in self._sent_back.items() if host in full}
            waiting = set(self._sent_back) - busy
        free = min(self._threads[Lane.FRONT] - deciding, _WAITING_FOR_A_HOST * self._hosts - len(here))
        if free <= 0:
            return
        limit = free + len(busy)
        for run_id, host in self._runs.claimable(Lane.FRONT, limit, without=waiting):
            if run_id not in busy and free > 0:
                free -= 1
                self._hand_over(run_id, _Place(Lane.FRONT, host))

    def _fill_work(self) -> None:
        """Hand over until nobody waits whose host has a free worker."""
        most = self._threads[Lane.WORK]
        while True:
            with self._lock:
                busy = set(self._signals)
                taken = Counter(at.host for at in self._places.values() if at.lane is Lane.WORK)
            full = {host for host, count in taken.items() if count >= most}
            limit = most + len(busy)
            found = self._runs.claimable(Lane.WORK, limit, only=self._only, not_on=full)
            for run_id, host in found:
                if run_id not in busy and taken[host] < most:
                    taken[host] += 1
                    self._hand_over(run_id, _Place(Lane.WORK, host))
            if len(found) < limit:
                return

    def _turn_to(self, run_id: str, host: str) -> bool:
        with self._lock:
            if self._places[run_id].lane is Lane.FRONT:
                if host in self._full_hosts():
                    self._sent_back[run_id] = host
                    return False
                self._turned_to[run_id] = host
        self._wake.set()
        return True

    def _full_hosts(self) -> set[str]:
        counts = Counter(self._turned_to.values())
        return {host for host, count in counts.items() if count >= _WAITING_FOR_A_HOST}

    def _hand_over(self, run_id: str, place: _Place) -> None:
        signal = Signal(lambda host: self._turn_to(run_id, host))
        worker = threading.Thread(
            target=self._work, args=(run_id, signal), name=f"{place.lane.value}-{run_id}", daemon=True
        )
        with self._lock:
            self._signals[run_id] = signal
            self._places[run_id] = place
            self._workers.add(worker)
        worker.start()

    def _work(self, run_id: str, signal: Signal) -> None:
        try:
            self._execute(run_id, signal)
        except StoreError as error:
            _log.error("run %s cannot be taken further while the database is away: %s", run_id, error)
        finally:
            with self._lock:
                del self._signals[run_id], self._places[run_id]
                self._turned_to.pop(run_id, None)
                self._workers.discard(threading.current_thread())
            self._wake.set()
