"""Who works at what: a run in the hands of a worker, how its body is told to end, and what may hand it over.

`RunQueue` is the contract of who does; it knows none that keeps it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.stores.database import Transaction
from bot.stores.runrow import Lane


class Signal:
    """Tells a running body that it should end, and why."""

    def __init__(self, admit: Callable[[str], bool] = lambda _host: True) -> None:
        self._admit = admit
        self._cancelled = threading.Event()
        self._stopping = threading.Event()

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

    def stop(self) -> None:
        """Say that the process ends. May be called twice."""
        self._stopping.set()


Execute = Callable[[str, Signal], None]


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """What one worker is doing."""

    lane: Lane
    run_id: str


@dataclass(frozen=True)
class Place:
    """Where a run is at work."""

    lane: Lane
    host: str


@dataclass(frozen=True)
class Task:
    """A run in the hands of a worker."""

    run_id: str
    place: Place
    signal: Signal


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
