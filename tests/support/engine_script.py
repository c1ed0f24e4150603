"""Starts and stops private engines through `deploy/engine.sh`, for tests that kill or freeze one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "deploy" / "engine.sh"
_LIMIT_SECONDS = 180


def run_script(*words: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One run of the script, asking for a private engine. Its output is captured: it returns only if nothing
    that it started keeps the pipes open.
    """
    environment = {**os.environ, "SHIPKEEPER_ENGINE_PRIVATE": "1", **(extra or {})}
    return subprocess.run(
        ["bash", str(SCRIPT), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )


def short_directory() -> Path:
    """A name for an engine's directory that is short enough for sockets and does not exist yet."""
    made = Path(tempfile.mkdtemp(prefix="skt-", dir="/var/tmp"))
    made.rmdir()
    return made


@contextmanager
def private_engine(*, listen: Sequence[str] = ()) -> Iterator[Path]:
    """The directory of an engine of one's own, which may be killed or frozen; gone afterwards.

    `listen`: more words for dockerd, without blanks in them.
    """
    directory = short_directory()
    up = run_script("up", str(directory), extra={"SHIPKEEPER_ENGINE_WORDS": " ".join(listen)})
    try:
        assert up.returncode == 0, up.stderr
        yield directory
    finally:
        down = run_script("down", str(directory))
        assert down.returncode == 0, down.stderr


def dockerd_pid(directory: Path) -> int:
    """The process number of the directory's dockerd."""
    return int((directory / "docker.pid").read_text())


def environment_of(directory: Path) -> dict[str, str]:
    """The variables in the directory's env file."""
    lines = (directory / "env").read_text().splitlines()
    pairs = [line.removeprefix("export ").partition("=") for line in lines]
    return {name: value for name, _, value in pairs}
