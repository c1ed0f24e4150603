"""Blocks of commands in documents, run as they stand but for what their first lines set.

It must not know what the commands do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def block(document: str, name: str) -> str:
    """The shell commands below `<!-- run by a test: NAME -->`."""
    text = (ROOT / document).read_text()
    found = re.search(rf"<!-- run by a test: {re.escape(name)} -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert found, f"{document} has no commands named {name}"
    return found[1]


def names(document: str) -> set[str]:
    """The names of all such blocks."""
    return set(re.findall(r"<!-- run by a test: (.+?) -->\n```sh", (ROOT / document).read_text()))


def require(*programs: str) -> None:
    """Skips the test where one of them is missing, or fails it when CI=true."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"Not on this machine: {', '.join(missing)}. Run `deploy/setup.sh tests`.")


def run(commands: str, *, tools: Path, environment: dict[str, str], **given: object) -> str:
    """What they print, run by bash that stops at the first error. `given` are the variables that their first lines set.

    `tools` is a directory to which `shipkeeper` is put.
    """
    for name, value in given.items():
        commands, count = re.subn(rf"^{name}=.*$", f"{name}={value}", commands, flags=re.MULTILINE)
        assert count == 1, f"{name} is not set there"
    program = tools / "shipkeeper"
    program.write_text(f'#!/bin/bash\nexec "{sys.executable}" -m bot "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tools,
        env={
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tools),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
