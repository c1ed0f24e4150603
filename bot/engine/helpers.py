"""Our own containers, created and never started, and the tar streams that go through them (engine facts 1-12).

It must not know what the tar holds; whoever reads it proves that it is whole.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from types import TracebackType
from typing import Any

import docker
import urllib3

from bot.engine import HELPER_LABEL, RUN_LABEL, ByteStream, Container
from bot.engine.connection import Connection
from bot.engine.containers import NEVER_STARTED, listed_name
from bot.engine.translate import is_timeout, our_errors, scrub
from bot.engine.volumes import VolumeVerbs
from bot.errors import Conflict, EngineError, StreamCut

_IMAGE = "shipkeeper-scratch"
_TAG = "1"
_MOUNT_POINT = "/volume"

# A created container needs some command (engine facts, section 1); this one does not exist, so it cannot run.
_COMMAND = ("/noop",)


class HelperVerbs(VolumeVerbs):
    """The part of the engine that carries a volume's bytes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._image_lock = threading.Lock()

    def create_helper(self, name: str, volume: str, *, run_id: str, read_only: bool) -> None:
        """Create a helper for one transfer; raises NotFound without the volume, Conflict, or EngineError."""
        self.volume(volume)  # Docker would make a missing volume without a word (engine fact 13)
        with self._connection.call(f"create the helper container “{name}”", changes=True) as api:
            self._ensure_image(api)
            mount = docker.types.Mount(_MOUNT_POINT, volume, type="volume", read_only=read_only, no_copy=True)
            api.create_container(
                f"{_IMAGE}:{_TAG}",
                command=list(_COMMAND),
                name=name,
                labels={HELPER_LABEL: "read" if read_only else "write", RUN_LABEL: run_id},
                host_config=api.create_host_config(mounts=[mount], network_mode="none"),
            )

    def remove_helper(self, name: str) -> None:
        """Remove it if it is there; raises Conflict when the name is not a helper's, or EngineError.

        Looks it up in the list, for the engine answers no inspection while a stream runs (engine fact 8).
        """
        with self._connection.call(f"remove the helper container “{name}”", changes=True) as api:
            found = [raw for raw in api.containers(all=True) if listed_name(raw) == name]
            for raw in found:
                if HELPER_LABEL not in (raw.get("Labels") or {}):
                    raise Conflict(
                        f"The container “{name}” is not one of our helpers. It was not removed; remove it by hand."
                    )
                self._remove(api, raw["Id"])

    def helpers(self) -> tuple[Container, ...]:
        """Every helper container, whoever made it, sorted by name; raises EngineError."""
        with self._connection.call("list the helper containers") as api:
            listed = api.containers(all=True, filters={"label": HELPER_LABEL})
        found = [
            Container(
                id=raw["Id"],
                name=listed_name(raw),
                state=raw["State"],
                started_at=NEVER_STARTED,
                labels=dict(raw.get("Labels") or {}),
            )
            for raw in listed
        ]
        return tuple(sorted(found, key=lambda helper: helper.name))

    @contextmanager
    def read_volume(self, helper: str) -> Iterator[ByteStream]:
        """The archive API's tar of /volume; raises NotFound without the helper, or EngineError."""
        attempt = self._connection.attempt(f"read the volume through “{helper}”")
        with self._connection.transfer(attempt) as api:
            with our_errors(attempt):
                response = api._get(
                    api._url("/containers/{0}/archive", helper),
                    params={"path": _MOUNT_POINT},
                    headers={"Accept-Encoding": "identity"},
                    stream=True,
                )
                api._raise_for_status(response)
            with closing(response):  # what our caller raises in here is not ours to translate
                yield _Reader(response.raw, self._connection)

    def write_volume(self, helper: str, tar: Iterator[bytes]) -> None:
        """Unpack a tar of `volume/…` entries at `/` (engine fact 9); it merges, and an error keeps what came before.

        Raises what `tar` raises, unchanged; else NotFound, or EngineError.
        """
        source = _Source(tar)
        attempt = self._connection.attempt(f"write the volume through “{helper}”", changes=True)
        try:
            with self._connection.transfer(attempt) as api, our_errors(attempt):
                api.put_archive(helper, "/", source)
        except EngineError:
            if source.error is not None:  # urllib3 disguises an OSError of ours as one of the connection
                raise source.error from None
            raise

    def _remove(self, api: Any, identifier: str) -> None:
        try:
            api.remove_container(identifier, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if error.status_code != 409:
                raise
            # Somebody else is removing it just now; until that is done its volume counts as used.
            limit = self._connection.limits.request.total_seconds()
            with suppress(docker.errors.NotFound):
                api.wait(identifier, timeout=limit, condition="removed")

    def _ensure_image(self, api: Any) -> None:
        with self._image_lock:
            try:
                api.inspect_image(f"{_IMAGE}:{_TAG}")
            except docker.errors.NotFound:
                import_image(api, empty_tar(), repository=_IMAGE, tag=_TAG)


class _Reader:
    """Bytes of one response. `raw.read` keeps the socket's time limit, docker-py's iterators lift it (fact 6)."""

    def __init__(self, raw: urllib3.HTTPResponse, connection: Connection) -> None:
        self._raw = raw
        self._host = connection.host
        self._stall = connection.limits.stall
        self._count = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, `b""` at the end; EngineError on a stall, StreamCut when the connection breaks."""
        try:
            data = self._raw.read(size)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._explained(error) from error
        self._count += len(data)
        return data

    def _explained(self, error: Exception) -> EngineError:
        if is_timeout(error):
            return EngineError(
                f"Docker on host “{self._host}” sent nothing for {self._stall.total_seconds():g} seconds after "
                f"{self._count} bytes of the volume. The volume was not changed; look at the host, then try again."
            )
        return StreamCut(
            f"Docker on host “{self._host}” broke off after {self._count} bytes of the volume: {scrub(error)}. "
            "The volume was not changed; look at the host, then try again."
        )


class _Source:
    """An iterator that remembers what the one inside it raised."""

    def __init__(self, inner: Iterator[bytes]) -> None:
        self._inner = inner
        self.error: BaseException | None = None

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> bytes:
        with self:
            return next(self._inner)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, StopIteration):
            self.error = error


def empty_tar() -> bytes:
    """A tar of nothing: the helpers' whole root."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w"):
        return held.getvalue() + bytes(1024)


def import_image(api: Any, tar: bytes, *, repository: str, tag: str) -> None:
    """Make an image from a root file system in a tar, as `docker import` does; raises the SDK's errors.

    docker-py's own method waits for ever. The answer is 200 even when the import failed, so look for the image.
    """
    answer = api._post(
        api._url("/images/create"),
        params={"fromSrc": "-", "repo": repository, "tag": tag},
        data=tar,
        headers={"Content-Type": "application/tar"},
    )
    api._raise_for_status(answer)
    api.inspect_image(f"{repository}:{tag}")
