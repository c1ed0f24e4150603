"""The fake engine's verbs for looking around. It must not know who uses them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.engine.inventory_contract import Condition, HostSurvey, ListedContainer, ListedImage
from bot.errors import EngineError
from bot.reasons import Reason
from tests.support.fake_host import Box, FakeHost, is_helper


class InventoryVerbs(FakeHost):
    """The part of the engine that lists what there is."""

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"memory://{self.host}"

    def list_containers(self) -> tuple[ListedContainer, ...]:
        """The company's containers, sorted by name."""
        self._enter("list_containers")
        with self.lock:
            found = [self._listed(box) for box in self.boxes.values() if not is_helper(box)]
            return tuple(sorted(found, key=lambda container: container.name))

    def condition(self, identifier: str) -> Condition | None:
        """How it is now, or None."""
        self._enter("condition")
        with self.lock:
            box = self.find(identifier)
            if box is None:
                return None
            seen = box.look()
            return Condition(
                state=seen.state,
                since=self.changed_at(box),
                health=seen.health,
                exit_code=0 if seen.state in ("exited", "dead") else None,
            )

    def list_images(self) -> tuple[ListedImage, ...]:
        """All images, newest first."""
        self._enter("list_images")
        with self.lock:
            return tuple(sorted(self.images.values(), key=lambda image: image.id, reverse=True))

    def volume_sizes(self, limit: timedelta) -> Mapping[str, int]:
        """What the files of each volume take, unless that takes too long."""
        self._enter("volume_sizes")
        if self.sizes_take > limit:
            raise EngineError(
                f"Docker on host “{self.host}” did not say how large its volumes are within "
                f"{limit.total_seconds():g} seconds. Nothing was changed.",
                reason=Reason.STALLED,
            )
        with self.lock:
            return {name: sum(len(data) for data in self.files(name).values()) for name in self.kept_volumes}

    def survey(self, limit: timedelta) -> HostSurvey:
        """What the host is at a glance."""
        del limit  # it answers at once, or a test lets something happen before
        self._enter("survey")
        with self.lock:
            running = [box for box in self.boxes.values() if box.container.state == "running"]
            return HostSurvey(
                version="0.0.0",
                api_version="0.0",
                containers=len(self.boxes),
                running=len(running),
                volumes=len(self.kept_volumes),
            )

    # --- inside ---

    def _listed(self, box: Box) -> ListedContainer:
        seen = box.container
        made_of = [image.id for image in self.images.values() if seen.image in image.references]
        return ListedContainer(
            id=seen.id,
            name=seen.name,
            state=seen.state,
            image=seen.image,
            image_id=made_of[0] if made_of else f"sha256:{seen.image}",
            created_at=datetime.fromisoformat(box.created_at),
            volumes=tuple(sorted({mount.source for mount in seen.mounts if mount.kind == "volume"})),
            labels=dict(seen.labels),
        )
