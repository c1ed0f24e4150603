"""What is measured, in plain nouns: families of figures, and histograms. Must not know who reads them.

The names and what their endings mean are Prometheus's ("Metric and label naming", prometheus.io/docs/practices).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What becomes of a figure: a COUNTER only grows, a GAUGE goes up and down, a HISTOGRAM counts by size."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """How many there were up to each bound, as it stood once. The last bound is infinity."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def cumulated(self) -> tuple[tuple[float, int], ...]:
        """Each bound, with how many were not larger."""
        made, so_far = [], 0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            so_far += count
            made.append((bound, so_far))
        return tuple(made)


@dataclass(frozen=True, kw_only=True)
class Family:
    """All figures of one name, by the values of its labels. `name` is what follows `shipkeeper_`."""

    name: str
    help: str
    kind: Kind
    values: Mapping[tuple[str, ...], float | Buckets]
    labels: tuple[str, ...] = ()


class Histogram:
    """Counts by size. May be told from any thread."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._total = 0.0
        self._lock = threading.Lock()

    def note(self, size: float) -> None:
        """One more, of that size."""
        with self._lock:
            self._counts[bisect_left(self._bounds, size)] += 1
            self._total += size

    @property
    def buckets(self) -> Buckets:
        """As it stands."""
        with self._lock:
            return Buckets(bounds=self._bounds, counts=tuple(self._counts), total=self._total)


ACK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0)
"""Slack waits for 3 s; what was acknowledged later than 2.5 s is not executed."""

RUN_SECONDS = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600)

BACKUP_BYTES = (1e5, 1e6, 1e7, 5e7, 1e8, 5e8, 1e9, 5e9, 1e10, 5e10, 1e11, 1e12)
