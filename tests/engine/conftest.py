"""What tests on a real Docker engine share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.engine import Volume
from bot.engine.client import Client
from bot.engine.real import DockerEngine
from tests.support.engine_available import require_engine
from tests.support.house import House, at_work, settings
from tests.support.socket_proxy import rule_for, without_version
from tests.support.tars import small_tar
from tests.support.yard import Yard, refuse_untrue_of


class Recorder:
    """Every call that the product made to a Docker daemon in this process, as method and path without version."""

    def __init__(self) -> None:
        self.made: set[tuple[str, str]] = set()
        self._odd: set[tuple[str, str]] = set()

    def note(self, method: str, url: str) -> None:
        """A call is about to be made."""
        call = (method, without_version(url))
        self.made.add(call)
        if rule_for(method, url) is None:
            self._odd.add(call)

    def beside_the_list(self) -> list[str]:
        """Those that deploy's socket proxy would refuse."""
        return sorted(f"{method} {path}" for method, path in self._odd)

    def forget(self, path: str) -> None:
        """It was no call of the product."""
        self.made = {call for call in self.made if call[1] != path}
        self._odd = {call for call in self._odd if call[1] != path}


@pytest.fixture(scope="session")
def _recorder() -> Iterator[Recorder]:
    """Looks over the shoulder of every client that the product makes."""
    recorder, send = Recorder(), Client.send

    def sending(client: Client, request: Any, **more: Any) -> Any:
        recorder.note(request.method, request.url)
        return send(client, request, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "send", sending)
        yield recorder
    file = os.environ.get("SHIPKEEPER_CALLS")
    if file:
        with Path(file).open("a") as lines:
            lines.writelines(f"{method} {path}\n" for method, path in sorted(recorder.made))


@pytest.fixture(autouse=True)
def calls(_recorder: Recorder) -> Iterator[Recorder]:
    """After each test: the product asked Docker for nothing that is not on the socket proxy's list."""
    yield _recorder
    assert _recorder.beside_the_list() == [], "deploy/docker-socket-proxy.cfg does not let these through"


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
