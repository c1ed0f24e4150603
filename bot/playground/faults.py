"""Faults of the Web API that a test orders beforehand. Knows nothing of how a fault is carried out."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

ANY_METHOD: Final = "*"


class FaultKind(Enum):
    """What goes wrong."""

    STATUS = "status"
    RATE_LIMITED = "rate_limited"
    ERROR = "error"
    SLOW = "slow"
    RESET_BEFORE_STORE = "reset_before_store"
    RESET_AFTER_STORE = "reset_after_store"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault; build it with the class methods."""

    kind: FaultKind
    code: int = 0
    seconds: float = 0.0
    error_code: str = ""

    @classmethod
    def status(cls, code: int) -> Fault:
        """Answer with this HTTP status and a body that is not JSON; nothing is done."""
        return cls(kind=FaultKind.STATUS, code=code)

    @classmethod
    def rate_limited(cls, retry_after_seconds: int) -> Fault:
        """Answer 429 with this Retry-After; an earlier next call counts as a violation."""
        return cls(kind=FaultKind.RATE_LIMITED, seconds=retry_after_seconds)

    @classmethod
    def error(cls, error_code: str) -> Fault:
        """Answer 200 with `ok: false` and this error code; nothing is done."""
        return cls(kind=FaultKind.ERROR, error_code=error_code)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Do it at once, answer after this many seconds."""
        return cls(kind=FaultKind.SLOW, seconds=seconds)

    @classmethod
    def reset_before_store(cls) -> Fault:
        """Reset the TCP connection; nothing is done."""
        return cls(kind=FaultKind.RESET_BEFORE_STORE)

    @classmethod
    def reset_after_store(cls) -> Fault:
        """Do it, then reset the TCP connection without an answer."""
        return cls(kind=FaultKind.RESET_AFTER_STORE)


class Faults:
    """The faults that wait for their call, and those that were used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Fault]] = {}
        self._used: list[tuple[str, Fault]] = []
        self._outage = False

    def next(self, method: str, fault: Fault, *, times: int = 1) -> None:
        """Queue a fault for the next `times` calls of a method; `"*"` stands for any method."""
        with self._lock:
            self._waiting.setdefault(method, deque()).extend([fault] * times)

    def outage(self, on: bool) -> None:
        """Begin or end an outage: every API call is refused with 503."""
        with self._lock:
            self._outage = on

    def clear(self) -> None:
        """Forget everything that still waits and end an outage."""
        with self._lock:
            self._waiting.clear()
            self._outage = False

    def take(self, method: str) -> Fault | None:
        """The fault for this call, counted as used; None when all is well."""
        with self._lock:
            fault = self._find(method)
            if fault is not None:
                self._used.append((method, fault))
            return fault

    def _find(self, method: str) -> Fault | None:
        if self._outage:
            return Fault.status(503)
        for key in (method, ANY_METHOD):
            waiting = self._waiting.get(key)
            if waiting:
                return waiting.popleft()
        return None

    def times_used(self, method: str | None = None) -> int:
        """How many calls met a fault, of one method or of all."""
        with self._lock:
            return sum(1 for used, _ in self._used if method in (None, used))

    def waiting(self) -> int:
        """How many queued faults nobody has met yet."""
        with self._lock:
            return sum(len(faults) for faults in self._waiting.values())
