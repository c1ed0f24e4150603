"""A volume with files and a container that writes to it, made for the demo and removed afterwards.

Only what carries the sandbox's label is ever touched; it must not know who plays in it.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import docker

from bot.engine import Volume
from bot.engine.connection import Connection, Limits
from bot.engine.helpers import import_image
from bot.engine.real import DockerEngine
from bot.errors import Conflict, EngineError
from bot.language import say

LABEL = "shipkeeper.sandbox"
VOLUME = "pgdata-demo"
CONTAINER = "postgres-demo"

_IMAGE, _TAG = "shipkeeper-sandbox", "1"
_SCRIPT = "trap exit TERM; n=0; while true; do n=$((n+1)); echo row $n >> /data/log; sleep 1; done"
_FILES = {"README": b"made by the shipkeeper demo\n", "base/1/table": bytes(range(256)) * 8192}


class Sandbox:
    """`make` it, look at it, `remove` it. Without busybox on this machine there is no running container."""

    def __init__(self, engine: DockerEngine, limits: Limits) -> None:
        self._engine = engine
        self._connection = Connection(engine.host, None, limits)
        self.has_container = shutil.which("busybox") is not None

    def make(self) -> None:
        """Make the volume, its files and the container; raises Conflict if the names are somebody else's."""
        self.remove()
        self._engine.create_volume(Volume(name=VOLUME, driver="local", labels={LABEL: "demo"}))
        helper = "shipkeeper-sandbox-fill"
        self._engine.create_helper(helper, VOLUME, run_id="sandbox", read_only=False)
        try:
            self._engine.write_volume(helper, iter([_files_as_tar()]))
        finally:
            self._engine.remove_helper(helper)
        if self.has_container:
            self._start_container()

    def remove(self) -> None:
        """Remove whatever carries the label. May be called twice."""
        with self._connection.call(say("remove the sandbox"), changes=True) as api:
            for one in api.containers(all=True, filters={"label": LABEL}):
                api.remove_container(one["Id"], force=True)
            labelled = api.volumes(filters={"label": LABEL})["Volumes"] or []
            names = [one["Name"] for one in labelled]
        for name in names:
            self._engine.remove_volume(name)
        if any(volume.name == VOLUME for volume in self._engine.volumes()):
            raise Conflict(
                say(
                    "There is a volume {volume} that the demo did not make. Nothing was changed. "
                    "Remove or rename it, then start the demo again.",
                    volume=VOLUME,
                )
            )

    def container_state(self) -> str:
        """Docker's word for the container's state."""
        return self._engine.container(CONTAINER).state

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()

    def _start_container(self) -> None:
        with self._connection.call(say("start the sandbox's container"), changes=True) as api:
            try:
                api.inspect_image(f"{_IMAGE}:{_TAG}")
            except docker.errors.ImageNotFound:
                import_image(api, _busybox_as_tar(), repository=_IMAGE, tag=_TAG)
            mount = docker.types.Mount("/data", VOLUME, type="volume")
            made = api.create_container(
                f"{_IMAGE}:{_TAG}",
                command=["/bin/busybox", "sh", "-c", _SCRIPT],
                name=CONTAINER,
                labels={LABEL: "demo"},
                host_config=api.create_host_config(mounts=[mount], network_mode="none"),
            )
            api.start(made["Id"])


def _files_as_tar() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for directory in ("volume", "volume/base", "volume/base/1"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(info)
        for name, data in _FILES.items():
            info = tarfile.TarInfo(f"volume/{name}")
            info.size, info.mode = len(data), 0o600
            tar.addfile(info, io.BytesIO(data))
    return held.getvalue()


def _busybox_as_tar() -> bytes:
    program = shutil.which("busybox")
    if program is None:
        raise EngineError(
            say("The demo's container needs busybox on this machine. Nothing was changed. Install it first.")
        )
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        data = Path(program).read_bytes()
        info = tarfile.TarInfo("bin/busybox")
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return held.getvalue()
