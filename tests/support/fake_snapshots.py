"""The fake engine's verbs for snapshots and clones. It must not know who uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bot.engine import RUN_LABEL, Container
from bot.engine.configuration import COMPOSE, is_identity
from bot.engine.image_contract import Image
from bot.engine.snapshot_contract import (
    SNAPSHOT_LABEL,
    Clone,
    Commit,
    Configuration,
    SnapshotImage,
    committed_by,
)
from bot.errors import Conflict, EngineError, NotFound
from tests.support.fake_files import Disk, Node
from tests.support.fake_host import Box, is_helper
from tests.support.fake_images import FakeImages


@dataclass(kw_only=True)
class Kept:
    """A committed image: what is told of it, the files of its layers, and the environment it holds."""

    seen: SnapshotImage
    files: Node
    variables: tuple[str, ...]


class SnapshotVerbs(FakeImages):
    """The part of the engine that makes snapshots and clones of them."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self.committed: dict[str, Kept] = {}
        """By id; what was removed from the host may be pulled again."""
        self.clones_fail = False
        """Whether a clone does not start."""

    def configuration(self, container: Container) -> Configuration:
        """What it was made with."""
        self._enter("configuration")
        with self.lock:
            box = self.present(container.id)
            labels = {key: value for key, value in box.container.labels.items() if not is_identity(key)}
            return Configuration(
                text=json.dumps({"labels": labels, "ports": box.ports}),
                image=box.image_id,
                layers=self._layers(box.image_id),
                variables=tuple(sorted(box.variables)),
                layer_bytes=_bytes(box.layer),
            )

    def commit(
        self, container: Container, commit: Commit, *, check: Callable[[], None] = lambda: None
    ) -> str:
        """An image without a name; it is made whatever `check` raises."""
        self._enter("commit")
        with self.lock:
            box = self.find(container.id)
            if box is None:
                raise NotFound(f"The container “{container.name}” is gone. No image was made of it.")
            made = self._committed(box, commit)
        try:
            check()
        finally:
            with self.lock:
                self._keep(made)
        return made.seen.id

    def snapshots(self) -> tuple[SnapshotImage, ...]:
        """Every committed image that is here, the oldest first."""
        self._enter("snapshots")
        with self.lock:
            return tuple(
                replace(kept.seen, references=self.kept_images[identifier].references)
                for identifier, kept in self.committed.items()
                if identifier in self.kept_images
            )

    def remove_snapshot(self, run_id: str) -> bool:
        """Remove what the run committed, or Conflict."""
        self._enter("remove_snapshot")
        with self.lock:
            here = [kept.seen for id, kept in self.committed.items() if id in self.kept_images]
            made = committed_by(run_id, here)
            if made is None:
                return False
            if any(box.image_id == made.id for box in self.boxes.values()):
                raise Conflict(f"A container is made from the image of run {run_id}.")
            del self.kept_images[made.id]
            return True

    def build_from(self, image_id: str, *more: str) -> str:
        """As somebody who builds from a snapshot, with more layers or none; the new image's id, without a name."""
        with self.lock:
            kept = self.committed[image_id]
            seen = replace(
                kept.seen,
                id=f"sha256:{self._identifier()}",
                layers=(*kept.seen.layers, *more),
                made_at=self._moment(),
                parent="",
            )
            self._keep(replace(kept, seen=seen))
            return seen.id

    def left_out(self, configuration: str) -> tuple[str, ...]:
        """The ports that somebody publishes."""
        self._enter("left_out")
        with self.lock:
            taken = {port for box in self.boxes.values() for port in box.ports}
            wanted = json.loads(configuration)["ports"]
            return tuple(f"port {port} of the host, which is taken" for port in wanted if port in taken)

    def run_clone(self, clone: Clone) -> Container:
        """Make it and start it."""
        self._enter("run_clone")
        with self.lock:
            kept = self.committed.get(clone.image)
            if kept is None or clone.image not in self.kept_images:
                raise NotFound(f"There is no image “{clone.image}” on host “{self.host}”.")
            for storage in clone.mounts.values():
                self.refuse_missing(storage)
            made = json.loads(clone.configuration)
            inherited = {key: "" for key in kept.seen.labels if is_identity(key)}
            labels = {**inherited, **made["labels"], **clone.labels, RUN_LABEL: clone.run_id}
            box = self.new_box(clone.name, clone.mounts, labels=labels, image=clone.image, state="created")
            box.image_id, box.variables = kept.seen.id, kept.variables
            box.layer.children.update(_copied(self.disk, kept.files).children)
            taken = {port for other in self.boxes.values() for port in other.ports}
            box.ports = [port for port in made["ports"] if port not in taken]
            if self.clones_fail:
                raise EngineError(f"The container “{clone.name}” could not be started.")
            return self.turn(box, "running", new_life=True)

    def clone_of(self, run_id: str) -> Container | None:
        """The clone that the run made, if it is there."""
        self._enter("clone_of")
        with self.lock:
            ours = [box.look() for box in self.boxes.values() if not is_helper(box)]
            wanted = [
                one for one in ours if one.labels.get(RUN_LABEL) == run_id and SNAPSHOT_LABEL in one.labels
            ]
            return wanted[0] if wanted else None

    def remove_clone(self, name: str, run_id: str) -> None:
        """Remove it if that run made it."""
        self._enter("remove_clone")
        with self.lock:
            box = self.boxes.get(name)
            if box is not None and box.container.labels.get(RUN_LABEL) == run_id:
                del self.boxes[name]

    # --- inside ---

    def _committed(self, box: Box, commit: Commit) -> Kept:
        labels = {
            key: "" if key.startswith(COMPOSE) else value for key, value in box.container.labels.items()
        }
        labels |= {**commit.labels, RUN_LABEL: commit.run_id, SNAPSHOT_LABEL: commit.run_id}
        identifier = f"sha256:{self._identifier()}"
        seen = SnapshotImage(
            id=identifier,
            references=(),
            labels=labels,
            size_bytes=_bytes(box.layer),
            made_at=self._moment(),
            layers=(*self._layers(box.image_id), f"layer of {identifier}"),
            parent=box.image_id,
            author=commit.author,
            message=commit.message,
        )
        return Kept(seen=seen, files=_copied(self.disk, box.layer), variables=tuple(box.variables))

    def _keep(self, made: Kept) -> None:
        seen = made.seen
        self.committed[seen.id] = made
        self.kept_images[seen.id] = Image(id=seen.id, labels=seen.labels, size_bytes=seen.size_bytes)

    def _layers(self, image: str) -> tuple[str, ...]:
        kept = self.committed.get(image)
        return kept.seen.layers if kept else (f"layer of {image}",)


def _copied(disk: Disk, node: Node) -> Node:
    facts = {
        key: getattr(node, key) for key in ("mode", "mtime_ns", "uid", "gid", "data", "target", "device")
    }
    made = disk.new(node.kind, **facts, attributes=dict(node.attributes))
    made.children.update({name: _copied(disk, child) for name, child in node.children.items()})
    return made


def _bytes(node: Node) -> int:
    return len(node.data) + sum(_bytes(child) for child in node.children.values())
