"""Makes containers that run in a real engine without any registry: an image from the machine's own busybox."""

from __future__ import annotations

import io
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker
import pytest

from bot.engine import Check
from bot.engine.helpers import import_image
from tests.contracts.bench import Wanted
from tests.support.canaries import CONTAINER_ENVIRONMENT
from tests.support.tars import member, tar_of

IMAGE = "shipkeeper-test-busybox"
TAG = "1"
SLEEP = ("/bin/busybox", "sleep", "600")
HEEDING = ("/bin/sh", "-c", 'trap "exit 0" TERM; sleep 3600 & wait')
"""Ends at once when it is told to; a first process without a trap sits out its whole grace."""
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

    image = f"{IMAGE}:{TAG}"

    def __init__(self, url: str) -> None:
        self.api: Any = docker.APIClient(base_url=url, version="auto", timeout=60)
        self._url = url
        self._made: list[str] = []
        self._directories: list[str] = []

    def run(self, name: str, *volumes: str, command: Sequence[str] = SLEEP) -> None:
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
            environment=CONTAINER_ENVIRONMENT,
            host_config=self.api.create_host_config(mounts=mounts, network_mode="none"),
        )
        self.api.start(made["Id"])

    def make(self, name: str, wanted: Wanted, *, command: Sequence[str] = SLEEP) -> None:
        """A running container of that kind."""
        self._ensure_image()
        mounts = [docker.types.Mount(where, name, type="volume") for name, where in wanted.volumes.items()]
        mounts += [docker.types.Mount(where, path, type="bind") for path, where in wanted.binds.items()]
        self._made.append(name)
        made = self.api.create_container(
            self.image,
            command=list(command),
            name=name,
            environment=CONTAINER_ENVIRONMENT,
            labels=dict(wanted.labels),
            healthcheck=_health_check(wanted.health),
            host_config=self.api.create_host_config(mounts=mounts, network_mode="none"),
        )
        if wanted.files:
            files = [(member(path.lstrip("/")), data) for path, data in wanted.files.items()]
            assert self.api.put_archive(made["Id"], "/", tar_of(files))
        self.api.start(made["Id"])

    def directory(self, files: Mapping[str, bytes]) -> str:
        """A directory that the daemon sees too, because it runs on this machine."""
        if not self._url.startswith("unix://"):
            pytest.skip("Directories of the engine's machine need an engine on this machine.")
        made = tempfile.mkdtemp(prefix="skt-", dir="/var/tmp")
        self._directories.append(made)
        for name, data in files.items():
            file = Path(made, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return made

    def socket(self, directory: str, name: str) -> None:
        """A socket in it."""
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"{directory}/{name}")

    def words(self, out: bytes = b"", errors: str = "", code: int | None = 0) -> Sequence[str]:
        """A shell that writes both and ends, or sleeps."""
        end = "sleep 600" if code is None else f"exit {code}"
        script = f"printf %b '{_octal(out)}'; printf %b '{_octal(errors.encode())}' >&2; {end}"
        return ("/bin/sh", "-c", script)

    def check(self, shown: str, code: int | None = 0) -> Check:
        """A shell that shows the file and ends, or sleeps."""
        self._ensure_image()
        end = "sleep 600" if code is None else f"exit {code}"
        words = ("/bin/sh", "-c", f"cat /volume/{shown}; {end}")
        return Check(image=self.image, words=words, limit=timedelta(minutes=1))

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
        for directory in self._directories:
            shutil.rmtree(directory)
        self.api.close()

    def _ensure_image(self) -> None:
        try:
            self.api.inspect_image(f"{IMAGE}:{TAG}")
        except docker.errors.ImageNotFound:
            import_image(self.api, busybox_tar(), repository=IMAGE, tag=TAG)


def _octal(data: bytes) -> str:
    """As the shell's `printf %b` takes it."""
    return "".join(f"\\0{byte:03o}" for byte in data)


def _health_check(health: str) -> dict[str, object] | None:
    if not health:
        return None
    second = 1_000_000_000
    word = "true" if health == "healthy" else "false"
    return {"test": ["CMD", "/bin/busybox", word], "interval": second, "timeout": 5 * second, "retries": 1}
