"""Carries ids of runs to workers. The rows are the truth; a queue that forgets everything loses nothing.

`RunQueue` in `bot/workers.py` is the contract; `EmbeddedQueue` needs no server. Knows nothing of commands, Docker or
Slack.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from bot.errors import StoreError
from bot.stores.database import Database, Transaction
from bot.stores.runrow import Lane
from bot.stores.runs import Runs
from bot.workers import Execute, Place, Signal, Task, WorkerInfo

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
"""How soon a row that another process stored, or a cancel that it asked for, is seen."""


_RECOVER_SECONDS = 5.0
"""How often to look for runs whose worker gave up because the database was away."""

_WAITING_FOR_A_HOST = 8
"""How many runs may ask one host at a time before they are handed to its workers."""

_AHEAD = 32
"""How many runs of the front lane are remembered at a look, beside those that are handed over at once."""

_LAST_SECONDS = 5.0
"""What running bodies get to take back what they began, once the grace is over."""


class EmbeddedQueue:
    """A thread that looks at the table, and workers on two lanes: FRONT decides quickly, WORK works for long.

    The two lanes are why a question is answered while every worker is busy for an hour. On WORK each host has
    workers of its own, and so it has on FRONT, once it is known which host a run turns to: a host that is mute keeps
    nobody from another one. Whoever works does not keep the process alive: what is cut off is taken back at the next
    start. It must run in the sole holder of the database only.
    """

    def __init__(self, database: Database, threads: Mapping[Lane, int], hosts: int = 1) -> None:
        self._database = database
        self._hosts = hosts
        self._turned_to: dict[str, str] = {}
        self._sent_back: dict[str, str] = {}
        self._only: frozenset[str] | None = None
        self._ready: deque[tuple[str, str]] = deque()
        self._changed = {*Lane}
        self._threads = dict(threads)
        self._signals: dict[str, Signal] = {}
        self._places: dict[str, Place] = {}
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._ends_at = self._left_at = 0.0
        self._loop: threading.Thread | None = None
        self._is_held_back = False
        self.may_execute: Callable[[], bool] = lambda: True
        """Asked at every round: while it says no, another process executes, and its runs are no orphans of ours."""

    def bind(self, runs: Runs) -> None:
        """Where to look. The table needs the queue to wake, and the queue needs the table."""
        self._runs = runs

    def start(self, execute: Execute, *, only: frozenset[str] | None = None) -> None:
        """Begin; with `only`, no other work is done here, but everybody is decided about and answered."""
        self._execute, self._only = execute, only
        self.recover()
        self._loop = threading.Thread(target=self._look, name="queue", daemon=True)
        self._loop.start()

    def enqueue(self, connection: Transaction, run_id: str, lane: Lane) -> None:  # noqa: ARG002 - the row says it
        """The row is the queue: only wake the loop, once it can see the row."""
        self._database.after_commit(connection, lambda: self._look_at(lane))

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
            with self._lock:
                task = self._taken(run.id, Place(Lane.WORK, run.host))
            self._hand_over(task)
        return len(orphans)

    @property
    def is_alive(self) -> bool:
        """Whether somebody looks for runs that wait."""
        return self._loop is not None and self._loop.is_alive()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Who is at work in this process."""
        with self._lock:
            return tuple(WorkerInfo(lane=at.lane, run_id=run_id) for run_id, at in self._places.items())

    def stop(self, grace: float) -> None:
        """Hand out nothing more, wait, then tell what still runs to take back what it began.

        May be called twice, and then waits no longer than once.
        """
        self._stopping.set()
        self._wake.set()
        if self._loop is not None:
            self._loop.join()
        self._ends_at = self._ends_at or time.monotonic() + grace
        self._join(self._ends_at)
        with self._lock:
            for signal in self._signals.values():
                signal.stop()
        self._left_at = self._left_at or time.monotonic() + _LAST_SECONDS
        self._join(self._left_at)

    def _join(self, deadline: float) -> None:
        with self._lock:
            workers = set(self._workers)
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0))

    def _look_at(self, *lanes: Lane) -> None:
        """Wake the loop: something of these lanes has changed."""
        with self._lock:
            self._changed.update(lanes)
        self._wake.set()

    def _look(self) -> None:
        recovered_at = polled_at = time.monotonic()
        while not self._stopping.is_set():
            self._wake.wait(max(polled_at + _POLL_SECONDS - time.monotonic(), 0.0))
            self._wake.clear()
            if self._stopping.is_set():
                return
            is_round = time.monotonic() - polled_at >= _POLL_SECONDS
            try:
                if is_round:
                    polled_at = time.monotonic()
                    self._is_held_back = not self.may_execute()
                if self._is_held_back:
                    continue
                self._fill({*Lane} if is_round else set())
                if is_round:
                    for run_id in self._runs.asked_to_cancel():
                        self.cancel(run_id)
                if time.monotonic() - recovered_at > _RECOVER_SECONDS:
                    recovered_at = time.monotonic()
                    self.recover()
            except StoreError as error:
                polled_at = time.monotonic()
                _log.error("the queue cannot see the runs, and will look again: %s", error)

    def _fill(self, also: set[Lane]) -> None:
        with self._lock:
            changed, self._changed = self._changed | also, set()
        if Lane.FRONT in changed:
            self._fill_front()
        if Lane.WORK in changed:
            self._fill_work()

    def _fill_front(self) -> None:
        """Few decide at a time; those that turned to a host meanwhile are counted there, and not here.

        Some more are remembered, so that a worker goes on with the next one without another look.
        """
        with self._lock:
            self._ready.clear()
            busy = set(self._signals)
            full = self._full_hosts()
            self._sent_back = {run_id: host for run_id, host in self._sent_back.items() if host in full}
            waiting = set(self._sent_back) - busy
            if self._free_in_front() <= 0:
                return
        found = self._runs.claimable(Lane.FRONT, _AHEAD + len(busy), without=waiting)
        with self._lock:
            self._ready.extend(one for one in found if one[0] not in busy)
        while (following := self._next_in_front()) is not None and self._hand_over(following):
            pass

    @property
    def _goes_on(self) -> bool:
        return not (self._stopping.is_set() or self._is_held_back)

    def _free_in_front(self) -> int:
        here = [run_id for run_id, at in self._places.items() if at.lane is Lane.FRONT]
        deciding = sum(1 for run_id in here if run_id not in self._turned_to)
        return min(self._threads[Lane.FRONT] - deciding, _WAITING_FOR_A_HOST * self._hosts - len(here))

    def _next_in_front(self) -> Task | None:
        """Take one of those that are ready, if one more may be decided about now."""
        with self._lock:
            while self._ready and self._free_in_front() > 0 and self._goes_on:
                run_id, host = self._ready.popleft()
                if run_id not in self._signals and run_id not in self._sent_back:
                    return self._taken(run_id, Place(Lane.FRONT, host))
        return None

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
                    with self._lock:
                        task = self._taken(run_id, Place(Lane.WORK, host))
                    if not self._hand_over(task):
                        return
            if len(found) < limit:
                return

    def _turn_to(self, run_id: str, host: str) -> bool:
        with self._lock:
            if self._places[run_id].lane is Lane.FRONT:
                if host in self._full_hosts():
                    self._sent_back[run_id] = host
                    return False
                self._turned_to[run_id] = host
        self._look_at(Lane.FRONT)
        return True

    def _full_hosts(self) -> set[str]:
        counts = Counter(self._turned_to.values())
        return {host for host, count in counts.items() if count >= _WAITING_FOR_A_HOST}

    def _taken(self, run_id: str, place: Place) -> Task:
        """Note who is at work, while the lock is held."""
        signal = Signal(lambda host: self._turn_to(run_id, host))
        self._signals[run_id] = signal
        self._places[run_id] = place
        return Task(run_id, place, signal)

    def _hand_over(self, task: Task) -> bool:
        """False where no thread can be had: the run waits as if nobody had looked, and the next look tries again."""
        name = f"{task.place.lane.value}-{task.run_id}"
        worker = threading.Thread(target=self._work, args=(task,), name=name, daemon=True)
        with self._lock:
            self._workers.add(worker)
        try:
            worker.start()
        except RuntimeError as error:
            _log.error(
                "run %s has to wait: %s; look at the limits of processes and memory", task.run_id, error
            )
            with self._lock:
                self._workers.discard(worker)
                self._forget(task)
            return False
        return True

    def _work(self, task: Task) -> None:
        """Execute it; in front, then what is ready next, for starting a thread costs as much as a short run."""
        following: Task | None = task
        try:
            while following is not None:
                self._carry_out(following)
                following = self._next_in_front() if task.place.lane is Lane.FRONT else None
        finally:
            with self._lock:
                self._workers.discard(threading.current_thread())
            self._look_at(task.place.lane)

    def _carry_out(self, task: Task) -> None:
        try:
            self._execute(task.run_id, task.signal)
        except StoreError as error:
            _log.error("run %s cannot be taken further while the database is away: %s", task.run_id, error)
        finally:
            with self._lock:
                self._forget(task)

    def _forget(self, task: Task) -> None:
        """Nobody is at work at it any more; while the lock is held."""
        del self._signals[task.run_id], self._places[task.run_id]
        self._turned_to.pop(task.run_id, None)
