"""A house whose bot answers shells, and real shells that ask it. Must not know what is offered."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot import sidedoors
from bot.completion import Completion
from tests.support.house import House

_ROOT = Path(__file__).parents[2]


@contextmanager
def answering(house: House) -> Iterator[None]:
    """The house answers shells meanwhile, as a served bot does."""
    completion = Completion(house.app.services)
    door = sidedoors.tabs(house.app, completion)
    completion.start()
    door.start()
    try:
        yield
    finally:
        door.stop()
        completion.stop()


def with_the_program(directory: Path, state: Path) -> dict[str, str]:
    """The environment of a shell that finds `shipkeeper`, and by it the house with that state directory."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "shipkeeper"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={_ROOT} exec {sys.executable} -m bot "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "SHIPKEEPER_STATE": str(state),
        "SHIPKEEPER_SETTINGS": str(state / "settings.toml"),
    }


def said_by(program: Sequence[str], script: str, environment: dict[str, str]) -> str:
    """What a shell prints that is given the script."""
    done = subprocess.run(
        [*program, script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    return done.stdout
