"""Remembers of one host that it does not answer, so that it costs one time limit and not one a command.

It must not know what is asked, nor how.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from bot.engine.translate import SDK_ERRORS, Attempt, is_timeout
from bot.errors import BotError, EngineError
from bot.language import say
from bot.reasons import Reason


class Breaker:
    """Closed while the host answers. Open since it did not: then one caller every `again` tries, all others fail."""

    def __init__(
        self,
        again: timedelta,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._again = again.total_seconds()
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._mute_since: datetime | None = None
        self._next_at = 0.0
        self._is_tried = False

    @contextmanager
    def contact(self, attempt: Attempt) -> Iterator[None]:
        """Within it the host is contacted: a timeout that leaves it opens the breaker, anything else closes it.

        Raises EngineError at once, without asking the host, while it is open and not to be tried now.
        """
        began_at, tries = self._enter(attempt)
        is_mute = False
        try:
            yield
        except (BotError, *SDK_ERRORS) as error:
            is_mute = is_timeout(error)
            raise
        finally:
            self._leave(began_at if is_mute else None, tries)

    def _enter(self, attempt: Attempt) -> tuple[datetime, bool]:
        with self._lock:
            if self._mute_since is None:
                return self._now(), False
            if not self._is_tried and self._clock() >= self._next_at:
                self._is_tried = True
                return self._now(), True
            since = self._mute_since
        raise EngineError(
            say(
                "{engine} has not answered since {since:%Y-%m-%d %H:%M:%S} UTC, so it was not asked to "
                "{doing}. That was not done, and nothing was changed by it. The host is tried again every "
                "{again:g} seconds; look at it, then send the command again.",
                engine=attempt.engine,
                since=since,
                doing=attempt.doing,
                again=self._again,
            ),
            reason=Reason.STALLED,
        )

    def _leave(self, mute_since: datetime | None, tries: bool) -> None:
        with self._lock:
            if tries:
                self._is_tried = False
            if mute_since is None:
                self._mute_since = None
                return
            self._next_at = self._clock() + self._again
            self._mute_since = self._mute_since or mute_since
