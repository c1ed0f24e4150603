"""The fake registry keeps the registries' contract."""

from __future__ import annotations

import pytest

from bot.secrecy import Login
from tests.contracts.registry_contract import USER, RegistryContract
from tests.support.fake_registry import FakeRegistry


class FakeBench:
    """The contract's bench for the fake registry."""

    def __init__(self) -> None:
        self._served: dict[str, dict[str, str]] = {}

    def open(self, login: Login | None) -> FakeRegistry:
        """One that lets everybody in."""
        made = FakeRegistry()
        made.served, made.me = self._served, login
        return made

    def closed(self, login: Login | None) -> FakeRegistry:
        """One that knows the user."""
        made = self.open(login)
        made.users = {USER.username: USER.password}
        return made

    def down(self) -> FakeRegistry:
        """One that does not run."""
        made = FakeRegistry()
        made.down = True
        return made

    def put(self, repository: str, tag: str, content: str) -> str:
        """An image in both."""
        return self.open(None).put(repository, tag, content)


class TestFakeRegistry(RegistryContract):
    """The contract, on the fake registry."""

    @pytest.fixture
    def bench(self) -> FakeBench:
        """New for every test."""
        return FakeBench()
