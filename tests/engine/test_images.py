"""The engine over docker-py keeps the contract for images on a real daemon and real registries."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import docker
import pytest

from bot.engine.image_contract import ImageEngine
from bot.engine.real import DockerEngine
from bot.errors import Cancelled
from bot.reference import Reference, parse
from tests.contracts.image_contract import USER, ImageContract
from tests.support.busybox import DockerBench
from tests.support.image_made import new_image
from tests.support.registries import RealRegistry, free_port, frozen

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Registries:
    """What the daemon pushes to."""

    free: RealRegistry
    guarded: RealRegistry
    read_only: RealRegistry


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """Three, started once."""
    place = tmp_path_factory.mktemp("registries")
    with (
        RealRegistry(place / "free") as free,
        RealRegistry(place / "guarded", users={USER.username: USER.password}) as guarded,
        RealRegistry(place / "read-only", read_only=True) as read_only,
    ):
        yield Registries(free, guarded, read_only)


class RealImageBench:
    """The contract's bench for a real daemon; removes its images at the end."""

    def __init__(self, url: str, registries: Registries) -> None:
        self._docker = DockerBench(url)
        self._all = {one.host: one for one in (registries.free, registries.guarded, registries.read_only)}
        self.free, self.guarded, self.read_only = self._all
        self.down = f"127.0.0.1:{free_port()}"
        self._made: list[str] = []

    def add(self, name: str, size: int = 0) -> str:
        """An image of one file."""
        image = new_image(self._docker.api, name, size)
        self._made.append(image)
        return image

    def served(self, reference: Reference) -> str | None:
        """Asked of the registry without the product."""
        return self._all[reference.registry].digest(reference.repository, reference.tag)

    def forget(self, image_id: str) -> None:
        """Away with it and its names."""
        with suppress(docker.errors.ImageNotFound):
            self._docker.api.remove_image(image_id, force=True)

    def close(self) -> None:
        """Away with all."""
        for image in self._made:
            self.forget(image)
        self._docker.close()


@pytest.fixture
def real_bench(docker_engine: DockerEngine, registries: Registries) -> Iterator[RealImageBench]:
    """One for each test, on the same registries."""
    made = RealImageBench(docker_engine.info().address, registries)
    yield made
    made.close()


@pytest.fixture
def word() -> str:
    """A name that nobody else has."""
    return f"skt{uuid.uuid4().hex[:8]}"


class TestDockerImages(ImageContract):
    """The contract, on the daemon that the environment names."""

    @pytest.fixture
    def engine(self, docker_engine: DockerEngine) -> ImageEngine:
        """One connection for all."""
        return docker_engine

    @pytest.fixture
    def bench(self, real_bench: RealImageBench) -> RealImageBench:
        """Its bench."""
        return real_bench


def test_a_push_to_a_silent_registry_is_cancelled_at_once(
    docker_engine: DockerEngine, real_bench: RealImageBench, registries: Registries, word: str
) -> None:
    """A registry that froze does not keep anybody waiting, and nothing is served when it goes on."""
    reference = parse(f"{registries.free.host}/team/{word}:1")
    docker_engine.tag(real_bench.add(f"{word}:1"), reference)
    asked_at: list[float] = []
    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > 1:
            asked_at.append(time.monotonic())
            raise Cancelled("enough")

    with frozen(registries.free), pytest.raises(Cancelled):
        docker_engine.push(reference, None, lambda *_: None, check)
    assert time.monotonic() - asked_at[0] < 5
    threading.Event().wait(0.5)
    assert real_bench.served(reference) is None
