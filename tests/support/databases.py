"""Real database servers in containers of a real engine, from the files of Debian's packages on this machine.

One image holds the programs, the libraries that `ldd` names and a busybox; nothing is pulled, nobody has a network.
It must not know how a dump is taken.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from bot.engine.helpers import import_image
from tests.support.busybox import busybox_tar

USER = 999
_PROGRAMS = {
    "postgresql": ("postgres", "initdb", "pg_dumpall", "pg_dump", "psql"),
    "mariadb": ("mariadbd", "mariadb-dump", "mariadb"),
    "redis": ("redis-server", "redis-cli"),
    "sqlite": ("sqlite3",),
}
_PACKAGES = {
    "postgresql": "postgresql",
    "mariadb": "mariadb-server",
    "redis": "redis-server",
    "sqlite": "sqlite3",
}
_TREES = {
    "postgresql": ("/usr/share/postgresql/*", "/usr/lib/postgresql/*/lib/*.so"),
    "mariadb": ("/usr/share/mysql/english", "/usr/share/mysql/charsets"),
}
# LLVM, which only makes long queries faster, is larger than all the rest together.
_NOT_NEEDED = re.compile(r"/(llvm|bitcode|extension/(?!plpgsql)|man/|doc/)")
_SHELL = ("sh", "cat", "rm", "mktemp", "sed", "sleep", "killall", "env", "seq", "ps", "grep", "id", "stat")
_INSTALLED = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), "/usr/sbin", "/usr/bin")
_PATH = ":".join(str(place) for place in _INSTALLED)
_READY_SECONDS = 30.0


def require(database: str) -> None:
    """Skips the test when the database's programs are not installed, or fails it when CI=true."""
    missing = [name for name in _PROGRAMS[database] if shutil.which(name, path=_PATH) is None]
    if not missing:
        return
    reason = f"{', '.join(missing)} are not here; install Debian's package {_PACKAGES[database]}."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class DatabaseBench:
    """Servers in containers, and their own clients, by the SDK itself; everything is removed at the end."""

    def __init__(self, url: str) -> None:
        self.api: Any = docker.APIClient(base_url=url, version="auto", timeout=120)
        self._made: list[str] = []
        self._image = ""

    def run(self, script: str, *, user: int = USER, **environment: str) -> str:
        """A container whose first process is a shell with that script; its name."""
        self._ensure_image()
        name = f"skt-db-{uuid.uuid4().hex[:8]}"
        self._made.append(name)
        made = self.api.create_container(
            self._image,
            command=["/bin/sh", "-c", script],
            name=name,
            user=str(user),
            environment={"PATH": f"{_PATH}:/bin", **environment},
            host_config=self.api.create_host_config(network_mode="none", init=False),
        )
        self.api.start(made["Id"])
        return name

    def ask(
        self, name: str, *words: str, environment: Mapping[str, str] | None = None, user: str = ""
    ) -> tuple[int, str]:
        """Run a program in the container: its exit code and all its output."""
        made = self.api.exec_create(name, list(words), environment=dict(environment or {}), user=user)
        output = self.api.exec_start(made["Id"])
        return self.api.exec_inspect(made["Id"])["ExitCode"], output.decode("utf-8", "replace")

    def ready(self, name: str, *words: str, **environment: str) -> str:
        """Ask until it succeeds; the output."""
        pause = threading.Event()
        for _ in range(int(_READY_SECONDS / 0.1)):
            code, output = self.ask(name, *words, environment=environment)
            if code == 0:
                return output
            pause.wait(0.1)
        raise AssertionError(f"{name} is not ready: {output}\n{self.api.logs(name, tail=20).decode()}")

    def kill(self, name: str, program: str) -> None:
        """kill -9 the program in the container, and wait until it is gone.

        Nothing is read from an exec here: the daemon holds it back while another one's output is not taken.
        """
        made = self.api.exec_create(name, ["killall", "-9", program], user="root")
        self.api.exec_start(made["Id"], detach=True)
        pause = threading.Event()
        for _ in range(int(_READY_SECONDS / 0.02)):
            listed = self.api.top(name, ps_args="-eo pid,stat,comm")["Processes"]
            if not [one for one in listed if one[1][0] != "Z" and one[2] == program]:
                return
            pause.wait(0.02)
        raise AssertionError(f"{program} does not die in {name}")

    def give(self, name: str, path: str, data: bytes) -> None:
        """Put a file into the container, which may be executed."""
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as tar:
            _add(tar, path, data, mode=0o755, owner=USER)
        self.api.put_archive(name, "/", held.getvalue())

    def remove(self, name: str) -> None:
        """Away with it, as `docker rm -f`."""
        self.api.remove_container(name, force=True)
        self._made.remove(name)

    def close(self) -> None:
        """Remove the containers and the image."""
        for name in tuple(self._made):
            self.remove(name)
        if self._image:
            self.api.remove_image(self._image, force=True)
        self.api.close()

    def _ensure_image(self) -> None:
        if not self._image:
            name = f"skt-databases-{uuid.uuid4().hex[:8]}"
            import_image(self.api, _root_file_system(), repository=name, tag="1")
            self._image = f"{name}:1"


def _root_file_system() -> bytes:
    held = io.BytesIO(busybox_tar())
    with tarfile.open(fileobj=held, mode="a") as tar:
        for name in _SHELL:
            if f"bin/{name}" not in tar.getnames():
                _link(tar, f"bin/{name}", "busybox")
        _add(tar, "/etc/passwd", f"root:x:0:0::/:/bin/sh\ndb:x:{USER}:{USER}::/data:/bin/sh\n".encode())
        for path in ("/tmp", "/data", "/var/run/postgresql", "/run/mysqld"):
            _directory(tar, path, mode=0o1777 if path == "/tmp" else 0o700)
        for path in sorted(set(_files())):
            tar.add(os.path.realpath(path), path, recursive=False)
        _add_mariadb_data(tar)
    return held.getvalue()


def _files() -> Iterator[str]:
    programs = [shutil.which(name, path=_PATH) for names in _PROGRAMS.values() for name in names]
    found = [program for program in programs if program]
    trees = [path for database in _TREES.values() for pattern in database for path in _glob(pattern)]
    libraries = [path for path in trees if path.endswith(".so")]
    listed = subprocess.run(["ldd", *found, *libraries], capture_output=True, text=True, check=False).stdout
    yield from found
    yield from trees
    yield from re.findall(r"(/\S+\.so[^\s:]*) \(0x", listed)


def _glob(pattern: str) -> Iterator[str]:
    for top in Path("/").glob(pattern.lstrip("/")):
        for path in (top, *top.rglob("*")):
            if path.is_file() and not _NOT_NEEDED.search(str(path)):
                yield str(path)


def _add_mariadb_data(tar: tarfile.TarFile) -> None:
    """Its system tables, made here once, for that takes longer than all else."""
    install = shutil.which("mariadb-install-db", path=_PATH)
    if install is None:
        return
    with tempfile.TemporaryDirectory(prefix="skt-mariadb-") as made:
        words = [install, "--no-defaults", f"--datadir={made}", "--auth-root-authentication-method=normal"]
        words += ["--skip-test-db", "--innodb-log-file-size=8M", "--user=root"]
        subprocess.run(words, check=True, capture_output=True, timeout=120)

        def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid = info.gid = USER
            return info

        tar.add(made, "data/mariadb", filter=owned)


def _add(tar: tarfile.TarFile, path: str, data: bytes, *, mode: int = 0o644, owner: int = 0) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode, info.uid, info.gid = len(data), mode, owner, owner
    tar.addfile(info, io.BytesIO(data))


def _link(tar: tarfile.TarFile, path: str, target: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def _directory(tar: tarfile.TarFile, path: str, *, mode: int) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, USER, USER
    tar.addfile(info)
