"""What tests on a real Docker engine share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.engine import Volume
from bot.engine.real import DockerEngine
from tests.support.engine_available import require_engine
from tests.support.house import House, at_work, settings
from tests.support.tars import small_tar
from tests.support.yard import Yard, refuse_untrue_of


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The engine that the environment's DOCKER_HOST names; skips without one, fails when CI=true."""
    engine = DockerEngine("local", base_url=require_engine())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine, whose volumes can be looked into from outside; for root only."""
    if os.geteuid() != 0:
        pytest.skip("looking into a volume from outside needs root")
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture
def house(yard: Yard, tmp_path: Path) -> Iterator[House]:
    """The whole road over the real engine; no container of a test needs long to end."""
    toml = f'[hosts.local]\naddress = "{yard.url}"\n[quiesce]\nstop_grace = 0\nhealth = 10\n'
    with at_work(settings(tmp_path / "state", toml=toml), {}) as made:
        yield made
        refuse_untrue_of(made.app, yard)


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
