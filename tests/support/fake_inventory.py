"""The fake engine's verbs for looking around. It must not know who uses them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bot.engine.inventory_contract import Condition, HostExamined, HostSurvey, ListedContainer
from bot.errors import EngineError
from bot.reasons import Reason
from tests.support.fake_host import Box, is_helper
from tests.support.fake_images import FakeImages


class InventoryVerbs(FakeImages):
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

    def examine(self, limit: timedelta) -> HostExamined:
        """Whether the bot can work there."""
        del limit
        self._enter("examine")
        return HostExamined(
            version="0.0.0",
            api_version="0.0",
            at=datetime.now(UTC) + self.clock_is_ahead,
            forbidden=self.forbidden,
            has_images=True,
        )

    # --- inside ---

    def _listed(self, box: Box) -> ListedContainer:
        seen = box.container
        made_of = self.holder_of(seen.image)
        return ListedContainer(
            id=seen.id,
            name=seen.name,
            state=seen.state,
            image=seen.image,
            image_id=made_of or f"sha256:{seen.image}",
            created_at=datetime.fromisoformat(box.created_at),
            volumes=tuple(sorted({mount.source for mount in seen.mounts if mount.kind == "volume"})),
            labels=dict(seen.labels),
        )
