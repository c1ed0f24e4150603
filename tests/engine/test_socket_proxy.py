"""Docker behind deploy's socket proxy: all that the bot does goes through, and what it never does is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from bot.model import Status
from tests.engine.conftest import Recorder
from tests.support.busybox import IMAGE, TAG
from tests.support.house import House, at_work, settings
from tests.support.socket_proxy import proxy, rule_for, rules
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

NEVER = (
    ("POST", "/containers/{id}/attach"),
    ("GET", "/containers/{id}/export"),
    ("GET", "/containers/{id}/top"),
    ("POST", "/containers/{id}/rename?name=x"),
    ("POST", "/containers/{id}/update"),
    ("POST", "/containers/{id}/restart"),
    ("POST", "/containers/prune"),
    ("POST", "/volumes/prune"),
    ("POST", "/images/prune"),
    ("GET", "/images/get?names=x"),
    ("POST", "/images/load"),
    ("POST", "/networks/create"),
    ("DELETE", "/networks/x"),
    ("POST", "/swarm/init"),
    ("GET", "/secrets"),
    ("GET", "/configs"),
    ("GET", "/plugins"),
    ("POST", "/plugins/pull?remote=x"),
    ("GET", "/events"),
    ("POST", "/auth"),
    ("POST", "/session"),
    ("POST", "/grpc"),
    ("PATCH", "/containers/json"),
    ("DELETE", "/containers/a/b"),
    ("GET", "/images/../swarm/json"),
    ("GET", "/images//json"),
    ("POST", "/images/a/../../containers/{id}/attach"),
    ("GET", "/containers/%2e%2e/json"),
    ("GET", "/containers/{id}/json/../attach"),
)


@pytest.fixture
def address(yard: Yard) -> Iterator[str]:
    """The engine as the bot reaches it through the proxy."""
    with tempfile.TemporaryDirectory(prefix="skx-") as directory, proxy(yard.url, Path(directory)) as made:
        yield made


@pytest.fixture
def house(yard: Yard, address: str, tmp_path: Path) -> Iterator[House]:
    """The whole road over the engine behind the proxy."""
    toml = (
        f'[hosts.local]\naddress = "{address}"\n[quiesce]\nstop_grace = 0\nhealth = 10\n'
        f'[drills.any]\nvolumes = ["*"]\nimage = "{IMAGE}:{TAG}"\ncommand = ["/bin/sh", "-c", "ls /volume"]\n'
        '[runbooks.look]\ncommand = ["/bin/ls", "/v0"]\ncontainers = ["*"]\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml), {}) as made:
        yield made
        refuse_untrue_of(made.app, yard)


def test_the_daily_verbs_work_behind_the_proxy(house: House, yard: Yard) -> None:
    """Back up, verify, drill, restore over, undo, run a runbook, snapshot, list: each succeeds."""
    volume = yard.volume("proxied", "echo kept > file; mkdir d; ln -s file d/link")
    user = yard.user("user", volume)
    backup = house.say(f"backup {volume} --quiesce stop")
    assert backup.status is Status.SUCCEEDED, backup.reply.text
    for line in (
        f"verify {backup.run_id}",
        f"drill {volume}",
        f"restore {backup.run_id} --replace",
        f"backup {user}:/bin --quiesce pause",
        f"exec {user} look",
        f"snapshot {user} --tag skx/proxied:1",
        "tag skx/proxied:1 skx/other:2",
        "volumes",
        "containers",
        "images",
        "hosts",
        "check",
    ):
        outcome = house.say(line)
        assert outcome.status in (Status.SUCCEEDED, Status.PARTIAL), f"{line}: {outcome.reply.text}"
    for tag in ("skx/proxied:1", "skx/other:2"):
        yard.bench.api.remove_image(tag, force=True)


def test_what_the_bot_never_asks_for_is_refused(yard: Yard, address: str) -> None:
    """Calls beside the list get 403 from the proxy, whatever they are written like; the daemon is not asked."""
    volume = yard.volume("spared")
    user = yard.user("spared", volume)
    through = docker.APIClient(base_url=address, version="auto", timeout=10)
    try:
        assert through.inspect_container(user)["State"]["Running"]
        for method, path in NEVER:
            url = f"{through.base_url}/v{through.api_version}{path.format(id=user)}"
            request = requests.Request(method, url).prepare()
            request.url = url  # as it stands, with its dots
            answer = through.send(request, timeout=10)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text}"
    finally:
        through.close()
    assert yard.state(user) == "running"


def test_the_list_says_the_same_to_us_and_to_the_proxy() -> None:
    """As this test reads the list, nothing of what must never be asked for is on it."""
    for method, path in NEVER:
        assert rule_for(method, f"/v1.41{path.format(id='web')}") is None, f"{method} {path}"
    assert len(rules()) == len(set(rules()))


def test_what_the_engine_asks_is_on_the_list(calls: Recorder) -> None:
    """The recorder that looks at every test of this directory knows a call that is not on the list."""
    calls.note("GET", "http+docker://localhost/v1.41/containers/json?all=1")
    assert not calls.beside_the_list()
    calls.note("GET", "http+docker://localhost/v1.41/secrets")
    assert calls.beside_the_list() == ["GET /secrets"]
    calls.forget("/secrets")
    assert json.dumps(sorted(calls.made))
