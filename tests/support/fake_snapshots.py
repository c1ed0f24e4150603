"""The fake engine's verbs for snapshots and clones. It must not know who uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.engine import RUN_LABEL, Container
from bot.engine.configuration import COMPOSE, is_identity
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Clone, Commit, Configuration, SnapshotImage
from bot.errors import Conflict, EngineError, NotFound
from tests.support.fake_files import Disk, Node
from tests.support.fake_host import Box, FakeHost, is_helper


@dataclass(kw_only=True)
class Kept:
    """A committed image: what is told of it, the files of its layers, and the environment it holds."""

    seen: SnapshotImage
    files: Node
    variables: tuple[str, ...]


class SnapshotVerbs(FakeHost):
    """The part of the engine that makes snapshots and clones of them."""

    def __init__(self, host: str = "local", **facts: object) -> None:
        super().__init__(host, **facts)  # type: ignore[arg-type]
        self.kept_snapshots: dict[str, Kept] = {}
        """By id."""
        self.image_names: dict[str, str] = {}
        """Reference -> id, of all images; tests may put others' names here."""
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
                self.kept_snapshots[made.seen.id] = made
        return made.seen.id

    def name_snapshot(self, image: str, reference: str) -> None:
        """Give it that name, or Conflict."""
        self._enter("name_snapshot")
        with self.lock:
            if self.image_names.get(reference, image) != image:
                raise Conflict(f"There is an image “{reference}” on host “{self.host}” already.")
            if image not in self.kept_snapshots:
                raise NotFound(f"There is no image “{image}”.")
            self.image_names[reference] = image

    def has_image(self, reference: str) -> bool:
        """Whether it is here."""
        self._enter("has_image")
        with self.lock:
            return reference in self.image_names or reference in self.kept_snapshots

    def snapshots(self) -> tuple[SnapshotImage, ...]:
        """Every committed image, the oldest first."""
        self._enter("snapshots")
        with self.lock:
            return tuple(
                replace(kept.seen, references=self._names(id)) for id, kept in self.kept_snapshots.items()
            )

    def remove_snapshot(self, run_id: str) -> bool:
        """Remove what the run committed, or Conflict."""
        self._enter("remove_snapshot")
        with self.lock:
            made = [
                id for id, kept in self.kept_snapshots.items() if kept.seen.labels[SNAPSHOT_LABEL] == run_id
            ]
            for identifier in made:
                if any(box.image_id == identifier for box in self.boxes.values()):
                    raise Conflict(f"A container is made from the image of run {run_id}.")
                del self.kept_snapshots[identifier]
                for name in [name for name, image in self.image_names.items() if image == identifier]:
                    del self.image_names[name]
            return bool(made)

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
            kept = self.kept_snapshots.get(self.image_names.get(clone.image, clone.image))
            if kept is None:
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

    def _layers(self, image: str) -> tuple[str, ...]:
        kept = self.kept_snapshots.get(image)
        return kept.seen.layers if kept else (f"layer of {image}",)

    def _names(self, image: str) -> tuple[str, ...]:
        return tuple(sorted(name for name, other in self.image_names.items() if other == image))


def _copied(disk: Disk, node: Node) -> Node:
    facts = {
        key: getattr(node, key) for key in ("mode", "mtime_ns", "uid", "gid", "data", "target", "device")
    }
    made = disk.new(node.kind, **facts, attributes=dict(node.attributes))
    made.children.update({name: _copied(disk, child) for name, child in node.children.items()})
    return made


def _bytes(node: Node) -> int:
    return len(node.data) + sum(_bytes(child) for child in node.children.values())
