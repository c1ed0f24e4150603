"""From the settings to the registries: what is said there is what is used, and nothing is asked at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import build
from bot.errors import RegistryError
from bot.operations.registries import Registries
from bot.secrecy import Login
from bot.wiring import ignores_docker_host
from tests.fakes import FakeEngine
from tests.support.canaries import canary, planted
from tests.support.house import settings

CANARY = canary("registry-password")
TOML = """
[registries.hub]
host = "docker.io"
docker_config = true
[registries.company]
host = "registry.example.com"
default = true
namespace = "team"
username = "bot"
password_env = "WORD"
repositories = ["team/*"]
tag_pattern = "v.*"
immutable = ["v1"]
[registries.filed]
host = "filed.example.com"
username = "filer"
password_file = "FILE"
[registries.helped]
host = "helped.example.com"
credential_helper = "none-such"
[registries.open]
host = "open.example.com"
"""


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """As the house has them."""
    file = planted(tmp_path) / "word"
    file.write_text(f"{CANARY}-filed\n")
    made = settings(tmp_path / "state", toml=TOML.replace("FILE", str(file)), WORD=CANARY, HOME=str(tmp_path))
    app = build(made, {}, engines={"local": FakeEngine()})
    try:
        return app.services.registries
    finally:
        app.end()


def test_the_default_is_first_and_rules_are_kept(registries: Registries) -> None:
    """The company's is the one that says so; its rules are those of its section."""
    company = registries.known[0]
    assert [known.name for known in registries.known] == ["company", "hub", "filed", "helped", "open"]
    assert company.rules.namespace == "team"
    assert company.rules.repositories == ("team/*",)
    assert (company.rules.tag_pattern, company.rules.immutable) == ("v.*", ("v1",))
    assert registries.complete("web:v1").text == "registry.example.com/team/web:v1"


def test_logins_come_from_where_the_settings_say(registries: Registries) -> None:
    """A variable, a file, a helper, Docker's own file, or nobody; no text of the registries holds a password."""
    by_name = {known.name: known for known in registries.known}
    assert by_name["company"].registry.login() == Login(username="bot", password=CANARY)
    assert by_name["filed"].registry.login() == Login(username="filer", password=f"{CANARY}-filed")
    assert by_name["open"].registry.login() is None
    with pytest.raises(RegistryError, match="docker-credential-none-such"):
        by_name["helped"].registry.login()
    with pytest.raises(RegistryError, match=r"config\.json"):
        by_name["hub"].registry.login()
    assert CANARY not in repr(registries.known)
    assert [known.login for known in registries.known] == [
        "bot", "Docker’s config.json", "filer", "docker-credential-none-such", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hosts", "docker_host", "is_ignored"),
    [
        ("", "unix:///proxy.sock", False),
        ('[hosts.local]\naddress = "unix:///docker.sock"\n', "unix:///proxy.sock", True),
        ('[hosts.local]\naddress = "unix:///docker.sock"\n', "unix:///docker.sock", False),
        ('[hosts.local]\naddress = "unix:///docker.sock"\n', "", False),
    ],
)
def test_a_docker_host_that_nobody_follows_is_known(
    tmp_path: Path, hosts: str, docker_host: str, is_ignored: bool
) -> None:
    """With hosts of the settings DOCKER_HOST counts for nothing; the log says so where it leads elsewhere."""
    assert ignores_docker_host(settings(tmp_path, toml=hosts, DOCKER_HOST=docker_host)) is is_ignored
