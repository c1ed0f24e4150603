"""The engine's part that lists what a host has, for people who look around. It must not know the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class ListedContainer:
    """A container as a list tells it: `image` is the reference it was made from, `volumes` are names, sorted."""

    id: str
    name: str
    state: str
    image: str
    image_id: str
    created_at: datetime
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a container is: its state since when, and what its health check says (empty without one)."""

    state: str
    since: datetime
    health: str = ""
    exit_code: int | None = None
    """Of one whose program has ended."""


@dataclass(frozen=True, kw_only=True)
class HostSurvey:
    """What a host is at a glance; our own helpers are counted, too."""

    version: str
    api_version: str
    containers: int
    running: int
    volumes: int


@dataclass(frozen=True, kw_only=True)
class HostExamined:
    """Whether the bot can work on a host. `at` is the time by its own clock, None where it does not say.

    `forbidden` are calls that somebody before the daemon, such as a socket proxy, does not let through, as Docker's
    reference writes them: `POST /containers/{id}/pause`. `has_images`: the images of our own containers are there;
    without them they are made when they are first needed.
    """

    version: str
    api_version: str
    at: datetime | None
    forbidden: tuple[str, ...] = ()
    has_images: bool = False


class InventoryEngine(Protocol):
    """Looking around on one Docker host."""

    @property
    def address(self) -> str:
        """Where it is reached, without credentials; nobody is asked. Raises EngineError when none is chosen."""

    def list_containers(self) -> tuple[ListedContainer, ...]:
        """The company's containers in any state, without our helpers and tools, sorted by name."""

    def condition(self, identifier: str) -> Condition | None:
        """How the container with that id is now; None when it is gone."""

    def volume_sizes(self, limit: timedelta) -> Mapping[str, int]:
        """Bytes that each volume's files take, as far as Docker can tell.

        The daemon walks through all of them: EngineError (reason `stalled`) when that takes longer than the limit.
        """

    def survey(self, limit: timedelta) -> HostSurvey:
        """What the host is at a glance; EngineError when its answers take longer than the limit."""

    def examine(self, limit: timedelta) -> HostExamined:
        """Whether the bot can work there; nothing is changed. EngineError when that takes longer than the limit."""
