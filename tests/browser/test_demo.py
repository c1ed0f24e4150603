"""`shipkeeper demo` as a newcomer meets it: a page in a real Chromium, a real bot, a real Docker engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bot.engine.real import DockerEngine
from bot.engine.sandbox import VOLUME
from tests.support.chat_page import CHROMIUM, ROOT, a_page, the_demo, type_line
from tests.support.engine_available import require_engine

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.usefixtures("sole_demo"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


def test_a_newcomer_backs_up_a_volume_and_verifies_it_by_button(tmp_path: Path) -> None:
    """Typing /backup shows the proof, its Verify button works, and Ctrl-C removes all that the demo made."""
    docker_host = require_engine()
    with the_demo(docker_host, tmp_path) as address, a_page(address) as page:
        log = page.get_by_role("log")
        type_line(page, f"/backup {VOLUME} --quiesce pause")
        expect(log).to_contain_text(f"Volume {VOLUME} is backed up and proven")
        page.get_by_role("button", name="Verify").click()
        expect(log).to_contain_text("is whole: every stored byte and every entry")
        type_line(page, "/docker bakups")
        expect(log).to_contain_text("Did you mean backups?")
    engine = DockerEngine("local", base_url=docker_host)
    try:
        assert VOLUME not in [volume.name for volume in engine.volumes()]
    finally:
        engine.close()


def test_the_played_conversation_is_proven() -> None:
    """`--script` plays backup, verify, an approved restore and refusals, and ends with 0 only if all of it happened."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "demo", "--script"],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": require_engine()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "began when Bob had approved it" in done.stdout


def test_a_taken_port_is_a_sentence() -> None:
    """Somebody else on the port makes the demo say so, remove what it had made, and end with 1."""
    docker_host = require_engine()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "bot", "demo", "--port", str(taken.getsockname()[1])],
            cwd=ROOT,
            env={**os.environ, "DOCKER_HOST": docker_host},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "Name another one with --port" in done.stderr
    assert "Traceback" not in done.stderr
