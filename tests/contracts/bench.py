"""What the engine's contract needs beside the engine; each engine's test gives its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from bot.engine import Check, Engine, Volume
from tests.support.tars import in_pieces, small_tar

NewName = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A running container as a test wants it."""

    volumes: Mapping[str, str] = field(default_factory=dict)
    """Volume -> destination."""
    binds: Mapping[str, str] = field(default_factory=dict)
    """Directory of the host -> destination."""
    labels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Absolute path -> content, in its own layer."""
    health: str = ""
    """What its health check will find, `healthy` or `unhealthy`; empty without one."""


class Bench(Protocol):
    """What the contract needs beside the engine; the subclass's `bench` fixture gives it, and cleans up."""

    image: str
    """What its containers are made from."""

    def run(self, name: str, *volumes: str) -> None:
        """Make a running container that mounts these volumes."""

    def make(self, name: str, wanted: Wanted) -> None:
        """Make a running container of that kind."""

    def restart(self, name: str) -> None:
        """Give the container a new life."""

    def remove(self, name: str) -> None:
        """Take the container away."""

    def directory(self, files: Mapping[str, bytes]) -> str:
        """A new directory on the engine's machine, with these files; its path."""

    def socket(self, directory: str, name: str) -> None:
        """Put a socket into such a directory."""

    def words(self, out: bytes = b"", errors: str = "", code: int | None = 0) -> Sequence[str]:
        """A program for `execute` that writes both and ends with that code; None: it runs on and on."""

    def check(self, shown: str, code: int | None = 0) -> Check:
        """A check that writes the volume's file `shown` and ends with that code; None: it runs on and on."""


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
