"""Decides whether tests that need a real Docker engine can run here; it must not start one."""

from __future__ import annotations

import functools
import os
import shutil
from datetime import timedelta

import pytest

from bot.engine.real import DockerEngine
from bot.errors import EngineError

_PATIENCE = timedelta(seconds=10)
_HOW = "Run `deploy/engine.sh up` and load its env file, or set DOCKER_HOST."


def require_engine() -> str:
    """The DOCKER_HOST url of the engine that answers; without one skips the test, or fails it when CI=true."""
    address, problem = _probe()
    if address is None:
        _give_up(f"No Docker engine answers: {problem} {_HOW}")
    return str(address)


def require_private_engine() -> None:
    """Skips the test where `deploy/engine.sh` could not start a private engine: it needs root and the programs."""
    if os.geteuid() != 0:
        pytest.skip("A private Docker engine needs root.")
    missing = [
        program for program in ("dockerd", "containerd", "docker-registry") if shutil.which(program) is None
    ]
    if missing:
        pytest.skip(f"A private Docker engine needs programs that are not here: {', '.join(missing)}.")


@functools.cache
def _probe() -> tuple[str | None, str]:
    engine = DockerEngine("tests", stall=_PATIENCE, request_timeout=_PATIENCE)
    try:
        return engine.info().address, ""
    except EngineError as error:
        return None, str(error)
    finally:
        engine.close()


def _give_up(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
