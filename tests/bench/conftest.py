"""What benches of backups share: a ground in a real engine, and data that takes long to make, made once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.bench import data
from tests.bench.ground import Filled, Ground
from tests.support.engine_available import require_engine
from tests.support.yard import Yard

MEBIBYTES = int(os.environ.get("SHIPKEEPER_BENCH_MIB", "1024"))
TINY = int(os.environ.get("SHIPKEEPER_BENCH_TINY", "1000000"))


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A place in the engine that answers; for root only, who fills volumes from outside."""
    if os.geteuid() != 0:
        pytest.skip("filling volumes from outside needs root")
    made = Ground(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="session")
def mixed(ground: Ground) -> Filled:
    """A volume of everything: SHIPKEEPER_BENCH_MIB, a GiB without it."""
    return ground.volume("mix", lambda place: data.mix(place, MEBIBYTES))


@pytest.fixture(scope="session")
def tiny(ground: Ground) -> Filled:
    """A volume of tiny files: SHIPKEEPER_BENCH_TINY, a million without it."""
    return ground.volume("tiny", lambda place: data.tiny(place, TINY))
