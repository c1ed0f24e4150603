"""The client keeps the registries' contract on Debian's docker-registry, over TLS, and when that freezes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import RegistryError
from bot.reasons import Reason
from bot.reference import parse
from bot.registry.client import HttpRegistry
from bot.registry.wire import Limits, Tls
from bot.secrecy import Login
from tests.contracts.registry_contract import USER, WRONG, RegistryContract
from tests.support.registries import Certificates, RealRegistry, free_port, frozen, make_certificates

pytestmark = pytest.mark.engine

PLAIN = Tls(insecure_http=True)
QUICK = Limits(
    connect=timedelta(seconds=1), answer=timedelta(seconds=1), tries=2, wait=timedelta(seconds=0.05)
)


def _client(host: str, login: Login | None = None, tls: Tls = PLAIN, limits: Limits = QUICK) -> HttpRegistry:
    return HttpRegistry("company", host, source=lambda: login, tls=tls, limits=limits)


@dataclass(frozen=True)
class RealBench:
    """Two registries: one that lets everybody in, one with a user."""

    free: RealRegistry
    guarded: RealRegistry

    def open(self, login: Login | None) -> HttpRegistry:
        """The one that lets everybody in."""
        return _client(self.free.host, login, limits=Limits())

    def closed(self, login: Login | None) -> HttpRegistry:
        """The one with a user."""
        return _client(self.guarded.host, login, limits=Limits())

    def down(self) -> HttpRegistry:
        """A port where nobody listens."""
        return _client(f"127.0.0.1:{free_port()}")

    def put(self, repository: str, tag: str, content: str) -> str:
        """The same image in both."""
        self.free.put(repository, tag, content)
        return self.guarded.put(repository, tag, content)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for all."""
    return tmp_path_factory.mktemp("registries")


@pytest.fixture(scope="module")
def registries(place: Path) -> Iterator[RealBench]:
    """Both, started once."""
    with (
        RealRegistry(place / "free") as free,
        RealRegistry(place / "guarded", users={USER.username: USER.password}) as guarded,
    ):
        yield RealBench(free, guarded)


class TestRealRegistry(RegistryContract):
    """The contract, on docker-registry."""

    @pytest.fixture
    def bench(self, registries: RealBench) -> RealBench:
        """The two of the module."""
        return registries


def test_tags_come_in_pages(registries: RealBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's next pages are followed until there is none."""
    monkeypatch.setattr("bot.registry.client._PAGE", "2")
    for number in range(5):
        registries.free.put("team/paged", f"t{number}", "same")
    assert _client(registries.free.host).tags("team/paged") == ("t0", "t1", "t2", "t3", "t4")


def test_a_frozen_registry_is_unreachable_in_time(registries: RealBench) -> None:
    """One that takes the connection and says nothing costs the time limit of each try, no more."""
    with frozen(registries.free):
        begun = time.monotonic()
        with pytest.raises(RegistryError) as failed:
            _client(registries.free.host).prove()
    assert failed.value.reason is Reason.UNREACHABLE
    assert time.monotonic() - begun < 4
    assert _client(registries.free.host).prove() is False


@pytest.fixture(scope="module")
def certificates(place: Path) -> Certificates:
    """Made once."""
    return make_certificates(place)


def test_tls_with_an_authority_of_its_own(place: Path, certificates: Certificates) -> None:
    """A registry's certificate is checked: by the authority that is named, or not believed at all."""
    users = {USER.username: USER.password}
    with RealRegistry(place / "tls", tls=certificates, users=users) as registry:
        digest = registry.put("team/web", "1", "one")
        trusting = Tls(ca_file=certificates.ca)
        assert _client(registry.host, USER, trusting).prove() is True
        assert _client(registry.host, USER, trusting).digest(parse(f"{registry.host}/team/web:1")) == digest
        with pytest.raises(RegistryError, match="accept the login"):
            _client(registry.host, WRONG, trusting).prove()
        with pytest.raises(RegistryError, match="name that as `ca_file`"):
            _client(registry.host, USER, Tls()).prove()


def test_one_without_tls_is_not_spoken_to_by_mistake(registries: RealBench) -> None:
    """HTTP without TLS must be allowed in the settings; the password was not sent."""
    with pytest.raises(RegistryError, match="insecure_http"):
        _client(registries.guarded.host, USER, Tls()).prove()
