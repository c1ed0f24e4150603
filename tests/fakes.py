"""A Docker engine in memory that behaves like the real one, and breaks where a test tells it to.

Both it and the real engine pass `tests/contracts/engine_contract.py`. It must not know who uses it.
"""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.engine import HELPER_LABEL, RUN_LABEL, ByteStream, Container, EngineInfo, Volume
from bot.engine.names import did_you_mean
from bot.errors import Conflict, EngineError, NotFound
from tests.support.fake_streams import FakeStream, Faults, File, directory, make_tar, unpack

_NEVER = "0001-01-01T00:00:00Z"


@dataclass(kw_only=True)
class _Box:
    container: Container
    volumes: tuple[str, ...]
    read_only: bool = False


class FakeEngine:
    """One Docker host in memory. Tests fill it with `add_volume` and `add_container`, and break it by `faults`."""

    def __init__(self, host: str = "local", *, stall: timedelta = timedelta(seconds=5)) -> None:
        self.host = host
        self.faults = Faults()
        self._stall = stall
        self._lock = threading.RLock()
        self._volumes: dict[str, Volume] = {}
        self._files: dict[str, dict[str, File]] = {}
        self._boxes: dict[str, _Box] = {}
        self._born = 0

    # --- for tests: what the world holds ---

    def add_volume(self, name: str, files: Mapping[str, bytes] | None = None, **labels: str) -> Volume:
        """A volume with these files, `path inside it -> content`; the directories between come by themselves."""
        volume = Volume(name=name, driver="local", labels=labels)
        self.create_volume(volume)
        for path, data in (files or {}).items():
            self.put_file(name, path, data)
        return volume

    def put_file(self, volume: str, path: str, data: bytes) -> None:
        """Write one file, and the directories above it."""
        parts = path.split("/")
        with self._lock:
            held = self._files[volume]
            for depth in range(1, len(parts)):
                above = "/".join(parts[:depth])
                held.setdefault(above, File(directory(f"volume/{above}"), b""))
            info = tarfile.TarInfo(f"volume/{path}")
            info.size, info.mode, info.mtime = len(data), 0o644, 1_700_000_000
            held[path] = File(info, data)

    def files(self, volume: str) -> dict[str, bytes]:
        """The regular files of a volume: `path inside it -> content`."""
        with self._lock:
            return {path: file.data for path, file in self._files[volume].items() if file.info.isreg()}

    def add_container(self, name: str, volumes: Iterable[str] = (), *, state: str = "running") -> Container:
        """A container that mounts these volumes."""
        with self._lock:
            started = _NEVER if state == "created" else self._moment()
            made = Container(id=self._identifier(), name=name, state=state, started_at=started)
            self._boxes[name] = _Box(container=made, volumes=tuple(volumes))
            return made

    def restart_container(self, name: str) -> Container:
        """Give it a new life, as `docker restart` does."""
        with self._lock:
            return self._turn(self._boxes[name], "running", new_life=True)

    def remove_container(self, name: str) -> None:
        """Take it away, as `docker rm -f` does."""
        with self._lock:
            self._boxes.pop(name, None)

    # --- the contract ---

    def info(self) -> EngineInfo:
        """Who answers."""
        self._enter("info")
        return EngineInfo(name="fake", version="0.0.0", api_version="0.0", address=f"memory://{self.host}")

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, sorted by name."""
        self._enter("volumes")
        with self._lock:
            return tuple(self._volumes[name] for name in sorted(self._volumes))

    def volume(self, name: str) -> Volume:
        """The volume of that name, or NotFound."""
        self._enter("volume")
        with self._lock:
            if name not in self._volumes:
                raise NotFound(
                    f"There is no volume “{name}” on host “{self.host}”.{did_you_mean(name, self._volumes)}"
                )
            return self._volumes[name]

    def create_volume(self, volume: Volume) -> None:
        """Make it, or Conflict."""
        self._enter("create_volume")
        with self._lock:
            if volume.name in self._volumes:
                raise Conflict(f"There is a volume “{volume.name}” on host “{self.host}” already.")
            self._volumes[volume.name] = replace(
                volume, labels=dict(volume.labels), options=dict(volume.options)
            )
            self._files[volume.name] = {"": File(directory("volume"), b"")}

    def remove_volume(self, name: str) -> None:
        """Remove it if it is there, or Conflict."""
        self._enter("remove_volume")
        with self._lock:
            if any(name in box.volumes for box in self._boxes.values()):
                raise Conflict(f"The volume “{name}” is in use; it was not removed.")
            self._volumes.pop(name, None)
            self._files.pop(name, None)

    def container(self, reference: str) -> Container:
        """The container with that name or id, or NotFound."""
        self._enter("container")
        with self._lock:
            box = self._find(reference)
            if box is None:
                names = [name for name, other in self._boxes.items() if not _is_helper(other)]
                raise NotFound(f"There is no container “{reference}”.{did_you_mean(reference, names)}")
            return box.container

    def users_of(self, volume: str) -> tuple[Container, ...]:
        """Containers that mount the volume, without helpers."""
        self._enter("users_of")
        with self._lock:
            found = [box for box in self._boxes.values() if volume in box.volumes and not _is_helper(box)]
            return tuple(sorted((box.container for box in found), key=lambda container: container.name))

    def pause(self, container: Container) -> None:
        """Freeze a running container, or Conflict."""
        self._enter("pause")
        with self._lock:
            self._turn(self._living(container, "running"), "paused")

    def unpause(self, container: Container) -> bool:
        """Wake it if it is still paused in the same life."""
        self._enter("unpause")
        return self._undo(container, "paused", new_life=False)

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Stop a running container, or Conflict."""
        del grace_seconds  # it ends at once
        self._enter("stop")
        with self._lock:
            self._turn(self._living(container, "running", "paused"), "exited")

    def start(self, container: Container) -> bool:
        """Start it if it is still stopped."""
        self._enter("start")
        return self._undo(container, "exited", new_life=True)

    def create_helper(self, name: str, volume: str, *, run_id: str, read_only: bool) -> None:
        """Create a helper, or NotFound, or Conflict."""
        self._enter("create_helper")
        self.volume(volume)
        with self._lock:
            if name in self._boxes:
                raise Conflict(f"The container name “{name}” is taken.")
            labels = {HELPER_LABEL: "read" if read_only else "write", RUN_LABEL: run_id}
            made = Container(
                id=self._identifier(), name=name, state="created", started_at=_NEVER, labels=labels
            )
            self._boxes[name] = _Box(container=made, volumes=(volume,), read_only=read_only)

    def remove_helper(self, name: str) -> None:
        """Remove it if it is there; Conflict when it is no helper."""
        self._enter("remove_helper")
        with self._lock:
            box = self._boxes.get(name)
            if box is not None and not _is_helper(box):
                raise Conflict(f"The container “{name}” is not one of our helpers.")
            self._boxes.pop(name, None)

    def helpers(self) -> tuple[Container, ...]:
        """Every helper."""
        self._enter("helpers")
        with self._lock:
            found = [box.container for box in self._boxes.values() if _is_helper(box)]
            return tuple(sorted(found, key=lambda container: container.name))

    @contextmanager
    def read_volume(self, helper: str) -> Iterator[ByteStream]:
        """The volume as a tar, as it is now."""
        self._enter("read_volume")
        with self._lock:
            volume = self._helper(helper).volumes[0]
            tar = make_tar(self._files[volume], self.faults)
            limit = self.faults.cut_after_entries
            cut = limit is not None and limit < len(self._files[volume])
        yield FakeStream(tar, self.faults, self._stall, cut=cut)

    def write_volume(self, helper: str, tar: Iterator[bytes]) -> None:
        """Unpack a tar into the volume, entry by entry."""
        self._enter("write_volume")
        with self._lock:
            box = self._helper(helper)
        if box.read_only:
            raise EngineError("The mounted volume is read-only; nothing was written.")
        for file in unpack(tar, self.faults):
            self._keep(box.volumes[0], file)

    def close(self) -> None:
        """Nothing to give back."""

    # --- inside ---

    def _enter(self, verb: str) -> None:
        if self.faults.down:
            raise EngineError(f"Docker on host “{self.host}” does not answer. Nothing was changed.")
        if verb in self.faults.failing:
            raise self.faults.failing[verb]

    def _moment(self) -> str:
        self._born += 1
        return f"2026-01-01T00:00:00.{self._born:09d}Z"

    def _identifier(self) -> str:
        self._born += 1
        return f"{self._born:064x}"

    def _find(self, reference: str) -> _Box | None:
        for box in self._boxes.values():
            if reference in (box.container.name, box.container.id):
                return box
        return None

    def _helper(self, name: str) -> _Box:
        box = self._boxes.get(name)
        if box is None:
            raise NotFound(f"There is no container “{name}”.")
        return box

    def _living(self, container: Container, *states: str) -> _Box:
        box = self._find(container.id)
        if box is None or box.container.started_at != container.started_at:
            raise Conflict(f"The container “{container.name}” was restarted or removed in the meantime.")
        if box.container.state not in states:
            raise Conflict(f"The container “{container.name}” is {box.container.state}.")
        return box

    def _undo(self, container: Container, state: str, *, new_life: bool) -> bool:
        with self._lock:
            box = self._find(container.id)
            if (
                box is None
                or box.container.started_at != container.started_at
                or box.container.state != state
            ):
                return False
            self._turn(box, "running", new_life=new_life)
            return True

    def _turn(self, box: _Box, state: str, *, new_life: bool = False) -> Container:
        started = self._moment() if new_life else box.container.started_at
        box.container = replace(box.container, state=state, started_at=started)
        return box.container

    def _keep(self, volume: str, file: File) -> None:
        if file.info.name != "volume" and not file.info.name.startswith("volume/"):
            return  # it lands in the helper's own layer, which is thrown away
        with self._lock:
            self._files[volume][file.info.name.removeprefix("volume").removeprefix("/")] = file


def _is_helper(box: _Box) -> bool:
    return HELPER_LABEL in box.container.labels
