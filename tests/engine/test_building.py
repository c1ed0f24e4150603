"""Building on a real engine: steps that run, fail, are silent or cancelled, and a push of what came of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from bot.engine import Engine
from bot.engine.real import DockerEngine
from bot.errors import NotFound
from bot.model import Status
from tests.contracts.build_contract import BuildContract
from tests.support.busybox import IMAGE, TAG, DockerBench
from tests.support.engine_available import require_engine
from tests.support.house import House, at_work, settings, wait_for
from tests.support.registries import RealRegistry

pytestmark = pytest.mark.engine


class TestDockerBuilds(BuildContract):
    """The contract, on the engine that the environment names."""

    @pytest.fixture
    def engine(self, docker_engine: DockerEngine) -> Engine:
        """One connection for all."""
        return docker_engine


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry with a user."""
    with RealRegistry(tmp_path_factory.mktemp("registry"), users={"builder": "sesame"}) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A context whose first step is an image that the engine has."""
    bench = DockerBench(require_engine())
    bench._ensure_image()
    bench.close()
    made = tmp_path / "context"
    made.mkdir()
    (made / "app").write_bytes(b"code")
    return made


@pytest.fixture
def name() -> str:
    """A repository of the test's own."""
    return f"skt-{uuid.uuid4().hex[:8]}/web"


@pytest.fixture
def house(registry: RealRegistry, place: Path, name: str, tmp_path: Path) -> Iterator[House]:
    """A house that may build `web` and push it."""
    url = require_engine()
    toml = (
        f'[hosts.local]\naddress = "{url}"\n[limits]\nstall = 2\n'
        f'[builds.web]\ncontext = "{place}"\nimage = "{name}:1"\nregistry = "company"\n'
        f'arguments = {{ WORD = "hello" }}\n'
        f'[registries.company]\nhost = "{registry.host}"\nusername = "builder"\npassword_env = "PASSWORD"\n'
        "insecure_http = true\n"
    )
    with at_work(settings(tmp_path / "state", toml=toml, PASSWORD="sesame"), {}) as made:
        yield made
    api = docker.APIClient(base_url=url, version="auto")
    with suppress(docker.errors.ImageNotFound):
        api.remove_image(f"{registry.host}/{name}:1", force=True)
    api.close()


def _dockerfile(place: Path, *steps: str) -> None:
    (place / "Dockerfile").write_text("\n".join((f"FROM {IMAGE}:{TAG}", *steps)) + "\n")


def test_a_build_runs_its_steps_and_is_pushed(
    house: House, registry: RealRegistry, place: Path, name: str
) -> None:
    """Arguments arrive, a step may be silent for longer than streams may, and the registry serves what was built."""
    _dockerfile(place, "ARG WORD", "COPY app /app", 'RUN test "$WORD" = hello && cat /app && sleep 3')
    ended = house.say("build web --push --no-cache", seconds=60)
    assert ended.status is Status.SUCCEEDED, ended.reply.text
    assert f"serves {registry.digest(name, '1')}" in ended.reply.text
    with house.app.services.outgoing.open(ended.run_id, ended.reply.attachments[0]) as log:
        assert "\ncode" in log.read().decode().replace("\x1b[0m", "")
    image = house.app.services.engine(None).image(f"{registry.host}/{name}:1")
    assert image.labels["shipkeeper.run"] == ended.run_id


def test_a_failed_step_and_a_cancel_leave_no_name(
    house: House, registry: RealRegistry, place: Path, name: str
) -> None:
    """The network is none, so a step that needs one fails; a cancel ends a step that would never end."""
    engine, reference = house.app.services.engine(None), f"{registry.host}/{name}:1"
    _dockerfile(place, "RUN exit 7")
    ended = house.say("build web", seconds=60)
    assert ended.status is Status.FAILED
    assert "returned a non-zero code: 7" in ended.reply.text
    _dockerfile(place, "RUN echo begun && sleep 600")
    run_id = house.accept("build web")
    wait_for(lambda: "Step 2" in str(house.run(run_id).progress), seconds=30, saying="the second step")
    began = time.monotonic()
    house.say(f"cancel {run_id}")
    assert house.ending(run_id, seconds=10).status is Status.CANCELLED
    assert time.monotonic() - began < 5
    with pytest.raises(NotFound):
        engine.image(reference)
    bench = DockerBench(require_engine())
    wait_for(lambda: not _builders(bench), seconds=20, saying="the end of the step's container")
    bench.close()


def _builders(bench: DockerBench) -> list[str]:
    return [
        one["Id"]
        for one in bench.api.containers()
        if "sleep 600" in one["Command"] and "begun" in one["Command"]
    ]
