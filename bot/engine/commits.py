"""Makes images of containers, and finds and removes the ones we made, over docker-py.

It must not know what the labels say, nor who is kept still meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import docker

from bot.engine import RUN_LABEL, Container
from bot.engine.configuration import COMPOSE, written
from bot.engine.containers import ContainerVerbs
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Commit, Configuration, SnapshotImage
from bot.errors import NotFound
from bot.language import say
from bot.reference import parse
from bot.waiting import patiently

# 600 MB took 3 s (engine facts, section 4); the engine goes on when we give up, so we do so late.
COMMIT_LIMIT = timedelta(hours=1)

_NO_NAME = "<none>:<none>"


class CommitVerbs(ContainerVerbs):
    """The part of the engine that commits."""

    def configuration(self, container: Container) -> Configuration:
        """What it was made with; raises NotFound when it is gone, or EngineError."""
        with self._connection.call(
            say("look at the container “{container}”", container=container.name)
        ) as api:
            # docker-py's own method cannot ask for the size of the container's layer.
            raw = api._result(
                api._get(api._url("/containers/{0}/json", container.id), params={"size": 1}), True
            )
            image = _inspect_image(api, raw["Image"]) or {}
        return Configuration(
            text=written(raw),
            image=raw["Image"],
            layers=_layers(image),
            variables=_variables(raw["Config"], image.get("Config") or {}),
            layer_bytes=int(raw.get("SizeRw") or 0),
        )

    def commit(
        self, container: Container, commit: Commit, *, check: Callable[[], None] = lambda: None
    ) -> str:
        """An image without a name; raises NotFound, EngineError, or at once what `check` raises."""
        return patiently(lambda: self._commit(container, commit), check)

    def snapshots(self) -> tuple[SnapshotImage, ...]:
        """Every image with the label of snapshots, the oldest first; raises EngineError."""
        with self._connection.call(say("list its snapshots")) as api:
            listed = api.images(filters={"label": SNAPSHOT_LABEL})
            found = [_inspect_image(api, raw["Id"]) for raw in listed]
        images = [_snapshot(raw) for raw in found if raw is not None]
        return tuple(sorted(images, key=lambda image: (image.made_at, image.id)))

    def remove_snapshot(
        self, run_id: str, *, is_own: Callable[[SnapshotImage], bool] = lambda _: True
    ) -> bool:
        """Remove what the run committed; raises Conflict while a container is made from it, or EngineError."""
        labelled = [image for image in self.snapshots() if image.labels.get(SNAPSHOT_LABEL) == run_id]
        made = [image for image in labelled if is_own(image)]
        for image in made:
            with self._connection.call(
                say("remove the image of run {run_id}", run_id=run_id), changes=True
            ) as api:
                try:
                    api.remove_image(image.id, force=True)
                except docker.errors.ImageNotFound:
                    continue
        return bool(made)

    def _commit(self, container: Container, commit: Commit) -> str:
        doing = say("make an image of the container “{container}”", container=container.name)
        with self._connection.call(doing, changes=True) as api:
            raw = self._inspect(container.id)
            if raw is None:
                raise NotFound(
                    say(
                        "The container “{container}” is gone. No image was made of it.",
                        container=container.name,
                    )
                )
            # The container's own labels are added to these by Docker: what must not pass on is set to nothing.
            labels = {key: "" for key in raw["Config"].get("Labels") or {} if key.startswith(COMPOSE)}
            labels |= {**commit.labels, RUN_LABEL: commit.run_id, SNAPSHOT_LABEL: commit.run_id}
            answer = api._post_json(
                api._url("/commit"),
                data={**raw["Config"], "Labels": labels},
                params={
                    "container": container.id,
                    "author": commit.author,
                    "comment": commit.message,
                    "pause": "0",
                },
                timeout=COMMIT_LIMIT.total_seconds(),
                headers={"Connection": "close"},  # a kept connection would keep this long limit
            )
            return str(api._result(answer, True)["Id"])


def _inspect_image(api: Any, reference: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = api.inspect_image(reference)
    except docker.errors.ImageNotFound:
        return None
    return found


def _snapshot(raw: Mapping[str, Any]) -> SnapshotImage:
    return SnapshotImage(
        id=raw["Id"],
        references=tuple(sorted(parse(name).text for name in raw.get("RepoTags") or () if name != _NO_NAME)),
        labels=dict(raw["Config"].get("Labels") or {}),
        size_bytes=int(raw.get("Size") or 0),
        made_at=str(raw.get("Created") or ""),
        layers=_layers(raw),
        parent=str(raw.get("Parent") or ""),
        author=str(raw.get("Author") or ""),
        message=str(raw.get("Comment") or ""),
    )


def _variables(config: Mapping[str, Any], image: Mapping[str, Any]) -> tuple[str, ...]:
    """Names only, and only of those that the image does not hold already with that value."""
    own = set(config.get("Env") or ()) - set(image.get("Env") or ())
    return tuple(sorted({str(one).partition("=")[0] for one in own}))


def _layers(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((raw.get("RootFS") or {}).get("Layers") or ())
