"""Confirms runs off the road that acknowledgements take: first everybody who waits is told, then all of it begins.

Whoever was told wants an answer, whoever was not wants only to be told. It must not know what confirming does.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.crowd import Crowd
from bot.errors import BotError

_log = logging.getLogger(__name__)
_LONGEST_WAIT = 0.3
"""Seconds that begun work may wait for those who are still to be told; without end it would never begin."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """That the sender of a run was told of it, `waited` after it had come in, at that time."""

    run_id: str
    waited: timedelta
    at: datetime

    def after(self, created_at: datetime) -> timedelta:
        """How late that was: a repeat counts from the first delivery on, for whoever sends may have given that up."""
        return max(self.waited, self.at - created_at)


class Confirmations:
    """A thread that confirms together what was told meanwhile, and lets a crowd at the door go first."""

    def __init__(
        self, confirm: Callable[[Sequence[Told]], None], clock: Callable[[], datetime], crowd: Crowd
    ) -> None:
        self._confirm = confirm
        self._clock = clock
        self._crowd = crowd
        self._told: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def note(self, run_id: str, waited: timedelta) -> None:
        """Slack was just told of that run, so long after it had asked."""
        self._told.put(Told(run_id=run_id, waited=waited, at=self._clock()))

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name="confirmations", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End once everything is confirmed that was told. May be called twice."""
        self._told.put(None)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        is_over = False
        while not is_over:
            taken = [self._told.get()]
            self._crowd.wait_until_gone(_LONGEST_WAIT)
            while not self._told.empty():
                taken.append(self._told.get())
            is_over = None in taken
            self._confirm_all([one for one in taken if one is not None])

    def _confirm_all(self, told: Sequence[Told]) -> None:
        if not told:
            return
        try:
            self._confirm(told)
        except BotError as error:
            # They stay unconfirmed and so are never executed; the housekeeper tells people within seconds.
            _log.error("runs could not be confirmed: %s: %s", ", ".join(one.run_id for one in told), error)
