"""The engine's verbs for snapshots: an image committed from a container, and a container made like another one.

Part of the contract that every engine keeps; it must not know the SDK, nor what the labels say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bot.engine import Container, Storage

SNAPSHOT_LABEL = "shipkeeper.snapshot"
"""On an image: the run that committed it. On a container: the snapshot that it is a clone of."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a container was made with: `text` is enough for another engine to make one like it from the image.

    `image` is the id of the image it was made from and `layers` that image's. `variables` are the names in its
    environment that the image has not got; their values go into any image made of it. `layer_bytes` is the size of
    the container's own layer.
    """

    text: str
    image: str
    layers: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    layer_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What an image gets beside a container's layer and configuration; its labels win over the container's."""

    run_id: str
    author: str
    message: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SnapshotImage:
    """An image that bears the label of snapshots. `references` are its names in full, sorted; `made_at`
    is ISO 8601 text.

    `parent` is the id of the image below it, or empty where the engine does not keep it.
    """

    id: str
    references: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    made_at: str
    layers: tuple[str, ...] = ()
    parent: str = ""
    author: str = ""
    message: str = ""


def committed_by(run_id: str, images: Iterable[SnapshotImage]) -> SnapshotImage | None:
    """The one of them that the run committed; None when it is not there.

    What somebody built from it bears its labels, too: it has more layers, or the same ones and came later.
    """
    bearing = [image for image in images if image.labels.get(SNAPSHOT_LABEL) == run_id]
    return min(bearing, key=lambda image: (len(image.layers), image.made_at), default=None)


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A container to be made like another one; `mounts` is destination -> what is mounted there, and nothing else."""

    name: str
    image: str
    configuration: str
    run_id: str
    mounts: Mapping[str, Storage] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class SnapshotEngine(Protocol):
    """The part of an engine that makes snapshots and clones of them; raises `EngineError` as all of it does."""

    def configuration(self, container: Container) -> Configuration:
        """What the container was made with; raises NotFound when it is gone."""

    def commit(
        self, container: Container, commit: Commit, *, check: Callable[[], None] = lambda: None
    ) -> str:
        """Make an image without a name of the container as it is, which is not paused for it; the image's id.

        `check` is asked several times a second; what it raises is raised at once, and the engine may go on then, so
        that the image appears later (engine fact 20). NotFound when the container is gone.
        """

    def snapshots(self) -> tuple[SnapshotImage, ...]:
        """Every image with the label of snapshots, the oldest first."""

    def remove_snapshot(self, run_id: str) -> bool:
        """Remove the image that run committed, names included; False when nothing is there. May be called twice.

        What somebody built from it stays. Raises Conflict while a container is made from it.
        """

    def left_out(self, configuration: str) -> tuple[str, ...]:
        """What a clone made now would not have of the original's configuration, a phrase each: taken ports, say."""

    def run_clone(self, clone: Clone) -> Container:
        """Make it and start it; raises NotFound without the image or a mount's storage, Conflict for a taken name.

        When it does not start, EngineError; the container stays, for `remove_clone`.
        """

    def clone_of(self, run_id: str) -> Container | None:
        """The clone that the run made, if it is there."""

    def remove_clone(self, name: str, run_id: str) -> None:
        """Remove it, running or not, if it is there and that run made it. May be called twice."""
