"""A Docker engine in memory that behaves like the real one, and breaks where a test tells it to.

Both it and the real engine pass `tests/contracts/engine_contract.py`. It must not know who uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.engine import HELPER_LABEL, RUN_LABEL, ByteStream, Container, EngineInfo, HostPath, Storage, Volume
from bot.engine.names import meant, nearest
from bot.errors import Conflict, EngineError, NotFound
from tests.support.fake_builds import FakeBuilds
from tests.support.fake_host import Box, is_helper, volume_directory
from tests.support.fake_inventory import InventoryVerbs
from tests.support.fake_single import SingleFileVerbs
from tests.support.fake_snapshots import SnapshotVerbs
from tests.support.fake_streams import FakeStream, Taking, unpack
from tests.support.fake_tools import ToolVerbs

__all__ = ["FakeEngine"]


class FakeEngine(ToolVerbs, FakeBuilds, SingleFileVerbs, InventoryVerbs, SnapshotVerbs):
    """One Docker host in memory.

    What the world holds is said by the methods of `FakeHost` (tests/support/fake_host.py): `add_volume`,
    `add_directory`, `add_container`, `put_file`, `files`, `tree`, `layer`, `set_health`, `programs`, `checks`,
    `free` … What breaks is said by `faults` (tests/support/fake_streams.py).
    """

    def info(self) -> EngineInfo:
        """Who answers."""
        self._enter("info")
        return EngineInfo(name="fake", version="0.0.0", api_version="0.0", address=f"memory://{self.host}")

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, sorted by name."""
        self._enter("volumes")
        with self.lock:
            return tuple(self.kept_volumes[name] for name in sorted(self.kept_volumes))

    def volume(self, name: str) -> Volume:
        """The volume of that name, or NotFound."""
        self._enter("volume")
        with self.lock:
            if name not in self.kept_volumes:
                raise NotFound.beside(
                    lambda near: f"There is no volume “{name}” on host “{self.host}”.{meant(near)}",
                    nearest(name, self.kept_volumes),
                    "volume:{}".format,
                )
            return self.kept_volumes[name]

    def create_volume(self, volume: Volume) -> None:
        """Make it, or Conflict."""
        self._enter("create_volume")
        self.make_volume(volume)

    def remove_volume(self, name: str) -> None:
        """Remove it if it is there, or Conflict."""
        self._enter("remove_volume")
        with self.lock:
            if any(name in box.mounted.values() for box in self.boxes.values()):
                raise Conflict(f"The volume “{name}” is in use; it was not removed.")
            if self.kept_volumes.pop(name, None) is not None:
                self.ground.remove(volume_directory(name))

    def container(self, reference: str) -> Container:
        """The container with that name or id, or NotFound."""
        self._enter("container")
        with self.lock:
            box = self.find(reference)
            if box is None:
                names = [name for name, other in self.boxes.items() if not is_helper(other)]
                raise NotFound.beside(
                    lambda near: f"There is no container “{reference}”.{meant(near)}",
                    nearest(reference, names),
                    "container:{}".format,
                )
            return box.look()

    def users_of(self, storage: Storage) -> tuple[Container, ...]:
        """Containers that mount it, without helpers."""
        self._enter("users_of")
        with self.lock:
            found = [box.look() for box in self.boxes.values() if not is_helper(box) and _uses(box, storage)]
            return tuple(sorted(found, key=lambda container: container.name))

    def pause(self, container: Container) -> None:
        """Freeze a running container, or Conflict."""
        self._enter("pause")
        with self.lock:
            self.turn(self.living(container, "running"), "paused")

    def unpause(self, container: Container) -> bool:
        """Wake it if it is still paused in the same life."""
        self._enter("unpause")
        return self._undo(container, "paused", new_life=False)

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Stop a running container, or Conflict."""
        del grace_seconds  # it ends at once
        self._enter("stop")
        with self.lock:
            self.turn(self.living(container, "running", "paused"), "exited")

    def start(self, container: Container) -> bool:
        """Start it if it is still stopped."""
        self._enter("start")
        return self._undo(container, "exited", new_life=True)

    def create_helper(
        self, name: str, storage: Storage, *, run_id: str, read_only: bool, at: str = "volume"
    ) -> None:
        """Create a helper, or NotFound, or Conflict."""
        self._enter("create_helper")
        with self.lock:
            self.refuse_missing(storage)
            labels = {HELPER_LABEL: "read" if read_only else "write", RUN_LABEL: run_id}
            self.new_box(name, {f"/{at}": storage}, labels=labels, read_only=read_only)

    def remove_helper(self, name: str) -> None:
        """Remove it if it is there; Conflict when it is no helper."""
        self._enter("remove_helper")
        with self.lock:
            box = self.boxes.get(name)
            if box is not None and not is_helper(box):
                raise Conflict(f"The container “{name}” is not one of our helpers.")
            self.boxes.pop(name, None)

    def helpers(self) -> tuple[Container, ...]:
        """Every helper and tool."""
        self._enter("helpers")
        with self.lock:
            found = [box.container for box in self.boxes.values() if is_helper(box)]
            return tuple(sorted(found, key=lambda container: container.name))

    @contextmanager
    def read_volume(
        self, holder: str, path: str = "/volume", *, check: Callable[[], None] = lambda: None
    ) -> Iterator[ByteStream]:
        """The tar of what is there, each thing as it is when the stream reaches it."""
        self._enter("read_volume")
        check()
        with self.lock:
            tree = self.view(self.present(holder))
            if tree.find(path) is None:
                raise NotFound(f"There is no “{path}” in the container “{holder}”.")
        yield FakeStream(tree, path, self.faults, self.stall, self._happen)

    def link_at(self, holder: str, path: str) -> str | None:
        """Where the link there leads, or None."""
        self._enter("link_at")
        with self.lock:
            tree = self.view(self.present(holder))
            found = tree.find(path)
            if found is None or found.kind != "symlink":
                return None
            try:
                return tree.end_of(path)
            except OSError as error:
                raise EngineError(
                    f"“{path}” in “{holder}” leads round in a circle; nothing was changed."
                ) from error

    def write_volume(
        self,
        helper: str,
        tar: Iterator[bytes],
        path: str = "/",
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Unpack a tar into the helper's view, entry by entry."""
        self._enter("write_volume")
        with self.lock:
            box = self.present(helper)
            tree = self.view(box)
            into = tree.find(path, follow=True)
        if into is None:
            raise NotFound(f"There is no “{path}” in the container “{helper}”.")
        if box.read_only:
            raise EngineError("The mounted volume is read-only; nothing was written.")
        if into.kind != "directory":
            raise EngineError(f"“{path}” in the container “{helper}” is no directory; nothing was written.")
        unpack(tar, tree, path, Taking(faults=self.faults, stall=self.stall, check=check))

    def close(self) -> None:
        """Nothing to give back."""

    # --- inside ---

    def _happen(self, at: int) -> int | None:
        """Do what `faults.during` says is to happen by this byte; the next byte at which something is to happen."""
        while self.faults.during:
            due = min(self.faults.during, key=lambda one: one[0])
            if due[0] > at:
                return due[0]
            self.faults.during.remove(due)
            due[1](self)
        return None

    def _undo(self, container: Container, state: str, *, new_life: bool) -> bool:
        with self.lock:
            box = self.find(container.id)
            if (
                box is None
                or box.container.started_at != container.started_at
                or box.container.state != state
            ):
                return False
            self.turn(box, "running", new_life=new_life)
            return True


def _uses(box: Box, storage: Storage) -> bool:
    places = [
        other.path if isinstance(other, HostPath) else volume_directory(other) + "/_data"
        for other in box.mounted.values()
    ]
    if isinstance(storage, HostPath):
        return any(_is_within(path, storage.path) or _is_within(storage.path, path) for path in places)
    return any(_is_within(path, volume_directory(storage) + "/_data") for path in places)


def _is_within(path: str, other: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")
