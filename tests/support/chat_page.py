"""The chat page in a real Chromium: opened, typed into, judged by axe-core, and taken pictures of.

Pictures go to the directory that SHIPKEEPER_PICTURES names, which continuous integration keeps; else beside the test.
"""

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
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.support.house import wait_for

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ROOT = Path(__file__).parents[2]
DESKTOP: Any = {"width": 1100, "height": 760}
PHONE: Any = {"width": 390, "height": 780}

expect.set_options(timeout=40_000)  # two cores are shared with five other test processes

_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
_OFFERED_MS = 3_000
_SERIOUS = ("serious", "critical")


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
        wait_for(lambda: "Open http" in output.read_text(), seconds=120, saying="the demo's invitation")
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_page(address: str) -> Iterator[Page]:
    """The page at this address, as wide as a desk allows; an error in its scripts fails the test.

    That the stand-in refused something is for the test to say: Chromium notes it as an error with status 400.
    """
    errors: list[str] = []

    def note(line: ConsoleMessage) -> None:
        if line.type == "error" and "status of 400" not in line.text:
            errors.append(line.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = browser.new_page(viewport=DESKTOP)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", note)
        page.goto(address)
        yield page
        browser.close()
    assert not errors, errors


def type_line(page: Page, line: str) -> None:
    """Type into the message box and send it."""
    box = page.get_by_label("Message, /command or @shipkeeper …")
    box.fill(line)
    box.press("Enter")


def choose(form: Locator, field: str, letters: str, option: Locator) -> None:
    """Type into a field of the form that offers things, and press the option.

    Offers are what the bot saw last; on its first look it may still be busy, and people type or press once more.
    """
    box = form.get_by_role("combobox", name=field)
    box.press_sequentially(letters)

    def is_offered() -> bool:
        box.click()
        try:
            option.wait_for(timeout=_OFFERED_MS)
        except PlaywrightTimeout:
            return False
        return True

    wait_for(is_offered, seconds=60, saying=f"that {letters} is offered")
    option.click()


def sit_down(page: Page, name: str) -> None:
    """Somebody else takes the keyboard."""
    page.get_by_label("Typing as").select_option(label=name)


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical in the page as it stands, with the first element of each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]


def take_picture(page: Page, name: str, tmp_path: Path) -> Path:
    """A PNG of what the window shows."""
    directory = Path(os.environ.get("SHIPKEEPER_PICTURES") or tmp_path)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    return path
