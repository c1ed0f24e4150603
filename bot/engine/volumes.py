"""What we do with volumes over docker-py; it must not know what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import docker

from bot.engine import Volume
from bot.engine.connection import Verbs
from bot.engine.names import meant, nearest
from bot.engine.translate import scrub
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say

# Docker deletes files one by one: two volumes of 200,000 files took 55 s (engine facts, section 2).
REMOVAL_LIMIT = timedelta(minutes=30)

# What Docker itself takes for a volume's or a container's name (engine facts, section 1).
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def is_name(text: str) -> bool:
    """Would Docker take it for the name of a volume or container?"""
    return _NAME.fullmatch(text) is not None


class VolumeVerbs(Verbs):
    """The part of the engine that deals with volumes."""

    def volumes(self) -> tuple[Volume, ...]:
        """All volumes, sorted by name; raises EngineError."""
        with self._connection.call(say("list its volumes")) as api:
            found = api.volumes()["Volumes"] or ()
        return tuple(sorted((_volume(raw) for raw in found), key=lambda volume: volume.name))

    def volume(self, name: str) -> Volume:
        """The volume of that name; raises NotFound naming the nearest ones, or EngineError."""
        volume = self._find_volume(name)
        if volume is None:
            names = [other.name for other in self.volumes()]
            raise NotFound.beside(
                lambda near: say(
                    "There is no volume “{volume}” on host “{host}”.{hint} Nothing was changed.",
                    volume=scrub(name),
                    host=self._connection.host,
                    hint=meant(near),
                ),
                nearest(name, names),
                "volume:{}".format,
            )
        return volume

    def create_volume(self, volume: Volume) -> None:
        """Make it, exactly so; raises Conflict when the name is taken, or EngineError.

        Docker hands out an existing volume without a word, and for an empty name makes one up (fact 13).
        """
        shown = scrub(volume.name)
        if not is_name(volume.name):
            raise EngineError(
                say(
                    "“{name}” is no name for a volume: Docker takes two or more letters, digits, “_”, “.” and “-”. "
                    "Nothing was changed; choose another name.",
                    name=shown,
                )
            )
        taken = Conflict(
            say(
                "There is a volume “{volume}” on host “{host}” already. "
                "It was not changed; choose another name, or remove it first.",
                volume=shown,
                host=self._connection.host,
            )
        )
        if self._find_volume(volume.name) is not None:
            raise taken
        with self._connection.call(say("create the volume “{volume}”", volume=shown), changes=True) as api:
            raw = api.create_volume(
                volume.name,
                driver=volume.driver,
                driver_opts=dict(volume.options),
                labels=dict(volume.labels),
            )
        made = _volume(raw)
        if (made.labels, made.options) != (dict(volume.labels), dict(volume.options)):
            raise taken  # somebody was faster: Docker answered with theirs

    def remove_volume(self, name: str) -> None:
        """Remove it if it is there, which may take minutes; raises Conflict while used, or EngineError."""
        if not is_name(name):
            return
        with self._connection.call(say("remove the volume “{volume}”", volume=name), changes=True) as api:
            # docker-py's own method has no time limit to set. A kept connection would keep this long one.
            answer = api._delete(
                api._url("/volumes/{0}", name),
                timeout=REMOVAL_LIMIT.total_seconds(),
                headers={"Connection": "close"},
            )
            if answer.status_code != 404:
                api._raise_for_status(answer)

    def _find_volume(self, name: str) -> Volume | None:
        if not is_name(name):
            return None
        with self._connection.call(say("look for the volume “{volume}”", volume=name)) as api:
            try:
                return _volume(api.inspect_volume(name))
            except docker.errors.NotFound:
                return None


def _volume(raw: Mapping[str, Any]) -> Volume:
    return Volume(
        name=raw["Name"],
        driver=raw["Driver"],
        labels=dict(raw.get("Labels") or {}),
        options=dict(raw.get("Options") or {}),
        mountpoint=str(raw.get("Mountpoint") or ""),
        created_at=str(raw.get("CreatedAt") or ""),
    )
