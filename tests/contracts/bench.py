"""What the engine's contract needs beside the engine; each engine's test gives its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from bot.engine import Engine, Volume
from tests.support.tars import in_pieces, small_tar

NewName = Callable[[str], str]


class Bench(Protocol):
    """What the contract needs beside the engine; the subclass's `bench` fixture gives it, and cleans up."""

    def run(self, name: str, *volumes: str) -> None:
        """Make a running container that mounts these volumes."""

    def restart(self, name: str) -> None:
        """Give the container a new life."""

    def remove(self, name: str) -> None:
        """Take the container away."""


class Fixtures:
    """Volumes that the parts of the contract share."""

    @pytest.fixture
    def filled(self, engine: Engine, new_name: NewName) -> Iterator[str]:
        """A volume that holds two files and an empty directory."""
        name = new_name("filled")
        engine.create_volume(Volume(name=name, driver="local"))
        helper = new_name("fill")
        engine.create_helper(helper, name, run_id="fill", read_only=False)
        files = {"a.txt": b"alpha", "sub/b.bin": bytes(range(256)) * 400}
        engine.write_volume(helper, in_pieces(small_tar(files, ("empty", "sub"))))
        engine.remove_helper(helper)
        yield name
        engine.remove_volume(name)

    @pytest.fixture
    def empty(self, engine: Engine, new_name: NewName) -> Iterator[str]:
        """A volume that holds nothing."""
        name = new_name("empty")
        engine.create_volume(Volume(name=name, driver="local"))
        yield name
        engine.remove_volume(name)
