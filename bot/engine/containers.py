"""What we do with other people's containers over docker-py: find, freeze, wake, stop, start.

It must not know why. A container is only changed in the life it was seen in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker

from bot.engine import HELPER_LABEL, Container, HostPath, Storage
from bot.engine.connection import Verbs
from bot.engine.mounts import mounts_of, touches
from bot.engine.names import meant, nearest
from bot.engine.translate import scrub
from bot.engine.volumes import is_name
from bot.engine.witness import undoing
from bot.errors import Conflict, NotFound
from bot.language import later, say

NEVER_STARTED = "0001-01-01T00:00:00Z"

# The engine finishes a stop whose client died (engine facts, section 6): our grace of ten seconds, and some more.
STOP_MAY_LAST_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 0.2

# “is (not) paused”: 409 or 500 by version and case (engine facts, section 6).
_BESIDE_THE_POINT = (409, 500)


class ContainerVerbs(Verbs):
    """The part of the engine that deals with containers that do the company's work."""

    def container(self, reference: str) -> Container:
        """The container with that name or id; raises NotFound naming the nearest ones, or EngineError."""
        found = self._inspect(reference) if is_name(reference) else None
        if found is None:
            raise NotFound.beside(
                lambda names: say(
                    "There is no container “{container}” on host “{host}”.{hint} Nothing was changed.",
                    container=scrub(reference),
                    host=self._connection.host,
                    hint=meant(names),
                ),
                nearest(reference, self._names()),
                "container:{}".format,
            )
        return _container(found)

    def users_of(self, storage: Storage) -> tuple[Container, ...]:
        """Containers in any state that mount it, without our helpers, by name; raises EngineError.

        Of a path, those that bind it, something above it or something below it, as their mounts spell it, or mount
        a volume whose files lie there; of a volume, those too that bind its files. Docker's own filter also matches
        paths inside containers, so their mounts are read.
        """
        with self._connection.call(say("list its containers")) as api:
            listed = api.containers(all=True)
        place = "" if isinstance(storage, HostPath) else self._files_of(storage)
        users = [
            raw["Id"]
            for raw in listed
            if HELPER_LABEL not in (raw.get("Labels") or {}) and touches(raw, storage, place)
        ]
        inspected = [self._inspect(identifier) for identifier in users]
        present = [_container(raw) for raw in inspected if raw is not None]
        return tuple(sorted(present, key=lambda container: container.name))

    def pause(self, container: Container) -> None:
        """Freeze a running container; raises Conflict when it is not running in this life, or EngineError."""
        self._same_life(container, ("running",), later("paused"))
        with self._connection.call(
            say("pause the container “{container}”", container=container.name), changes=True
        ) as api:
            api.pause(container.id)
        after = self._present(container.id)
        if after is not None and after.started_at != container.started_at:
            # It was restarted in between: our caller's journal knows another life, and would never wake this one.
            self.unpause(after)
            raise _other_life(container, later("paused"))

    def unpause(self, container: Container) -> bool:
        """Wake it if it is still paused in the same life; raises EngineError."""
        doing = say("unpause the container “{container}”", container=container.name)
        return self._undo(container, "paused", doing, lambda api: api.unpause(container.id))

    def start(self, container: Container) -> bool:
        """Start it if it is still stopped, or is just being stopped, and was not started since; raises EngineError.

        A stop that was asked for by a process that died goes on, and nothing in the engine's answers shows it:
        so one that still runs is watched for as long as a stop may last.
        """
        self._outlast_stop(container)
        doing = say("start the container “{container}”", container=container.name)
        return self._undo(container, "exited", doing, lambda api: api.start(container.id))

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Stop a running or paused one; raises Conflict if it is neither in this life, or EngineError.

        Also Conflict for one made with `--rm`: Docker would remove it, and nothing could start it again.
        """
        raw = self._same_life(container, ("running", "paused"), later("stopped"))
        if raw["HostConfig"].get("AutoRemove"):
            raise Conflict(
                say(
                    "The container “{container}” was made with --rm, so stopping would remove it. "
                    "It was not stopped; pause it instead, or stop it yourself.",
                    container=container.name,
                )
            )
        with self._connection.call(
            say("stop the container “{container}”", container=container.name), changes=True
        ) as api:
            api.stop(container.id, timeout=grace_seconds)

    def _files_of(self, volume: str) -> str:
        if not is_name(volume):
            return ""
        with self._connection.call(say("look for the volume “{volume}”", volume=volume)) as api:
            try:
                return str(api.inspect_volume(volume).get("Mountpoint") or "")
            except docker.errors.NotFound:
                return ""

    def _outlast_stop(self, container: Container) -> None:
        pause, deadline = threading.Event(), time.monotonic() + STOP_MAY_LAST_SECONDS
        while time.monotonic() < deadline:
            now = self._present(container.id)
            if now is None or now.state != "running" or now.started_at != container.started_at:
                return
            pause.wait(_LOOK_AGAIN_SECONDS)

    def _undo(self, container: Container, state: str, doing: str, act: Callable[[Any], None]) -> bool:
        def needed() -> bool:
            now = self._present(container.id)
            return now is not None and now.state == state and now.started_at == container.started_at

        if not needed():
            return False
        with undoing(), self._connection.call(doing, changes=True) as api:
            try:
                act(api)
            except docker.errors.APIError as error:
                if error.status_code not in (404, *_BESIDE_THE_POINT) or needed():
                    raise
                return False
        return True

    def _same_life(self, container: Container, states: tuple[str, ...], done: str) -> Mapping[str, Any]:
        raw = self._inspect(container.id)
        if raw is None:
            raise Conflict(
                say(
                    "The container “{container}” is gone, so it could not be {done}. Nothing was changed; "
                    "look at the host, then send the command again.",
                    container=container.name,
                    done=say(done),
                )
            )
        now = _container(raw)
        if now.started_at != container.started_at:
            raise _other_life(container, done)
        if now.state not in states:
            raise Conflict(
                say(
                    "The container “{container}” is {state}, so it could not be {done}. "
                    "Nothing was changed; look at the host, then send the command again.",
                    container=container.name,
                    state=now.state,
                    done=say(done),
                )
            )
        return raw

    def _present(self, identifier: str) -> Container | None:
        raw = self._inspect(identifier)
        return None if raw is None else _container(raw)

    def _inspect(self, reference: str) -> Mapping[str, Any] | None:
        with self._connection.call(say("look at the container “{container}”", container=reference)) as api:
            try:
                found: Mapping[str, Any] = api.inspect_container(reference)
            except docker.errors.NotFound:
                return None
            return found

    def _names(self) -> list[str]:
        with self._connection.call(say("list its containers")) as api:
            listed = api.containers(all=True)
        return [listed_name(raw) for raw in listed if HELPER_LABEL not in (raw.get("Labels") or {})]


def listed_name(raw: Mapping[str, Any]) -> str:
    """A listed container's own name: links give it more, which hold a second slash."""
    names = [str(name).removeprefix("/") for name in raw.get("Names") or ()]
    return next((name for name in names if "/" not in name), str(raw["Id"])[:12])


def _other_life(container: Container, done: str) -> Conflict:
    return Conflict(
        say(
            "The container “{container}” was restarted in the meantime, so it was not {done}. "
            "Nothing was changed; send the command again.",
            container=container.name,
            done=say(done),
        )
    )


def _container(raw: Mapping[str, Any]) -> Container:
    return Container(
        id=raw["Id"],
        name=raw["Name"].removeprefix("/"),
        state=raw["State"]["Status"],
        started_at=raw["State"]["StartedAt"],
        labels=dict(raw["Config"].get("Labels") or {}),
        image=str(raw["Config"].get("Image") or ""),
        mounts=mounts_of(raw),
        health=health_of(raw["State"]),
        removes_itself=bool((raw.get("HostConfig") or {}).get("AutoRemove")),
    )


def health_of(state: Mapping[str, Any]) -> str:
    """What the health check says; Docker says `none`, or nothing, of a container without a health check."""
    status = str((state.get("Health") or {}).get("Status") or "")
    return "" if status == "none" else status
