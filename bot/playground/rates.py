"""Slack's rate limits as token buckets: tiers per method, chat.postMessage per channel.

Knows nothing of HTTP; the numbers are from docs.slack.dev/apis/web-api/rate-limits.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from bot.playground.records import RateViolation
from bot.playground.world import Clock


class Tier(Enum):
    """How often a method may be called: (calls a minute, calls at once after a rest)."""

    ONE = (1, 1)
    TWO = (20, 5)
    THREE = (50, 20)
    FOUR = (100, 20)
    PER_CHANNEL = (60, 4)
    SPECIAL = (300, 50)

    @property
    def per_second(self) -> float:
        """How many calls a second the bucket regains."""
        return float(self.value[0]) / 60.0

    @property
    def burst(self) -> int:
        """How many calls pass at once after a rest; Slack does not publish it, these are modest guesses."""
        return int(self.value[1])


@dataclass
class _Bucket:
    tokens: float
    filled_at: float
    blocked_until: float = 0.0


class RateLimits:
    """Decides whether a call may pass now.

    `bursts` overrides the burst of single tiers. With `enforce` off only limits that a fault announced count.
    """

    def __init__(
        self,
        clock: Clock,
        on_violation: Callable[[RateViolation], None],
        *,
        enforce: bool = True,
        bursts: Mapping[Tier, int] | None = None,
    ) -> None:
        self.enforce = enforce
        self._bursts = dict(bursts or {})
        self._clock = clock
        self._on_violation = on_violation
        self._buckets: dict[tuple[str, str | None], _Bucket] = {}
        self._lock = threading.Lock()

    def retry_after(self, tier: Tier, method: str, channel: str | None) -> int:
        """0 when the call may pass, else the whole seconds to announce as Retry-After."""
        with self._lock:
            now = self._clock()
            key = self._key(tier, method, channel)
            bucket = self._bucket(key, tier, now)
            if now < bucket.blocked_until:
                return self._too_early(key, bucket, now)
            if not self.enforce or bucket.tokens >= 1.0:
                bucket.tokens -= 1.0
                return 0
            wait = max(1, math.ceil((1.0 - bucket.tokens) / tier.per_second))
            bucket.blocked_until = now + wait
            return wait

    def penalise(self, tier: Tier, method: str, channel: str | None, seconds: float) -> None:
        """Block a method for some seconds, as a 429 does that a fault ordered."""
        with self._lock:
            now = self._clock()
            bucket = self._bucket(self._key(tier, method, channel), tier, now)
            bucket.blocked_until = max(bucket.blocked_until, now + seconds)

    @staticmethod
    def _key(tier: Tier, method: str, channel: str | None) -> tuple[str, str | None]:
        return method, channel if tier is Tier.PER_CHANNEL else None

    def _bucket(self, key: tuple[str, str | None], tier: Tier, now: float) -> _Bucket:
        burst = float(self._bursts.get(tier, tier.burst))
        bucket = self._buckets.setdefault(key, _Bucket(tokens=burst, filled_at=now))
        gained = max(0.0, now - bucket.filled_at) * tier.per_second
        bucket.tokens = min(burst, max(0.0, bucket.tokens) + gained)
        bucket.filled_at = now
        return bucket

    def _too_early(self, key: tuple[str, str | None], bucket: _Bucket, now: float) -> int:
        left = bucket.blocked_until - now
        self._on_violation(RateViolation(method=key[0], channel=key[1], at=now, early_seconds=left))
        return max(1, math.ceil(left))
