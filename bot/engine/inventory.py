"""What a host has, over docker-py, for people who look around. It must not know who may see what."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import docker

from bot.engine import HELPER_LABEL
from bot.engine.connection import Verbs
from bot.engine.containers import health_of, listed_name
from bot.engine.inventory_contract import Condition, HostExamined, HostSurvey, ListedContainer
from bot.engine.mounts import mounts_of
from bot.engine.permits import examined
from bot.engine.translate import is_timeout, our_errors, scrub
from bot.errors import EngineError
from bot.language import say
from bot.reasons import Reason

_ENDED = ("exited", "dead")
_DATES_TO = len("2026-11-27T18:04:56.123456")


class InventoryVerbs(Verbs):
    """The part of the engine that lists what there is."""

    @property
    def address(self) -> str:
        """Where it is reached, without credentials; raises EngineError when no daemon is chosen."""
        return scrub(self._connection.chosen.text)

    def list_containers(self) -> tuple[ListedContainer, ...]:
        """The company's containers in any state, by name; raises EngineError."""
        with self._connection.call(say("list its containers")) as api:
            listed = api.containers(all=True)
        found = [_container(raw) for raw in listed if HELPER_LABEL not in (raw.get("Labels") or {})]
        return tuple(sorted(found, key=lambda container: container.name))

    def condition(self, identifier: str) -> Condition | None:
        """How the container is now; None when it is gone. Raises EngineError."""
        with self._connection.call(say("look at the container “{container}”", container=identifier)) as api:
            try:
                return _condition(api.inspect_container(identifier))
            except docker.errors.NotFound:
                return None

    def volume_sizes(self, limit: timedelta) -> Mapping[str, int]:
        """Bytes of each volume, from `docker system df`; raises EngineError (`stalled`) at the limit."""
        doing = say("say how large its volumes are")
        with self._limited(doing, limit) as api:
            found = api.df()["Volumes"] or ()
        sizes = {str(raw["Name"]): int((raw.get("UsageData") or {}).get("Size", -1)) for raw in found}
        return {name: size for name, size in sizes.items() if size >= 0}  # -1: the driver does not say

    def survey(self, limit: timedelta) -> HostSurvey:
        """What the host is at a glance; raises EngineError when an answer takes longer than the limit."""
        with self._limited(say("say who it is"), limit) as api:
            version, info = api.version(), api.info()
            volumes = api.volumes()["Volumes"] or ()
        return HostSurvey(
            version=str(version["Version"]),
            api_version=str(version["ApiVersion"]),
            containers=int(info["Containers"]),
            running=int(info["ContainersRunning"]),
            volumes=len(volumes),
        )

    def examine(self, limit: timedelta) -> HostExamined:
        """Whether the bot can work there; raises EngineError when an answer takes longer than the limit."""
        with self._limited(say("say what the bot may do there"), limit) as api:
            return examined(api)

    @contextmanager
    def _limited(self, doing: str, limit: timedelta) -> Iterator[Any]:
        """A client of its own; all answers together may take no longer than the limit."""
        attempt, began = self._connection.attempt(doing), time.monotonic()
        late = EngineError(
            say(
                "{engine} did not {doing} within {limit:g} seconds. Nothing was changed.",
                engine=attempt.engine,
                doing=doing,
                limit=limit.total_seconds(),
            ),
            reason=Reason.STALLED,
        )
        try:
            with self._connection.transfer(attempt, limit) as api, our_errors(attempt):
                yield api
        except EngineError as error:
            if is_timeout(error.__cause__):
                raise late from error
            raise
        if time.monotonic() - began > limit.total_seconds():
            raise late  # several answers, each of them in time


def _container(raw: Mapping[str, Any]) -> ListedContainer:
    volumes = {mount.source for mount in mounts_of(raw) if mount.kind == "volume"}
    return ListedContainer(
        id=raw["Id"],
        name=listed_name(raw),
        state=str(raw["State"]),
        image=str(raw.get("Image") or ""),
        image_id=str(raw.get("ImageID") or ""),
        created_at=datetime.fromtimestamp(raw["Created"], UTC),
        volumes=tuple(sorted(volumes)),
        labels=dict(raw.get("Labels") or {}),
    )


def _condition(raw: Mapping[str, Any]) -> Condition:
    state = raw["State"]
    has_ended = state["Status"] in _ENDED
    since = state["FinishedAt"] if has_ended else state["StartedAt"]
    return Condition(
        state=state["Status"],
        since=_moment(raw["Created"] if state["Status"] == "created" else since),
        health=health_of(state),
        exit_code=int(state["ExitCode"]) if has_ended else None,
    )


def _moment(text: str) -> datetime:
    """Docker's time, which has nanoseconds (RFC 3339) and is in UTC."""
    return datetime.fromisoformat(text.rstrip("Z")[:_DATES_TO]).replace(tzinfo=UTC, microsecond=0)
