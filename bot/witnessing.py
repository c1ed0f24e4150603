"""Writes every Docker call that may change something to the audit log before it is made, as part of its run.

Without the entry there is no call; only what takes something back goes on, for leaving it undone would be worse.
It must not know what the calls are for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from bot.engine.witness import Call, undoing
from bot.errors import StoreError
from bot.model import Actor, Origin
from bot.stores.audit import Audit, AuditEvent
from bot.stores.runrow import Run

_log = logging.getLogger(__name__)

ITSELF = Actor(id="shipkeeper", name="shipkeeper")
"""Who does what no run asked for, such as looking for what dead ones left behind."""

DOCKER = "docker"
"""The kind of such an entry."""


@dataclass(frozen=True, kw_only=True)
class _Cause:
    run: Run | None = None
    run_id: str = ""


_cause: ContextVar[_Cause] = ContextVar("cause", default=_Cause())  # noqa: B039 - it is frozen


@contextmanager
def on_behalf_of(run: Run) -> Iterator[None]:
    """Calls of the body, and of threads that it starts with its context, belong to that run."""
    before = _cause.set(_Cause(run=run, run_id=run.id))
    try:
        yield
    finally:
        _cause.reset(before)


@contextmanager
def taking_back(run_id: str) -> Iterator[None]:
    """Calls of the body take back what that run did: they are made even if they cannot be written down."""
    cause = _cause.get()
    run = cause.run if cause.run_id == run_id else None
    before = _cause.set(_Cause(run=run, run_id=run_id))
    try:
        with undoing():
            yield
    finally:
        _cause.reset(before)


class Witnessing:
    """The witness of all engines. It is bound once there is a log."""

    def __init__(self) -> None:
        self._audit: Audit | None = None

    def bind(self, audit: Audit, clock: Callable[[], datetime]) -> None:
        """Where to write."""
        self._audit, self._clock = audit, clock

    def __call__(self, call: Call) -> None:
        """Write it down; raises StoreError, and then the call must not be made."""
        cause = _cause.get()
        if self._audit is None:
            return
        try:
            self._audit.record(_event(call, cause, self._clock()))
        except StoreError as error:
            if not call.undoes:
                raise
            _log.critical(
                "run %s takes back by %s %s on %s, which the audit log cannot be told: %s",
                cause.run_id,
                call.method,
                call.path,
                call.host,
                error,
            )


def _event(call: Call, cause: _Cause, at: datetime) -> AuditEvent:
    asked = cause.run.invocation if cause.run else None
    place = asked.place if asked else None
    return AuditEvent(
        run_id=cause.run_id,
        kind=DOCKER,
        at=at,
        actor=asked.actor if asked else ITSELF,
        origin=asked.origin if asked else Origin.SCHEDULE,
        channel=place.channel if place else None,
        command=cause.run.command if cause.run else None,
        line=asked.line if asked else "",
        host=call.host,
        detail=f"{call.method} {call.path}",
        facts={"undo": True} if call.undoes else {},
    )
