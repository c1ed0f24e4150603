"""Response URLs: at most five uses within thirty minutes (docs.slack.dev, "Handling user interaction").

Counts uses only; what an answer does is decided elsewhere.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Final

from bot.playground.records import TEAM_ID, Message
from bot.playground.world import Clock

MOST_USES: Final = 5
LIFETIME_SECONDS: Final = 30 * 60


@dataclass(eq=False, kw_only=True)
class ResponseUrl:
    """One response URL: who acted where, and on which message (None for a slash command)."""

    path: str
    user: str
    channel: str
    source: Message | None
    issued_at: float
    uses: int = 0


class ResponseUrls:
    """All response URLs by path."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._urls: dict[str, ResponseUrl] = {}
        self._lock = threading.Lock()

    def issue(self, user: str, channel: str, source: Message | None = None) -> str:
        """A new path, `/commands/…` for a slash command and `/actions/…` for a click on `source`."""
        with self._lock:
            door = "commands" if source is None else "actions"
            path = f"/{door}/{TEAM_ID}/{len(self._urls) + 1}/{secrets.token_urlsafe(12)}"
            self._urls[path] = ResponseUrl(
                path=path, user=user, channel=channel, source=source, issued_at=self._clock()
            )
            return path

    def use(self, path: str) -> tuple[ResponseUrl | None, str | None]:
        """Count one use: (url, None), or (None, Slack's error code)."""
        with self._lock:
            found = self._urls.get(path)
            if found is None:
                return None, "invalid_url"
            if self._clock() - found.issued_at > LIFETIME_SECONDS:
                return None, "expired_url"
            if found.uses >= MOST_USES:
                return None, "used_url"
            found.uses += 1
            return found, None

    def get(self, path: str) -> ResponseUrl | None:
        """Look at a response URL without using it."""
        with self._lock:
            return self._urls.get(path)
