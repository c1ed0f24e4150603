"""The wall to Docker: our verbs in, our nouns and errors out.

This file holds the contract that every engine keeps; it must not know the SDK. `real.py` is Docker itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

HELPER_LABEL = "shipkeeper.helper"
RUN_LABEL = "shipkeeper.run"


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What answered: the daemon's name for itself, its version, its API version and where it was reached."""

    name: str
    version: str
    api_version: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A named volume as Docker describes it."""

    name: str
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container: `state` is Docker's word (`created running paused exited …`).

    `started_at` is Docker's own text; it tells one life of the container from the next.
    """

    id: str
    name: str
    state: str
    started_at: str
    labels: Mapping[str, str] = field(default_factory=dict)


class ByteStream(Protocol):
    """Bytes that arrive; `read` blocks for at most the engine's stall limit, then raises EngineError."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; `b""` once the other side has ended."""


class Engine(Protocol):
    """One Docker host. Every method raises `EngineError` when the daemon fails or does not answer."""

    host: str

    def info(self) -> EngineInfo:
        """Who answers; raises EngineError for podman's imitation of the API (engine fact 26)."""

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, sorted by name."""

    def volume(self, name: str) -> Volume:
        """The volume of that name; raises NotFound, naming the nearest ones."""

    def create_volume(self, volume: Volume) -> None:
        """Make it, exactly so; raises Conflict when the name is taken (Docker itself would say nothing)."""

    def remove_volume(self, name: str) -> None:
        """Remove it if it is there; raises Conflict while something uses it. May be called twice."""

    def container(self, reference: str) -> Container:
        """The container with that name or id; raises NotFound, naming the nearest ones."""

    def users_of(self, volume: str) -> tuple[Container, ...]:
        """Containers in any state that mount the volume, without our helpers, sorted by name."""

    def pause(self, container: Container) -> None:
        """Freeze a running container; raises Conflict when it is not running."""

    def unpause(self, container: Container) -> bool:
        """Wake it if it is still paused in the same life; False when there was nothing to do."""

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Stop a running container."""

    def start(self, container: Container) -> bool:
        """Start it if it is still stopped; False when there was nothing to do."""

    def create_helper(self, name: str, volume: str, *, run_id: str, read_only: bool) -> None:
        """Create, and never start, a container that mounts the volume at /volume (engine facts 7, 9, 13)."""

    def remove_helper(self, name: str) -> None:
        """Remove it if it is there. May be called twice."""

    def helpers(self) -> tuple[Container, ...]:
        """Every helper container on the host, whoever made it."""

    def read_volume(self, helper: str) -> AbstractContextManager[ByteStream]:
        """The archive API's tar of /volume; 200 and an end prove nothing (engine fact 1): parse it."""

    def write_volume(self, helper: str, tar: Iterator[bytes]) -> None:
        """Unpack a tar whose entries are named `volume/…` at the helper's root."""

    def close(self) -> None:
        """Give back the connection. May be called twice."""
