"""Things that are good for a limited time or number of uses: trigger ids and socket tickets.

Knows nothing of what they are exchanged for.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Final

from bot.playground.world import Clock

TRIGGER_SECONDS: Final = 3.0
TICKET_SECONDS: Final = 30.0


@dataclass
class _Pass:
    user: str
    issued_at: float
    used: bool = False


class Triggers:
    """Trigger ids: valid once and for 3 seconds (docs.slack.dev, "trigger_id")."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._passes: dict[str, _Pass] = {}
        self._lock = threading.Lock()

    def issue(self, user: str, wanted: str | None = None) -> str:
        """A trigger id for what `user` just did; `wanted` lets a test choose it."""
        with self._lock:
            number = len(self._passes) + 1
            trigger_id = wanted or f"{int(self._clock() * 1000)}.{number}.{secrets.token_hex(16)}"
            self._passes[trigger_id] = _Pass(user=user, issued_at=self._clock())
            return trigger_id

    def exchange(self, trigger_id: str) -> tuple[str, str | None]:
        """Use a trigger id up: (user, None), or ("", Slack's error code)."""
        with self._lock:
            found = self._passes.get(trigger_id)
            if found is None:
                return "", "invalid_trigger_id"
            if found.used:
                return "", "exchanged_trigger_id"
            if self._clock() - found.issued_at > TRIGGER_SECONDS:
                return "", "expired_trigger_id"
            found.used = True
            return found.user, None


class Tickets:
    """Tickets of Socket Mode addresses: single use, short-lived."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self) -> str:
        """A new ticket."""
        with self._lock:
            ticket = secrets.token_hex(12)
            self._issued[ticket] = self._clock()
            return ticket

    def use(self, ticket: str) -> bool:
        """True once for a fresh ticket."""
        with self._lock:
            issued_at = self._issued.pop(ticket, None)
            return issued_at is not None and self._clock() - issued_at <= TICKET_SECONDS
