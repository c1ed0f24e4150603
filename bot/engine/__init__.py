"""The wall to Docker: our verbs in, our nouns and errors out.

This file holds the contract that every engine keeps; it must not know the SDK. `real.py` is Docker itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from bot.engine.build_contract import BuildEngine
from bot.engine.copy_contract import FileVerbs
from bot.engine.image_contract import ImageEngine
from bot.engine.inventory_contract import InventoryEngine
from bot.engine.snapshot_contract import SnapshotEngine
from bot.entry import Item

HELPER_LABEL = "shipkeeper.helper"
RUN_LABEL = "shipkeeper.run"


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What answered: the daemon's name for itself, its version, its API version and where it was reached."""

    name: str
    version: str
    api_version: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A named volume as Docker describes it."""

    name: str
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    mountpoint: str = field(default="", compare=False)
    """Where its files lie on the engine's own machine; empty when the driver does not say."""
    created_at: str = field(default="", compare=False)
    """Docker's own text; empty when the driver does not say."""


@dataclass(frozen=True)
class HostPath:
    """A directory or file on the engine's machine, as bind mounts name it; absolute."""

    path: str


Storage = str | HostPath
"""What can be mounted: a volume, by its name, or a path of the engine's machine."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """Something mounted in a container at `destination`; `kind` is Docker's word (`volume bind tmpfs …`)."""

    kind: str
    source: str
    destination: str
    read_only: bool = field(default=False, compare=False)

    @property
    def storage(self) -> Storage | None:
        """What a helper would mount to see the same; None for what only the container itself has."""
        if self.kind == "bind":
            return HostPath(self.source)
        return self.source if self.kind == "volume" else None


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """`new` is to stand at `place`, and what stood there goes to `aside`. Paths relative to a tool's mount."""

    place: str
    new: str
    aside: str


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container: `state` is Docker's word (`created running paused exited …`).

    `started_at` is Docker's own text; it tells one life of the container from the next. `health` is `starting`,
    `healthy`, `unhealthy`, or empty for one that has no health check. `image` is the reference it was made from.
    """

    id: str
    name: str
    state: str
    started_at: str
    labels: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    mounts: tuple[Mount, ...] = ()
    health: str = field(default="", compare=False)
    removes_itself: bool = field(default=False, compare=False)
    """Made with `--rm`: whoever stops it loses it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A program that looks at a restored volume, which it sees at /volume, read-only: an image, words, a time limit."""

    image: str
    words: tuple[str, ...]
    limit: timedelta


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of a check: its exit code and the end of all it wrote."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a program has around it: further environment variables, and who hears its standard error as it comes."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_errors: Callable[[bytes], None] = field(default=lambda _: None)


NOTHING_AROUND = Surroundings()


class ByteStream(Protocol):
    """Bytes that arrive; `read` blocks for at most the engine's stall limit, then raises EngineError."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; `b""` once the other side has ended."""

    def abort(self) -> None:
        """End it, from any thread: a read that waits, and every later one, raises StreamCut. May be called twice."""


class Execution(ByteStream, Protocol):
    """A program in a container; the bytes are what it writes to its standard output."""

    def finish(self) -> int:
        """Read the rest, and its exit code; raises EngineError when nobody can know it (engine fact 5)."""

    @property
    def errors(self) -> str:
        """The end of what it wrote to its standard error so far, as text; at most some thousand characters."""


class Engine(InventoryEngine, ImageEngine, FileVerbs, BuildEngine, SnapshotEngine, Protocol):
    """One Docker host. Every method raises `EngineError` when the daemon fails or does not answer."""

    host: str
    known_version: str | None  # as it was when it was last connected to; asks nobody

    def info(self) -> EngineInfo:
        """Who answers; raises EngineError for podman's imitation of the API (engine fact 26)."""

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, sorted by name."""

    def volume(self, name: str) -> Volume:
        """The volume of that name; raises NotFound, naming the nearest ones."""

    def create_volume(self, volume: Volume) -> None:
        """Make it, exactly so; raises Conflict when the name is taken (Docker itself would say nothing)."""

    def remove_volume(self, name: str) -> None:
        """Remove it if it is there; raises Conflict while something uses it. May be called twice."""

    def container(self, reference: str) -> Container:
        """The container with that name or id; raises NotFound, naming the nearest ones."""

    def users_of(self, storage: Storage) -> tuple[Container, ...]:
        """Containers in any state that mount it, without our helpers, sorted by name.

        Of a path, those that bind it, something above it, or something below it, or mount a volume whose files lie
        there; of a volume also those that bind its files.
        """

    def pause(self, container: Container) -> None:
        """Freeze a running container; raises Conflict when it is not running."""

    def unpause(self, container: Container) -> bool:
        """Wake it if it is still paused in the same life; False when there was nothing to do."""

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Stop a running container."""

    def start(self, container: Container) -> bool:
        """Start it if it is still stopped; False when there was nothing to do."""

    def create_helper(
        self, name: str, storage: Storage, *, run_id: str, read_only: bool, at: str = "volume"
    ) -> None:
        """Create, and never start, a container that mounts the storage at `/<at>` (engine facts 7, 9, 13).

        Raises NotFound for a volume or a path that is not there, Conflict when the name is taken.
        """

    def remove_helper(self, name: str) -> None:
        """Remove a helper or a tool, running or not, if it is there. May be called twice."""

    def helpers(self) -> tuple[Container, ...]:
        """Every helper and tool on the host, whoever made it."""

    def read_volume(
        self, holder: str, path: str = "/volume", *, check: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[ByteStream]:
        """The archive API's tar of `path` in any container; its entries begin with the last name. `check` is asked
        several times a second until it begins. 200 and an end prove nothing (engine fact 1): parse it."""

    def link_at(self, holder: str, path: str) -> str | None:
        """Where the symbolic link at that path in the container leads; None when no link, or nothing, is there.

        An absolute path in the container, with every link followed, whether anything is there or not. Links on the
        way to `path` are followed, too. EngineError for a circle of links.
        """

    def write_volume(
        self,
        helper: str,
        tar: Iterator[bytes],
        path: str = "/",
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Unpack a tar at `path` of the helper; entries `volume/…` at `/` fill what is mounted at `/volume`.

        `check` is asked several times a second while the engine takes nothing. Raises what `tar` or `check` raise,
        unchanged, and at once.
        """

    def create_tool(self, name: str, storage: Storage, *, run_id: str, read_only: bool) -> None:
        """Create and start a container of our own programs that mounts the storage at `/volume`.

        Without a network, with a read-only root and no right but to read everything there or, unless `read_only`,
        to rename and remove it. Raises as `create_helper` does, and EngineError when the programs cannot be had.
        """

    def inventory(
        self, tool: str, path: str = "/volume", *, attributes: bool = False
    ) -> AbstractContextManager[Iterator[Item]]:
        """Walk through `path` in the tool: every thing there is, `path` itself as `.`, in no particular order.

        Paths are relative to `path`. The iterator raises EngineError at its end unless the walk was whole: only
        then it counts. `attributes` fills `Item.attributes`, which costs a second walk. NotFound: no such path.
        """

    def free_bytes(self, tool: str) -> int:
        """Bytes that may still be written to what the tool mounts."""

    def exchange(self, tool: str, exchange: Exchange) -> None:
        """Put `new` at `place` by renaming; what was at `place`, if anything was, is at `aside` then.

        Raises NotFound without `new`, Conflict when `aside` exists, EngineError. Keep `aside` in a directory that
        will be removed.
        """

    def exchange_back(self, tool: str, exchange: Exchange) -> None:
        """Take an exchange back wherever it stopped, or do nothing if it never began. May be called twice.

        Moves nothing, and raises EngineError, when `place`, `new` and `aside` are all there: somebody made the place
        anew. An engine may leave a note beside `aside`, which goes with the directory that `aside` lies in.
        """

    def remove_tree(self, tool: str, path: str) -> None:
        """Remove `path`, relative to the tool's mount, and all below it, if it is there. May be called twice."""

    def execute(
        self,
        container: Container,
        words: Sequence[str],
        *,
        limit: timedelta,
        user: str = "",
        around: Surroundings = NOTHING_AROUND,
    ) -> AbstractContextManager[Execution]:
        """Run a program in a running container of the company's; raises Conflict when it does not run in this life.

        What `around` holds appears neither in the daemon's events nor in its answers about the program.

        It is started through the container's /bin/sh; EngineError without one. When `limit` has passed, reads raise
        EngineError (reason `stalled`). On leaving, what still runs is killed.
        """

    def run_check(self, name: str, check: Check, volume: str, *, run_id: str) -> Checked:
        """Run a check in a container of that name, without a network, which is a helper to all other verbs.

        Raises NotFound without the image (nothing is pulled), EngineError when it takes longer than its limit; it is
        stopped then. The container stays, for `remove_helper`.
        """

    def close(self) -> None:
        """Give back the connection. May be called twice."""
