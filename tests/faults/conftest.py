"""What the fault tests share: Slack, a state directory, and a place in a real engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.playground import Playground
from tests.support import canaries
from tests.support.engine_available import require_engine
from tests.support.process import Site
from tests.support.yard import Yard


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place for volumes and containers in the engine that answers; empty again afterwards."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def volume(yard: Yard) -> str:
    """A volume that takes about a second to back up: 60 MiB that cannot be compressed."""
    return yard.volume("busy", "dd if=/dev/urandom of=big bs=1048576 count=60 2>/dev/null && echo last > z")


@pytest.fixture(scope="module")
def user(yard: Yard, volume: str) -> str:
    """A running container that uses that volume, to be paused meanwhile."""
    return yard.user("user", volume)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="skf-", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def slack() -> Iterator[Playground]:
    """Slack."""
    with Playground(credentials=canaries.SLACK) as made:
        yield made
        canaries.refuse_told(made)


@pytest.fixture
def site(tmp_path: Path, yard: Yard, slack: Playground) -> Iterator[Site]:
    """A state directory whose processes reach the engine and Slack; all of them end with the test."""
    with Site(tmp_path / "state", docker_host=yard.url, slack=slack) as made:
        yield made
    yard.tidy()
