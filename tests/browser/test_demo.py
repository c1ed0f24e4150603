"""`shipkeeper demo` as a newcomer meets it: a page in a real Chromium, a real bot, a real Docker engine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from bot.engine.real import DockerEngine
from bot.engine.sandbox import VOLUME
from tests.support.engine_available import require_engine
from tests.support.house import wait_for

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@contextmanager
def the_demo(docker_host: str, tmp_path: Path) -> Iterator[str]:
    """The demo as a process; gives its address, and ends it as Ctrl-C does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    output = tmp_path / "demo.txt"
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "demo", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "DOCKER_HOST": docker_host},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "Open http" in output.read_text(), seconds=30, saying="the demo's invitation")
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_page(address: str) -> Iterator[Page]:
    """The demo's page; an error in its scripts fails the test."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert errors == []


def type_line(page: Page, line: str) -> None:
    """Type into the message box and send it."""
    box = page.get_by_label("Message, /command or @shipkeeper …")
    box.fill(line)
    box.press("Enter")


def test_a_newcomer_backs_up_a_volume_and_verifies_it_by_button(tmp_path: Path) -> None:
    """Typing /backup shows the proof, its Verify button works, and Ctrl-C removes all that the demo made."""
    docker_host = require_engine()
    with the_demo(docker_host, tmp_path) as address, a_page(address) as page:
        log = page.get_by_role("log")
        type_line(page, f"/backup {VOLUME} --quiesce pause")
        expect(log).to_contain_text(f"Volume {VOLUME} is backed up and proven", timeout=30_000)
        page.get_by_role("button", name="Verify").click()
        expect(log).to_contain_text("is whole: every stored byte and every entry", timeout=30_000)
        type_line(page, "/docker bakups")
        expect(log).to_contain_text("Did you mean backups?", timeout=30_000)
    engine = DockerEngine("local", base_url=docker_host)
    try:
        assert VOLUME not in [volume.name for volume in engine.volumes()]
    finally:
        engine.close()


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
