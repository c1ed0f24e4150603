"""How often Slack may be called: a bucket of tokens for each method, and for each channel that is posted to.

Numbers: Slack's rate limit page (tier 3: 50 a minute; posting: one a second and channel, short bursts pass).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

RESPONSE_URL = "response_url"
"""Stands for the method where an answer is sent to the URL that came with what it answers."""


@dataclass
class _Bucket:
    capacity: float
    per_second: float
    tokens: float
    at: float
    blocked_until: float = 0.0


@dataclass
class Budget:
    """Whether a call may be made now. Not for several threads."""

    monotonic: Callable[[], float] = time.monotonic
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def may(self, method: str, channel: str = "", *, reserve: float = 0.0) -> bool:
        """Take a token if more than `reserve` are left; results use reserve 0, progress leaves some."""
        bucket = self._bucket(method, channel)
        now = self.monotonic()
        bucket.tokens = min(bucket.capacity, bucket.tokens + (now - bucket.at) * bucket.per_second)
        bucket.at = now
        if now < bucket.blocked_until or bucket.tokens < 1.0 + reserve:
            return False
        bucket.tokens -= 1.0
        return True

    def refused(self, method: str, channel: str, retry_after: float) -> None:
        """Slack said 429: no further call of this kind before that many seconds."""
        bucket = self._bucket(method, channel)
        bucket.blocked_until = self.monotonic() + retry_after
        bucket.tokens = 1.0

    def _bucket(self, method: str, channel: str) -> _Bucket:
        capacity, per_second = (3.0, 1.0) if method == "chat.postMessage" else (20.0, 45 / 60)
        if method in ("chat.postEphemeral", "views.publish"):
            capacity, per_second = 10.0, 100 / 60
        elif method == RESPONSE_URL:  # a URL takes five answers; of all together Slack's pages say nothing
            capacity, per_second = 30.0, 20.0
        fresh = _Bucket(capacity=capacity, per_second=per_second, tokens=capacity, at=self.monotonic())
        return self._buckets.setdefault((method, channel), fresh)
