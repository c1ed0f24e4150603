"""`check` on a real Docker engine: well without a trace, refused by name behind a proxy that forbids, exit codes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine.real import DockerEngine
from bot.model import Status
from bot.playground import Playground
from tests.engine.conftest import Recorder
from tests.slack.scopes import SCOPES
from tests.support import canaries
from tests.support.doctored import refuse_unnamed
from tests.support.house import House, at_work, settings
from tests.support.process import Site
from tests.support.socket_proxy import proxy
from tests.support.yard import Yard

pytestmark = pytest.mark.engine

_MINUTE = timedelta(minutes=1)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="skd-") as made:
        yield Path(made)


def test_whoever_forbids_changes_is_found(yard: Yard, place: Path, tmp_path: Path) -> None:
    """A socket proxy that lets only looks through, as many do unless they are told otherwise."""
    with proxy(yard.url, place, forbidding=("POST", "PUT", "DELETE")) as address:
        made = settings(tmp_path / "state", toml=f'[hosts.local]\naddress = "{address}"\n')
        with at_work(made, {}) as house:
            outcome = house.say("check")
            docker_calls = [
                one for one in house.app.services.audit.lines(limit=50) if one.event.kind == "docker"
            ]
    refuse_unnamed(
        outcome, "wrong host", "PUT /containers/{id}/archive", "POST /containers/create", "socket proxy"
    )
    (text,) = [str(one[2]) for one in outcome.reply.table.rows if one[0] == "host"]  # type: ignore[union-attr]
    assert "GET " not in text
    assert not docker_calls


def test_one_forbidden_call_is_found(yard: Yard, place: Path, tmp_path: Path) -> None:
    """A list from which a line was lost."""
    with proxy(yard.url, place, without="(tag|push)") as address:
        made = settings(tmp_path / "state", toml=f'[hosts.local]\naddress = "{address}"\n')
        with at_work(made, {}) as house:
            outcome = house.say("check")
    refuse_unnamed(
        outcome, "wrong host", "let these calls through: POST /images/{id}/tag, POST /images/{id}/push."
    )


def test_deploys_own_proxy_forbids_nothing_that_is_needed(yard: Yard, place: Path, calls: Recorder) -> None:
    """All that is tried is on the list; the daemon says of each that there is no such thing."""
    with proxy(yard.url, place) as address:
        engine = DockerEngine("local", base_url=address)
        try:
            assert engine.examine(_MINUTE).forbidden == ()
        finally:
            engine.close()
    assert not calls.beside_the_list()


def test_exit_codes_and_json(yard: Yard, tmp_path: Path) -> None:
    """0 when a served house is well, 4 when a shell is alone, 1 when something is wrong."""
    with (
        Playground(scopes=SCOPES, credentials=canaries.SLACK) as slack,
        Site(tmp_path / "state", docker_host=yard.url, slack=slack) as site,
    ):
        site.state.chmod(0o700)
        alone = site.say("check", "--json")
        assert alone.returncode == 4, alone
        found = json.loads(alone.stdout)
        assert [one["check"] for one in found["rows"] if one["state"] != "ok"] == ["serving"]
        site.serve().connected()
        well = site.say("check", "--json")
        assert well.returncode == 0, well.stdout
        assert json.loads(well.stdout)["facts"]["wrong"] == 0
        slack.disconnect("link_disabled")
        assert site.say("check").returncode == 1


@pytest.fixture
def house(tmp_path: Path, yard: Yard) -> Iterator[House]:
    """A house on the real engine."""
    made = settings(tmp_path / "state", toml=f'[hosts.local]\naddress = "{yard.url}"\n')
    with at_work(made, {}) as working:
        yield working


def test_a_host_that_is_well(house: House) -> None:
    """Its versions are told, and whether our own image is there."""
    outcome = house.say("check")
    assert outcome.status is Status.PARTIAL  # no Slack, and the directory of a test is open
    (text,) = [str(one[2]) for one in outcome.reply.table.rows if one[0] == "host"]  # type: ignore[union-attr]
    assert "answers and lets the bot work: Docker " in text
