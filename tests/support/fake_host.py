"""The world of the fake engine: its disk, volumes and containers, as tests furnish and watch them.

It must not know the engine's verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from bot.engine import HELPER_LABEL, Container, HostPath, Mount, Storage, Volume
from bot.errors import Conflict, EngineError, NotFound
from tests.support.fake_files import Disk, Node, Tree
from tests.support.fake_streams import Faults

NEVER = "0001-01-01T00:00:00Z"
VOLUMES = "/fake/volumes"

Program = Callable[[Sequence[str]], "tuple[bytes | Iterable[bytes], str, int | None]"]
"""What a container does when it is told to execute words: standard output, standard error, exit code.

The output may come in pieces. Code None: after its output it runs on until it is killed.
"""

CheckProgram = Callable[[Mapping[str, bytes]], "tuple[int | None, str]"]
"""What a check's image does with the files that it sees: exit code, output. Code None: it never ends."""


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A program that was run by `execute`."""

    container: str
    words: tuple[str, ...]
    user: str
    limit: timedelta
    environment: Mapping[str, str]


class BoxFacts(TypedDict, total=False):
    """What `add_container` may be told beside the name and the volumes."""

    state: str
    """`running` if nothing is said."""
    binds: Mapping[str, str]
    """Path on the host -> destination; a directory is made there if nothing is."""
    tmpfs: Iterable[str]
    """Destinations."""
    files: Mapping[str, bytes]
    """Absolute path -> content, in the container's own layer."""
    labels: Mapping[str, str]
    image: str
    health: str
    """What its health check finds; empty if it has none."""
    healthy_after: int
    """It is `starting` at that many looks (`container`, `users_of`) after each start."""
    variables: Iterable[str]
    """The names in its environment."""
    ports: Iterable[str]
    """Ports of the host that it publishes."""
    powers: Iterable[str]
    """What its configuration lets it do to its host, as `powers` of an engine says it."""


@dataclass(eq=False, kw_only=True)
class Box:
    """A container of the fake engine: `mounted` is destination -> storage; `layer` holds its own files.

    `held` are the mounts as they were when it was started: a running container goes on seeing a directory that was
    renamed on the host.
    """

    container: Container
    mounted: Mapping[str, Storage]
    layer: Node
    read_only: bool = False
    is_tool: bool = False
    health: str = ""
    healthy_after: int = 0
    looks_left: int = 0
    held: dict[str, Node] = field(default_factory=dict)
    created_at: str = ""
    changed_at: str = ""
    """Since when it is in its state."""
    image_id: str = ""
    variables: Iterable[str] = ()
    ports: Sequence[str] = ()
    powers: Sequence[str] = ()

    def look(self) -> Container:
        """The container as it is seen; each look brings a starting one nearer to its health."""
        seen = self.container
        if self.health and seen.state == "running":
            seen = replace(seen, health="starting" if self.looks_left > 0 else self.health)
            self.looks_left -= 1
        return seen


class FakeHost:
    """What is on the host. Tests furnish it with `add_…`, look at it with `files` and `tree`, break it by `faults`."""

    known_version: str | None = None

    def __init__(self, host: str = "local", *, stall: timedelta = timedelta(seconds=5)) -> None:
        self.host = host
        self.faults = Faults()
        self.stall = stall
        self.disk = Disk()
        self.lock = self.disk.lock
        self.ground = Tree(self.disk, self.disk.root)
        """The host's whole file system: volume NAME at `/fake/volumes/NAME/_data`."""
        self.kept_volumes: dict[str, Volume] = {}
        self.boxes: dict[str, Box] = {}
        self.free = 10 << 30
        """What `free_bytes` says."""
        self.programs: dict[str, Program] = {}
        """Container's name -> what `execute` runs in it; without one every program is “not found” (127)."""
        self.checks: dict[str, CheckProgram] = {}
        """Image -> what `run_check` runs; an image that is not here is not on the host."""
        self.executed: list[Executed] = []
        self.killed: list[Executed] = []
        """Programs that still ran when `execute` was left."""
        self.sizes_take = timedelta(milliseconds=1)
        """How long the daemon would need to say how large its volumes are."""
        self.forbidden: tuple[str, ...] = ()
        """Calls that a proxy before it does not let through."""
        self.clock_is_ahead = timedelta(0)
        """Of everybody else's."""
        self._born = 0

    # --- for tests: what the world holds ---

    def add_volume(self, name: str, files: Mapping[str, bytes] | None = None, **labels: str) -> Volume:
        """A volume with these files, `path inside it -> content`; the directories between come by themselves."""
        made = self.make_volume(Volume(name=name, driver="local", labels=labels))
        for path, data in (files or {}).items():
            self.put_file(name, path, data)
        return made

    def add_directory(self, path: str, files: Mapping[str, bytes] | None = None) -> HostPath:
        """A directory of the host at that absolute path, with these files."""
        self.ground.directory(path)
        for name, data in (files or {}).items():
            self.ground.file(f"{path}/{name}", data)
        return HostPath(path)

    def put_file(self, storage: Storage, path: str, data: bytes, **facts: Any) -> None:
        """Write one file of a volume or host directory, and the directories above it; see `Tree.file`."""
        self.tree(storage).file(path, data, **facts)

    def files(self, storage: Storage) -> dict[str, bytes]:
        """The regular files of a volume or of a directory of the host: `path inside it -> content`."""
        return self.tree(storage).files()

    def tree(self, storage: Storage) -> Tree:
        """What is stored there now, to look at and to change; see `Tree` (tests/support/fake_files.py)."""
        if isinstance(storage, str) and storage not in self.kept_volumes:
            raise KeyError(storage)
        node = self.ground.find(self.place(storage), follow=True)
        if node is None:
            raise FileNotFoundError(self.place(storage))
        return Tree(self.disk, node)

    def layer(self, container: str) -> Tree:
        """A container's own files, without what is mounted."""
        return Tree(self.disk, self.boxes[container].layer)

    def seen_by(self, container: str) -> Tree:
        """What the container's own processes see: of a running one the mounts as they were at its start."""
        box = self.boxes[container]
        return Tree(self.disk, box.layer, box.held) if box.held else self.view(box)

    def add_container(
        self,
        name: str,
        volumes: Iterable[str] | Mapping[str, str] = (),
        **facts: Unpack[BoxFacts],
    ) -> Container:
        """A container of the company's; it runs unless `state` says otherwise. See `BoxFacts`.

        `volumes`: names (mounted at /v0, /v1 …) or name -> destination.
        """
        named = (
            volumes if isinstance(volumes, Mapping) else {one: f"/v{at}" for at, one in enumerate(volumes)}
        )
        mounted: dict[str, Storage] = {destination: volume for volume, destination in named.items()}
        for source, destination in facts.get("binds", {}).items():
            if self.ground.find(source) is None:
                self.ground.directory(source)
            mounted[destination] = HostPath(source)
        with self.lock:
            box = self.new_box(
                name,
                mounted,
                labels=facts.get("labels", {}),
                image=facts.get("image", "app:1"),
                state=facts.get("state", "running"),
            )
            box.health, box.healthy_after = facts.get("health", ""), facts.get("healthy_after", 0)
            box.looks_left = box.healthy_after
            box.variables, box.ports = tuple(facts.get("variables", ())), list(facts.get("ports", ()))
            box.powers = tuple(facts.get("powers", ()))
            tmpfs = [Mount(kind="tmpfs", source="", destination=one) for one in facts.get("tmpfs", ())]
            box.container = replace(box.container, mounts=(*box.container.mounts, *tmpfs))
            for path, data in facts.get("files", {}).items():
                self.layer(name).file(path, data)
            return box.container

    def set_health(self, name: str, health: str, *, after: int = 0) -> None:
        """From now on its health check finds this, after `after` more looks at which it is `starting`."""
        with self.lock:
            box = self.boxes[name]
            box.health, box.looks_left = health, after

    def restart_container(self, name: str) -> Container:
        """Give it a new life, as `docker restart` does."""
        with self.lock:
            return self.turn(self.boxes[name], "running", new_life=True)

    def end_container(self, name: str) -> Container:
        """Its program ends by itself; works on tools too."""
        with self.lock:
            return self.turn(self.boxes[name], "exited")

    def remove_container(self, name: str) -> None:
        """Take it away, as `docker rm -f` does."""
        with self.lock:
            self.boxes.pop(name, None)

    # --- for the verbs ---

    def _enter(self, verb: str) -> None:
        """What every verb does first: let happen what is to happen before it, and fail if it is to fail."""
        acts = self.faults.before.get(verb)
        if acts:
            acts.pop(0)(self)
        if self.faults.down:
            raise EngineError(f"Docker on host “{self.host}” does not answer. Nothing was changed.")
        if verb in self.faults.failing:
            raise self.faults.failing[verb]

    def make_volume(self, volume: Volume) -> Volume:
        """A new, empty volume, or Conflict."""
        with self.lock:
            if volume.name in self.kept_volumes:
                raise Conflict(f"There is a volume “{volume.name}” on host “{self.host}” already.")
            where = f"{volume_directory(volume.name)}/_data"
            made = replace(
                volume,
                labels=dict(volume.labels),
                options=dict(volume.options),
                mountpoint=where,
                created_at=self._moment(),
            )
            self.ground.directory(where)
            self.kept_volumes[volume.name] = made
            return made

    def place(self, storage: Storage) -> str:
        """Where it lies on the host."""
        return storage.path if isinstance(storage, HostPath) else f"{volume_directory(storage)}/_data"

    def refuse_missing(self, storage: Storage) -> None:
        """Raises NotFound for a volume or a path that is not there."""
        if isinstance(storage, HostPath):
            found = self.ground.find(storage.path, follow=True)
            is_there = storage.path.startswith("/") and found is not None
        else:
            is_there = storage in self.kept_volumes
        if not is_there:
            raise NotFound(f"There is no “{storage}” on host “{self.host}”. Nothing was made.")

    def new_box(
        self,
        name: str,
        mounted: Mapping[str, Storage],
        *,
        labels: Mapping[str, str],
        image: str = "shipkeeper-scratch:1",
        state: str = "created",
        read_only: bool = False,
    ) -> Box:
        """A container, or Conflict when the name is taken; mount points come into being in its layer."""
        if name in self.boxes:
            raise Conflict(f"The container name “{name}” is taken.")
        made = Container(
            id=self._identifier(),
            name=name,
            state=state,
            started_at=NEVER if state == "created" else self._moment(),
            labels=dict(labels),
            image=image,
            mounts=tuple(_mount(storage, destination) for destination, storage in mounted.items()),
        )
        born = self._moment()
        box = Box(
            container=made,
            mounted=mounted,
            layer=self.disk.new("directory"),
            read_only=read_only,
            created_at=born,
            changed_at=born,
            image_id=f"sha256:{image}",
        )
        for destination in mounted:
            Tree(self.disk, box.layer).directory(destination)
        if state in ("running", "paused"):
            box.held = self._mounts_now(box)
        self.boxes[name] = box
        return box

    def find(self, reference: str) -> Box | None:
        """The container with that name or id."""
        for box in self.boxes.values():
            if reference in (box.container.name, box.container.id):
                return box
        return None

    def present(self, reference: str) -> Box:
        """The container with that name or id, or NotFound."""
        box = self.find(reference)
        if box is None:
            raise NotFound(f"There is no container “{reference}”.")
        return box

    def living(self, container: Container, *states: str) -> Box:
        """The container in the same life and in one of the states, or Conflict."""
        box = self.find(container.id)
        if box is None or box.container.started_at != container.started_at:
            raise Conflict(f"The container “{container.name}” was restarted or removed in the meantime.")
        if box.container.state not in states:
            raise Conflict(f"The container “{container.name}” is {box.container.state}.")
        return box

    def turn(self, box: Box, state: str, *, new_life: bool = False) -> Container:
        """Change its state; a new life mounts anew and has to become healthy anew."""
        started = self._moment() if new_life else box.container.started_at
        box.container = replace(box.container, state=state, started_at=started)
        box.changed_at = self._moment()
        if new_life:
            box.held, box.looks_left = self._mounts_now(box), box.healthy_after
        elif state == "exited":
            box.held = {}
        return box.container

    def changed_at(self, box: Box) -> datetime:
        """Since when it is in its state, in whole seconds."""
        return datetime.fromisoformat(box.changed_at).replace(microsecond=0)

    def view(self, box: Box) -> Tree:
        """What the archive API sees in a container: everything mounted as it is on the host now."""
        return Tree(self.disk, box.layer, self._mounts_now(box))

    def _mounts_now(self, box: Box) -> dict[str, Node]:
        found = {}
        for destination, storage in box.mounted.items():
            node = self.ground.find(self.place(storage), follow=True)
            if node is None:
                raise EngineError(
                    f"The engine could not mount “{self.place(storage)}” in “{box.container.name}”: it is not there."
                )
            found[destination] = node
        return found

    def _moment(self) -> str:
        self._born += 1
        return f"2026-01-01T00:00:00.{self._born:09d}Z"

    def _identifier(self) -> str:
        self._born += 1
        return f"{self._born:064x}"


def is_helper(box: Box) -> bool:
    """Whether it is one of our own, helper or tool."""
    return HELPER_LABEL in box.container.labels


def volume_directory(name: str) -> str:
    """The directory of the host that holds a volume's `_data`."""
    return f"{VOLUMES}/{name}"


def _mount(storage: Storage, destination: str) -> Mount:
    if isinstance(storage, HostPath):
        return Mount(kind="bind", source=storage.path, destination=destination)
    return Mount(kind="volume", source=storage, destination=destination)
