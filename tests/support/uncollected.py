"""For tests of what is let go of at once, without the collector of circles, which comes by seldom in the product."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """While the body runs, no circle is collected; what was one before is gone."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def kernel_threads() -> int:
    """How many threads this process has for the kernel: those of libraries count, too."""
    return len(os.listdir("/proc/self/task"))


def open_files() -> int:
    """How many descriptors this process has open, the one that looks among them."""
    return len(os.listdir("/proc/self/fd"))
