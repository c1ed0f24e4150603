"""A private PostgreSQL for tests, from Debian's own binaries: a socket in a short directory, no network.

It must not know what is stored in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.canaries import canary
from tests.support.memory import fast_place

_USER = "postgres"
_START_SECONDS = 30.0
_UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running server: where its programs and its socket are, and which process it is."""

    programs: Path
    directory: Path
    process: subprocess.Popen[bytes]

    def url(self, name: str) -> str:
        """The address of one of its databases, for `Database`; the server trusts whatever password."""
        return f"postgresql+psycopg://{_USER}:{canary('database-password')}@/{name}?host={self.directory}"

    def create(self, name: str, *, template: str = "template1") -> str:
        """A new database, equal to the template, which nobody may be connected to; its address."""
        words = ["createdb", "--host", str(self.directory), "--username", _USER, "--template", template, name]
        words[0] = str(self.programs / words[0])
        subprocess.run(words, check=True, capture_output=True, timeout=30)
        return self.url(name)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)


def require_programs() -> Path:
    """Where initdb and postgres are; skips the test when they are not installed, or fails it when CI=true."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "PostgreSQL's programs are not here; install Debian's package postgresql."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found[-1].parent


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server with an empty data directory; it is stopped and removed at the end."""
    programs = require_programs()
    directory = Path(tempfile.mkdtemp(prefix="skt-pg-", dir=fast_place()))
    try:
        who = _as_user(directory)
        made = subprocess.run(
            [
                programs / "initdb",
                "--username",
                _USER,
                "--auth",
                "trust",
                "--no-sync",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                directory / "data",
            ],
            capture_output=True,
            timeout=60,
            cwd=directory,
            **who,
        )
        assert made.returncode == 0, made.stderr.decode()
        yield from _running(programs, directory, who)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _running(programs: Path, directory: Path, who: dict[str, Any]) -> Iterator[Cluster]:
    options = [word for option in _UNSAFE_AND_FAST for word in ("-c", option)]
    where = ["-D", directory / "data", "-k", directory, "-c", "listen_addresses="]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [programs / "postgres", *where, *options], stdout=output, stderr=output, cwd=directory, **who
        )
    try:
        _wait_until_it_answers(programs, directory, process, log)
        yield Cluster(programs=programs, directory=directory, process=process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def _as_user(directory: Path) -> dict[str, Any]:
    """PostgreSQL refuses to be root: then it runs as Debian's `postgres`, which owns the directory."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(_USER)
    os.chown(directory, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait_until_it_answers(
    programs: Path, directory: Path, process: subprocess.Popen[bytes], log: Path
) -> None:
    pause = threading.Event()
    for _ in range(int(_START_SECONDS / 0.05)):
        assert process.poll() is None, f"PostgreSQL ended at its start: {log.read_text()}"
        asked = [programs / "pg_isready", "--host", directory, "--quiet"]
        if subprocess.run(asked, timeout=10, check=False).returncode == 0:
            return
        pause.wait(0.05)
    raise AssertionError(f"PostgreSQL did not answer within {_START_SECONDS} s: {log.read_text()}")
