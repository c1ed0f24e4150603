"""The search for planted secrets finds them, so that a test in which one appears fails."""

from __future__ import annotations

import base64
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import canaries

ROOT = Path(__file__).parents[2]

LEAKY = """
import logging
from tests.support.canaries import canary

def test_file(tmp_path):
    (tmp_path / "left").write_text(canary("x"))

def test_log():
    logging.getLogger("bot.x").warning("it is %s", canary("x"))

def test_print():
    print(canary("x"))

def test_where_secrets_are_planted(tmp_path):
    (tmp_path / "settings.toml").write_text(canary("x"))
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted/password").write_text(canary("x"))
"""


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "somebody:"])
def test_finds_a_secret_in_base64(before: str) -> None:
    """Basic authentication does not hide a secret, whatever name stands before it."""
    encoded = base64.b64encode(f"{before}{canaries.canary('password')}".encode())
    assert canaries.is_in(b"Authorization: Basic " + encoded)
    assert not canaries.is_in(b"Authorization: Basic " + base64.b64encode(before.encode() * 40))


def test_notes_a_traceback_that_holds_one() -> None:
    """A secret in the text of an error that is logged is noted, too."""
    watch = canaries.Watch()
    try:
        raise ValueError(canaries.canary("x"))
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    watch.handle(logging.LogRecord("bot", logging.ERROR, "f", 1, "it broke", None, info))
    assert len(watch.taken()) == 1
    assert watch.taken() == []


def test_a_test_in_which_a_secret_appears_fails(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a file that is left, in the log, or on the screen: each of them fails the test."""
    directory = tmp_path_factory.mktemp(
        "leaky"
    )  # not `tmp_path`, which is searched when this very test is over
    (directory / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (directory / "test_leaky.py").write_text(LEAKY)
    words = ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(directory), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *words, str(directory)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    blamed = {
        line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("ERROR ", "FAILED "))
    }
    assert {line.rpartition("::")[2] for line in blamed} == {"test_file", "test_log", "test_print"}, (
        done.stdout
    )
