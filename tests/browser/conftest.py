"""What browser tests share: the demo, of which an engine has one at a time."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def sole_demo() -> Iterator[None]:
    """Nobody else's demo is at work meanwhile: another test process would be told that the volume is taken."""
    with (Path(tempfile.gettempdir()) / "shipkeeper-tests-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
