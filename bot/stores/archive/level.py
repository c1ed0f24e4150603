"""How hard a tar is worth compressing: as hard as costs no time, by what its beginning tells.

Must not know where the bytes come from nor where they go.
"""

from __future__ import annotations

import time

import zstandard

SAMPLE_BYTES = 8 << 20
"""So much of a tar is looked at; one that is smaller takes no time to speak of at any level."""

SMALL, FAST = 3, 1
"""The levels of what is too small to be measured, and of what comes faster than it can be compressed."""

_HARDER = (6, 3)
_TRIED_BYTES = 1 << 20
_SPARE = 4
"""So much faster than the bytes come must a level be: the engine, the hashes and other runs want the processor, too."""

_HARDLY_SMALLER = 0.95


def level_for(sample: bytes, seconds: float) -> int:
    """The level for a tar that begins with the sample, which took that long to arrive.

    What hardly gets smaller is compressed fast: zstd's fast levels pass over it (it was compressed before).
    """
    tried = sample[-_TRIED_BYTES:]
    for level in _HARDER:
        began = time.perf_counter()
        left = len(zstandard.ZstdCompressor(level=level).compress(tried)) / max(1, len(tried))
        took = time.perf_counter() - began
        if left > _HARDLY_SMALLER:
            return FAST
        if took / len(tried) * _SPARE <= seconds / len(sample):
            return level
    return FAST
