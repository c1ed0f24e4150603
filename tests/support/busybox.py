"""Makes containers that run in a real engine without any registry: an image from the machine's own busybox."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest

from bot.engine.helpers import import_image

IMAGE = "shipkeeper-test-busybox"
TAG = "1"
_PROGRAMS = (
    "sh",
    "ls",
    "cat",
    "sleep",
    "dd",
    "chown",
    "chmod",
    "mkdir",
    "rm",
    "find",
    "stat",
    "ln",
    "truncate",
)


def busybox_tar() -> bytes:
    """A root file system of busybox and links to it; skips the test without a busybox."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("Containers in tests need the program busybox: install busybox-static.")
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        data = Path(program).read_bytes()
        info = tarfile.TarInfo("bin/busybox")
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
        for name in _PROGRAMS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return held.getvalue()


class DockerBench:
    """Containers in a real engine, by the SDK itself, so that the engine under test is not its own witness."""

    def __init__(self, url: str) -> None:
        self.api: Any = docker.APIClient(base_url=url, version="auto", timeout=60)
        self._made: list[str] = []

    def run(
        self, name: str, *volumes: str, command: tuple[str, ...] = ("/bin/busybox", "sleep", "600")
    ) -> None:
        """A running container with the volumes at /v0, /v1 …"""
        self._ensure_image()
        mounts = [
            docker.types.Mount(f"/v{number}", volume, type="volume") for number, volume in enumerate(volumes)
        ]
        self._made.append(name)
        made = self.api.create_container(
            f"{IMAGE}:{TAG}",
            command=list(command),
            name=name,
            host_config=self.api.create_host_config(mounts=mounts, network_mode="none"),
        )
        self.api.start(made["Id"])

    def restart(self, name: str) -> None:
        """A new life."""
        self.api.restart(name, timeout=0)

    def remove(self, name: str) -> None:
        """Away with it."""
        self.api.remove_container(name, force=True)

    def close(self) -> None:
        """Remove what is left of the containers made here, and the connection."""
        for name in self._made:
            try:
                self.remove(name)
            except docker.errors.NotFound:
                continue
        self.api.close()

    def _ensure_image(self) -> None:
        try:
            self.api.inspect_image(f"{IMAGE}:{TAG}")
        except docker.errors.ImageNotFound:
            import_image(self.api, busybox_tar(), repository=IMAGE, tag=TAG)
