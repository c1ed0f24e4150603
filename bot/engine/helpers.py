"""Our own containers that are never started, and the tar streams that go through them (engine facts 1-12).

It must not know what the tar holds; whoever reads it proves that it is whole.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import docker

from bot.engine import HELPER_LABEL, RUN_LABEL, ByteStream, Container, HostPath, Storage
from bot.engine.connection import Connection
from bot.engine.containers import NEVER_STARTED, listed_name
from bot.engine.mounts import docker_mount, missing_path_is_not_found, mounts_of, refuse_odd_place
from bot.engine.sending import send
from bot.engine.streams import Reader, Source, Wire
from bot.engine.translate import our_errors, scrub
from bot.engine.volumes import VolumeVerbs
from bot.engine.witness import undoing
from bot.errors import Conflict, EngineError
from bot.language import say
from bot.waiting import patiently

_IMAGE = "shipkeeper-scratch"
_TAG = "1"

STAT_HEADER = "X-Docker-Container-Path-Stat"

# After the last byte the daemon still writes what it holds, to a disk that may be slow.
ANSWER_LIMIT = timedelta(minutes=15)

# A created container needs some command (engine facts, section 1); this one does not exist, so it cannot run.
_COMMAND = ("/noop",)


class HelperVerbs(VolumeVerbs):
    """The part of the engine that carries a volume's bytes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._image_lock = threading.Lock()

    def create_helper(
        self, name: str, storage: Storage, *, run_id: str, read_only: bool, at: str = "volume"
    ) -> None:
        """Create a helper for one transfer; raises NotFound without the storage, Conflict, or EngineError."""
        refuse_odd_place(at)
        self._refuse_missing_volume(storage)
        with (
            self._connection.call(
                say("create the helper container “{container}”", container=name), changes=True
            ) as api,
            missing_path_is_not_found(storage, self._connection.host),
        ):
            self._ensure_image(api)
            mount = docker_mount(storage, f"/{at}", read_only=read_only)
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
        with self._connection.call(
            say("remove the helper container “{container}”", container=name), changes=True
        ) as api:
            found = [raw for raw in api.containers(all=True) if listed_name(raw) == name]
            for raw in found:
                if HELPER_LABEL not in (raw.get("Labels") or {}):
                    raise Conflict(
                        say(
                            "The container “{container}” is not one of our helpers. It was not removed; remove it "
                            "by hand.",
                            container=name,
                        )
                    )
                self._remove(api, raw["Id"])

    def helpers(self) -> tuple[Container, ...]:
        """Every helper container, whoever made it, sorted by name; raises EngineError."""
        with self._connection.call(say("list the helper containers")) as api:
            listed = api.containers(all=True, filters={"label": HELPER_LABEL})
        found = [
            Container(
                id=raw["Id"],
                name=listed_name(raw),
                state=raw["State"],
                started_at=NEVER_STARTED,
                labels=dict(raw.get("Labels") or {}),
                image=str(raw.get("Image") or ""),
                mounts=mounts_of(raw),
            )
            for raw in listed
        ]
        return tuple(sorted(found, key=lambda helper: helper.name))

    @contextmanager
    def read_volume(
        self, holder: str, path: str = "/volume", *, check: Callable[[], None] = lambda: None
    ) -> Iterator[ByteStream]:
        """The archive API's tar of the path; raises NotFound without the container or the path, or EngineError.

        Or what `check` raises, which is asked while the answer does not begin: the engine may be busy with the
        container for long before that.
        """
        what = say("“{path}” in “{holder}”", path=scrub(path), holder=holder)
        attempt = self._connection.attempt(say("read {what}", what=what))
        with self._connection.transfer(attempt) as api:

            def ask() -> Any:
                return api._get(
                    api._url("/containers/{0}/archive", holder),
                    params={"path": path.encode("utf-8", "surrogateescape")},  # names need not be UTF-8
                    headers={"Accept-Encoding": "identity"},
                    stream=True,
                )

            with our_errors(attempt):
                response = patiently(ask, check, discard=lambda late: late.close())
                api._raise_for_status(response)
            with closing(Wire(response)) as wire:  # what our caller raises in here is not ours to translate
                yield Reader(wire, self._connection, what)

    def link_at(self, holder: str, path: str) -> str | None:
        """Where the link at that path leads, all links followed; None when it is none or is not there; EngineError.

        The archive API says it in a header of its answer to HEAD (API 1.41, ContainerArchiveInfo), for plain things
        as an empty text.
        """
        with self._connection.call(
            say("look at “{path}” in “{holder}”", path=scrub(path), holder=holder)
        ) as api:
            answer = api.head(
                api._url("/containers/{0}/archive", holder),
                params={"path": path.encode("utf-8", "surrogateescape")},
                timeout=self._connection.limits.request.total_seconds(),
            )
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            api._raise_for_status(answer)
        return _link_target(answer.headers.get(STAT_HEADER, ""), path)

    def write_volume(
        self,
        helper: str,
        tar: Iterator[bytes],
        path: str = "/",
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Unpack a tar (engine fact 9); it merges, and an error keeps what came before.

        However long it takes: only silence ends it, or what `check` raises, which is asked while nothing moves.
        Raises what `tar` or `check` raise, unchanged; else NotFound, or EngineError.
        """
        send(lambda pieces: self._put(helper, pieces, path), tar, check)

    def _put(
        self, helper: str, pieces: Iterator[bytes], path: str, *, keep_directories: bool = False
    ) -> None:
        source = Source(pieces)
        attempt = self._connection.attempt(
            say("write “{path}” through “{holder}”", path=scrub(path), holder=helper), changes=True
        )
        silence = self._connection.limits.stall.total_seconds()
        answer = max(silence, ANSWER_LIMIT.total_seconds())
        try:
            with self._connection.transfer(attempt) as api, our_errors(attempt):
                response = api._put(
                    api._url("/containers/{0}/archive", helper),
                    params={
                        "path": path.encode("utf-8", "surrogateescape"),
                        **({"noOverwriteDirNonDir": "1"} if keep_directories else {}),
                    },
                    data=source,
                    timeout=(silence, answer),
                )
                api._raise_for_status(response)
        except EngineError:
            if source.error is not None:  # urllib3 disguises an OSError of ours as one of the connection
                raise source.error from None
            raise

    def _refuse_missing_volume(self, storage: Storage) -> None:
        """Docker would make a missing volume without a word (engine fact 13)."""
        if not isinstance(storage, HostPath):
            self.volume(storage)

    def _remove(self, api: Any, identifier: str) -> None:
        try:
            with undoing():
                # With what its image had made without a name.
                api.remove_container(identifier, force=True, v=True)
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


def _link_target(header: str, path: str) -> str | None:
    try:
        target = json.loads(base64.b64decode(header))["linkTarget"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(
            say(
                "Docker did not say what “{path}” is, so nobody can know where it leads. Nothing was changed; "
                "look at the host, then send the command again.",
                path=scrub(path),
            )
        ) from error
    return str(target) or None


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
