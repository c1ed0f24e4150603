"""What tests on a real Docker engine share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.engine import Volume
from bot.engine.real import DockerEngine
from tests.support.engine_available import require_engine
from tests.support.tars import small_tar


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The engine that the environment's DOCKER_HOST names; skips without one, fails when CI=true."""
    engine = DockerEngine("local", base_url=require_engine())
    yield engine
    engine.close()


@contextmanager
def new_volume(engine: DockerEngine, files: dict[str, bytes]) -> Iterator[str]:
    """The name of a volume with these files; it is removed afterwards."""
    name = f"skt-{uuid.uuid4().hex[:8]}"
    engine.create_volume(Volume(name=name, driver="local"))
    try:
        engine.create_helper(f"{name}-fill", name, run_id="test", read_only=False)
        engine.write_volume(f"{name}-fill", iter([small_tar(files, ("deep",))]))
        engine.remove_helper(f"{name}-fill")
        yield name
    finally:
        engine.remove_helper(f"{name}-fill")
        engine.remove_volume(name)
