"""Makes a container like another one, from an image and a configuration that was kept, over docker-py.

It must not know where image and mounts came from.
"""

from __future__ import annotations

from typing import Any

import docker

from bot.engine import HELPER_LABEL, RUN_LABEL, Container, HostPath
from bot.engine.configuration import Fitted, Port, Surroundings, bound_ports, fitted, is_identity
from bot.engine.containers import ContainerVerbs
from bot.engine.mounts import docker_mount, missing_path_is_not_found
from bot.engine.powers import powers
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Clone
from bot.engine.translate import scrub
from bot.engine.volumes import VolumeVerbs
from bot.errors import NotFound
from bot.language import say


class CloneVerbs(ContainerVerbs, VolumeVerbs):
    """The part of the engine that makes clones."""

    def left_out(self, configuration: str) -> tuple[str, ...]:
        """What a clone would not have, a phrase each; raises EngineError."""
        return fitted(configuration, self._surroundings()).left_out

    def powers(self, configuration: str) -> tuple[str, ...]:
        """What a clone could do to its host that not every container can, a phrase each; raises EngineError."""
        return powers(configuration)

    def run_clone(self, clone: Clone) -> Container:
        """Make and start it; raises NotFound, Conflict, or EngineError."""
        fit = fitted(clone.configuration, self._surroundings())
        for storage in clone.mounts.values():  # Docker would make a missing volume without a word (fact 13)
            if not isinstance(storage, HostPath):
                self.volume(storage)
        identifier = self._create(clone, fit)
        with self._connection.call(
            say("start the container “{container}”", container=clone.name), changes=True
        ) as api:
            for network in fit.networks:
                api.connect_container_to_network(identifier, network)
            api.start(identifier)
        return self.container(identifier)

    def clone_of(self, run_id: str) -> Container | None:
        """The clone that the run made, if it is there; raises EngineError."""
        with self._connection.call(say("list its containers")) as api:
            listed = api.containers(all=True, filters={"label": [f"{RUN_LABEL}={run_id}", SNAPSHOT_LABEL]})
        ours = [raw["Id"] for raw in listed if HELPER_LABEL not in (raw.get("Labels") or {})]
        return self._present(ours[0]) if ours else None

    def remove_clone(self, name: str, run_id: str) -> None:
        """Remove it with what Docker made for it alone, if that run made it; raises EngineError."""
        raw = self._inspect(name)
        if raw is None or (raw["Config"].get("Labels") or {}).get(RUN_LABEL) != run_id:
            return
        with self._connection.call(
            say("remove the container “{container}”", container=name), changes=True
        ) as api:
            try:
                api.remove_container(raw["Id"], force=True, v=True)
            except docker.errors.NotFound:
                return

    def _create(self, clone: Clone, fit: Fitted) -> str:
        mounts = [
            docker_mount(storage, place, read_only=place in fit.read_only)
            for place, storage in sorted(clone.mounts.items())
        ]
        storage = next((one for one in clone.mounts.values() if isinstance(one, HostPath)), HostPath("/"))
        with (
            self._connection.call(
                say("create the container “{container}”", container=clone.name), changes=True
            ) as api,
            missing_path_is_not_found(storage, self._connection.host),
        ):
            inherited = self._labels_of(api, clone.image)
            labels = {
                key: "" for key in inherited if is_identity(key)
            }  # an image's labels are its containers' too
            labels |= {**fit.config["Labels"], **clone.labels, RUN_LABEL: clone.run_id}
            host = {**fit.host, "Mounts": [*fit.host.get("Mounts", ()), *mounts]}
            data = {**fit.config, "Image": clone.image, "Labels": labels, "HostConfig": host}
            answer = api._post_json(api._url("/containers/create"), data=data, params={"name": clone.name})
            return str(api._result(answer, True)["Id"])

    def _labels_of(self, api: Any, image: str) -> dict[str, str]:
        try:
            return dict(api.inspect_image(image)["Config"].get("Labels") or {})
        except docker.errors.ImageNotFound as error:
            raise NotFound(
                say(
                    "There is no image “{image}” on host “{host}”. Nothing was made. Pull it.",
                    image=scrub(image),
                    host=self._connection.host,
                )
            ) from error

    def _surroundings(self) -> Surroundings:
        """Running containers tell their ports in the list; the others have to be looked at one by one."""
        ports: set[Port] = set()
        with self._connection.call(say("list its containers and networks")) as api:
            listed, networks = api.containers(all=True), api.networks()
        for raw in listed:
            if HELPER_LABEL in (raw.get("Labels") or {}):
                continue
            ports |= {
                (one["Type"], str(one["PublicPort"]))
                for one in raw.get("Ports") or ()
                if one.get("PublicPort")
            }
            found = None if raw.get("State") == "running" else self._inspect(raw["Id"])
            ports |= bound_ports(found) if found is not None else set()
        return Surroundings(ports=frozenset(ports), networks=frozenset(one["Name"] for one in networks))
