"""The registry of deploy/: its certificate, its users and its configuration, run by the real program, pushed to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from bot.model import Status
from tests.support.busybox import IMAGE, TAG, DockerBench
from tests.support.engine_available import require_engine
from tests.support.house import House, at_work, settings
from tests.support.process import until
from tests.support.registries import MANIFEST, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORD = "open-sesame"


def _registry_sh(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEPLOY / "registry.sh", *words], input=given, capture_output=True, text=True, check=False, timeout=60
    )


class Deployed:
    """A directory as registry.sh makes it, and the program serving with deploy's configuration."""

    def __init__(self, directory: Path) -> None:
        self.files = directory / "files"
        self.host = f"127.0.0.1:{free_port()}"
        for words, given in (
            (("init", str(self.files), "127.0.0.1", "registry.example.com"), ""),
            (("user", str(self.files), "builder"), PASSWORD),
        ):
            done = _registry_sh(*words, given=given)
            assert done.returncode == 0, done.stderr
        text = (DEPLOY / "registry" / "config.yml").read_text()
        for old, new in (
            ("/var/lib/registry", str(directory / "data")),
            ("/etc/registry", str(self.files)),
            ("addr: :5000", f"addr: {self.host}"),
        ):
            assert old in text
            text = text.replace(old, new)
        self.config = directory / "config.yml"
        self.config.write_text(text)

    def get(self, path: str, *, auth: tuple[str, str] | None = None) -> requests.Response:
        """One request, with nobody's login unless one is given; the certificate must be the authority's."""
        session = requests.Session()
        session.trust_env = False
        url, verify = f"https://{self.host}{path}", str(self.files / "ca.pem")
        return session.get(url, auth=auth, verify=verify, timeout=10, headers={"Accept": MANIFEST})

    def answers(self) -> bool:
        """Whether it serves."""
        with suppress(requests.ConnectionError):
            return self.get("/").status_code == 200
        return False


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """It, serving."""
    missing = [name for name in ("docker-registry", "htpasswd", "openssl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"The deployed registry needs programs that are not here: {', '.join(missing)}.")
    made = Deployed(tmp_path_factory.mktemp("deployed"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(made.files)}
    process = subprocess.Popen(
        ["docker-registry", "serve", made.config],
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: made.answers() or process.poll() is not None, saying="the registry's answer")
        assert process.poll() is None, "the registry does not take deploy's configuration"
        yield made
    finally:
        process.kill()
        process.wait()


def test_nobody_gets_in_without_a_login(deployed: Deployed) -> None:
    """What the health check asks answers; everything else wants a user, and the right password."""
    assert deployed.get("/").status_code == 200
    assert deployed.get("/v2/").status_code == 401
    assert deployed.get("/v2/", auth=("builder", "wrong")).status_code == 401
    assert deployed.get("/v2/", auth=("builder", PASSWORD)).status_code == 200


def test_files_are_for_their_owner_only(deployed: Deployed) -> None:
    """Keys and users are readable by nobody else; certificates may be read."""
    modes = {path.name: path.stat().st_mode & 0o777 for path in deployed.files.iterdir()}
    assert modes == {
        "ca.key": 0o600, "server.key": 0o600, "htpasswd": 0o600, "ca.pem": 0o644, "server.pem": 0o644
    }  # fmt: skip


@pytest.mark.parametrize("words", [(), ("init",), ("init", "d"), ("init", "{}", "a b"), ("user", "{}")])
def test_wrong_use_makes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It says how it is used."""
    place = tmp_path / "none"
    assert _registry_sh(*(word.format(place) for word in words)).returncode == 2
    assert not place.exists()


@pytest.fixture
def house(deployed: Deployed, tmp_path: Path) -> Iterator[House]:
    """A house with that registry as the company's."""
    toml = (
        f'[hosts.local]\naddress = "{require_engine()}"\n[registries.company]\nhost = "{deployed.host}"\n'
        f'username = "builder"\npassword_env = "PASSWORD"\nca_file = "{deployed.files / "ca.pem"}"\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml, PASSWORD=PASSWORD), {}) as made:
        yield made


@pytest.mark.engine
def test_an_image_gets_there_and_its_digest_back(house: House, deployed: Deployed) -> None:
    """Login, push, and the digest that anybody with a login reads there."""
    bench, repository = DockerBench(require_engine()), f"skt-{uuid.uuid4().hex[:8]}"
    bench._ensure_image()
    try:
        assert house.say("login company").status is Status.SUCCEEDED
        pushed = house.say(f"push {IMAGE}:{TAG} --as {repository}:1", seconds=60)
        assert pushed.status is Status.SUCCEEDED, pushed.reply.text
        served = deployed.get(f"/v2/{repository}/manifests/1", auth=("builder", PASSWORD))
        assert served.headers["Docker-Content-Digest"] == pushed.reply.facts["digest"]
    finally:
        with suppress(docker.errors.ImageNotFound):
            bench.api.remove_image(f"{deployed.host}/{repository}:1", noprune=True)
        bench.close()


# ---- compose.yaml -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """compose.yaml as Compose itself understands it, which also checks its schema."""
    if shutil.which("docker-compose") is None or shutil.which("python3", path="/usr/bin") is None:
        pytest.skip("compose.yaml is checked by the program docker-compose: `deploy/setup.sh tests`.")
    done = subprocess.run(
        ["docker-compose", "--file", DEPLOY / "compose.yaml", "config"],
        env={"PATH": os.environ["PATH"], "DOCKER_GROUP": "999"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    as_json = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    read = subprocess.run(
        ["/usr/bin/python3", "-c", as_json], input=done.stdout, capture_output=True, text=True, check=True
    )
    made: dict[str, Any] = json.loads(read.stdout)
    return made


def test_all_services_are_kept_small(composed: dict[str, Any]) -> None:
    """None may gain privileges or write into its own root; Docker's socket is the proxy's, which is in no network."""
    bot, proxy, registry = (composed["services"][name] for name in ("bot", "docker-proxy", "registry"))
    for service in (bot, proxy, registry):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert bot["user"] == proxy["user"] == "10001:10001"
    assert "docker.sock" not in str(bot["volumes"]).replace("/run/docker-proxy/docker.sock", "")
    assert "ports" not in bot
    assert "group_add" not in bot
    assert (proxy["group_add"], proxy["network_mode"]) == (["999"], "none")
    assert registry["healthcheck"]["test"][-1] == "https://127.0.0.1:5000/"


def test_no_secret_is_in_an_environment(composed: dict[str, Any]) -> None:
    """Tokens and passwords come from files, each of which is a secret of the service."""
    bot = composed["services"]["bot"]
    named = {name: value for name, value in bot["environment"].items() if value.startswith("/run/secrets/")}
    assert all(name.endswith("_FILE") for name in named)
    sources = {one if isinstance(one, str) else one["source"] for one in bot["secrets"]}
    assert (
        {value.removeprefix("/run/secrets/") for value in named.values()}
        == sources
        == set(composed["secrets"])
    )


def test_what_is_mounted_is_what_registry_sh_makes_and_the_configuration_names(
    composed: dict[str, Any], deployed: Deployed
) -> None:
    """Every file of the registry is one that is made, at the place where its configuration looks."""
    text = (DEPLOY / "registry" / "config.yml").read_text()
    for mount in composed["services"]["registry"]["volumes"]:
        source, target = (
            (mount.split(":")[:2]) if isinstance(mount, str) else (mount["source"], mount["target"])
        )
        if "/registry/files/" in source:
            assert (deployed.files / Path(source).name).is_file()
            assert target in text
    assert (DEPLOY / "registry" / "config.yml").is_file()
