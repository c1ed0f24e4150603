"""The fake engine keeps the contract for images, over fake registries."""

from __future__ import annotations

import itertools

import pytest

from bot.reference import Reference, parse
from tests.contracts.image_contract import USER, ImageContract
from tests.fakes import FakeEngine
from tests.support.fake_registry import FakeRegistry

_numbers = itertools.count(1)


class FakeImageBench:
    """The contract's bench for the fake engine."""

    free, guarded, read_only, down = "free.test", "guarded.test", "closed.test", "down.test"

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        engine.registries = {
            host: FakeRegistry(host=host) for host in (self.free, self.guarded, self.read_only)
        }
        engine.registries[self.guarded].users = {USER.username: USER.password}
        engine.registries[self.read_only].read_only = True

    def add(self, name: str) -> str:
        """An image with the label."""
        return self._engine.add_image(name, made="here").id

    def served(self, reference: Reference) -> str | None:
        """What the fake registry holds."""
        return (
            self._engine.registries[reference.registry]
            .served.get(reference.repository, {})
            .get(reference.tag)
        )

    def forget(self, image_id: str) -> None:
        """Away with it."""
        del self._engine.kept_images[image_id]


class TestFakeImages(ImageContract):
    """The contract, on the fake engine."""

    @pytest.fixture
    def engine(self) -> FakeEngine:
        """New for every test."""
        return FakeEngine()

    @pytest.fixture
    def bench(self, engine: FakeEngine) -> FakeImageBench:
        """Its bench."""
        return FakeImageBench(engine)

    @pytest.fixture
    def word(self) -> str:
        """Counts up."""
        return f"w{next(_numbers)}"


def test_names_move_as_in_docker() -> None:
    """A name belongs to one image: who gets it takes it from the other, which stays without."""
    engine = FakeEngine()
    one, two = engine.add_image("web"), engine.add_image("web")
    assert engine.holder_of("web") == two.id
    assert engine.image(one.id).references == ()
    assert parse("web").tagged.text in engine.image(two.id).references
