"""Volumes and containers of one test in a real engine, and the product's verifier that looks at nothing else."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from bot.app import App
from bot.engine import HELPER_LABEL, Container, Engine, Volume
from bot.engine.real import DockerEngine
from tests.support.busybox import HEEDING, DockerBench
from tests.support.house import built, refuse_untrue
from tests.support.process import Site


class Yard:
    """Volumes and containers of one test in a real engine, all of them under names of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bench = DockerBench(url)
        self._word = uuid.uuid4().hex[:8]
        self.volumes: list[str] = []
        self._users: list[str] = []

    def volume(self, name: str, script: str = "true") -> str:
        """A new volume, filled by a shell script that runs in it."""
        volume = f"{name}{len(self.volumes)}-{self._word}"
        self.volumes.append(volume)
        return self._made(volume, script)

    def volume_anew(self, volume: str, user: str, script: str = "true") -> None:
        """Another volume under the name of one, and another container under the name of its user."""
        self.bench.remove(user)
        self.bench.api.remove_volume(volume)
        self._made(volume, script)
        self.bench.run(user, volume, command=HEEDING)

    def _made(self, volume: str, script: str) -> str:
        filler = f"fill-{volume}"
        self.bench.api.create_volume(volume)
        self.bench.run(filler, volume, command=("/bin/sh", "-c", f"cd /v0 && {script}"))
        assert self.bench.api.wait(filler)["StatusCode"] == 0
        self.bench.remove(filler)
        return volume

    def user(self, name: str, volume: str, *, restart: str = "no") -> str:
        """A running container that uses the volume; `restart` is Docker's restart policy."""
        container = f"{name}-{volume}"
        self._users.append(container)
        self.bench.run(container, volume, command=HEEDING)
        if restart != "no":
            self.bench.api.update_container(container, restart_policy={"Name": restart})
        return container

    def user_anew(self, container: str, volume: str) -> None:
        """Another container under the name of one."""
        self.bench.remove(container)
        self.bench.run(container, volume, command=HEEDING)

    def state(self, container: str) -> str:
        """What Docker says of it."""
        return str(self.bench.api.inspect_container(container)["State"]["Status"])

    def mountpoint(self, volume: str) -> Path:
        """Where the volume lies on this machine."""
        return Path(self.bench.api.inspect_volume(volume)["Mountpoint"])

    def helpers(self) -> list[str]:
        """Helper containers of the product that use a volume of ours."""
        listed = self.bench.api.containers(all=True, filters={"label": HELPER_LABEL})
        ours = set(self.volumes)
        return [
            str(raw["Names"][0]).removeprefix("/")
            for raw in listed
            if any(mount.get("Name") in ours for mount in raw.get("Mounts") or ())
        ]

    def tidy(self) -> None:
        """Wake whom a test that failed left asleep, and remove its helpers; does nothing otherwise."""
        for helper in self.helpers():
            self.bench.api.remove_container(helper, force=True)
        for user in self._users:
            if self.state(user) == "paused":
                self.bench.api.unpause(user)

    def close(self) -> None:
        """Remove everything."""
        self.tidy()
        for user in self._users:
            self.bench.remove(user)
        for volume in self.volumes:
            self.bench.api.remove_volume(volume, force=True)
        self.bench.close()


class _Ours:
    """The engine as the verifier may see it: with nothing in it that belongs to somebody else."""

    def __init__(self, engine: Engine, yard: Yard) -> None:
        self._engine, self._yard = engine, yard
        self.host = engine.host

    def helpers(self) -> tuple[Container, ...]:
        return self._engine.helpers()

    def volumes(self) -> tuple[Volume, ...]:
        return tuple(one for one in self._engine.volumes() if one.name in self._yard.volumes)

    def users_of(self, volume: str) -> tuple[Container, ...]:
        return self._engine.users_of(volume)


def refuse_untrue_of(app: App, yard: Yard) -> None:
    """The product's own verifier on an app, which may look at nothing in the engine but what is the yard's."""
    seen: Any = {name: _Ours(engine, yard) for name, engine in app.services.engines.items()}
    refuse_untrue(app, engines=seen)
    assert yard.helpers() == []


def refuse_anything_untrue(site: Site, yard: Yard) -> None:
    """The product's own verifier on the state directory, while no process of the product lives."""
    with built(site.settings(), {"local": DockerEngine("local", base_url=yard.url)}) as app:
        refuse_untrue_of(app, yard)
