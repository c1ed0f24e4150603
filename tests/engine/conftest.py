"""What tests on a real Docker engine share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.engine.real import DockerEngine
from tests.support.engine_available import require_engine


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The engine that the environment's DOCKER_HOST names; skips without one, fails when CI=true."""
    engine = DockerEngine("local", base_url=require_engine())
    yield engine
    engine.close()
