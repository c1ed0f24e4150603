"""The whole story in the demo's page, clicked by two people: real Chromium, real bot, real Docker engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.engine.sandbox import CONTAINER, VOLUME
from tests.support.chat_page import (
    CHROMIUM,
    DESKTOP,
    PHONE,
    a_page,
    choose,
    sit_down,
    take_picture,
    the_demo,
    type_line,
)
from tests.support.engine_available import require_engine
from tests.support.yard import Yard

BIG = "uploads"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.usefixtures("sole_demo"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@pytest.fixture
def yard() -> Iterator[Yard]:
    """Docker itself beside the demo, with a volume that takes a while to copy."""
    made = Yard(require_engine())
    made.volumes.append(BIG)
    try:
        made.bench.api.create_volume(BIG)
        fill = ("/bin/sh", "-c", "dd if=/dev/urandom of=/v0/photos bs=1M count=250")
        made.bench.run("fill-uploads", BIG, command=fill)
        made.bench.api.wait("fill-uploads")
        made.bench.remove("fill-uploads")
        yield made
    finally:
        made.close()


def message(page: Page, words: str) -> Locator:
    """The newest message that says so, once it is there."""
    found = page.get_by_role("log").get_by_role("listitem").filter(has_text=words).last
    expect(found).to_be_visible()
    return found


def run_of(shown: Locator) -> str:
    """The id of the run that a message is about."""
    found = re.search(r"\brun ([0-9a-f]{8}) ·", shown.inner_text())
    assert found is not None
    return found[1]


def content_of(yard: Yard) -> bytes:
    """What stands in the file that the story changes."""
    return (yard.mountpoint(VOLUME) / "README").read_bytes()


def backed_up_by_a_form(page: Page, tmp_path: Path) -> str:
    """`/backup` is chosen while typing, its form filled, and the answer proven; the backup's run."""
    box = page.get_by_label("Message, /command or @shipkeeper …")
    box.press_sequentially("/ba")
    expect(page.get_by_role("listbox", name="Commands").get_by_role("option")).to_have_count(1)
    take_picture(page, "picker", tmp_path)
    box.press("Tab")
    expect(box).to_have_value("/backup ")
    expect(page.locator("#hint")).to_contain_text("[--quiesce none|pause|stop]")
    box.press("Enter")
    form = page.get_by_role("dialog", name="Backup")
    choose(form, "Source", "pgd", form.get_by_role("option", name=re.compile(rf"^{VOLUME}(\s|$)")))
    form.get_by_label("Quiesce").select_option("pause")
    form.get_by_label("Note").fill("before the upgrade")
    take_picture(page, "form", tmp_path)
    form.get_by_role("button", name="Run").click()
    return run_of(message(page, f"Volume {VOLUME} is backed up and proven"))


def progress_was_seen(page: Page, tmp_path: Path) -> None:
    """One message tells of a longer backup: first that it begins, then bytes and rate, then what came of it."""
    type_line(page, f"/backup {BIG}")
    begun = message(page, f"Back up volume {BIG}")
    run = run_of(begun)
    told = page.get_by_role("log").get_by_role("listitem").filter(has_text=f"run {run} ·")
    expect(told).to_contain_text(re.compile(r"\d MB .*/s"))
    expect(told.get_by_role("button", name="Cancel")).to_be_visible()
    take_picture(page, "progress", tmp_path)
    expect(told).to_contain_text("is backed up and proven")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("(edited)")


def approved_by_the_second_person(page: Page, backup: str, tmp_path: Path) -> None:
    """Ann asks to overwrite and cannot approve it herself; Bob sees what would happen, and approves by phone."""
    type_line(page, f"/restore {backup} --replace")
    asked = message(page, "Rule restoring wants 1 more person")
    expect(asked).to_contain_text(f"{CONTAINER} will be stopped meanwhile")
    asked.get_by_role("button", name="Approve").click()
    message(page, "Only visible to you").filter(has_text="denied")
    sit_down(page, "Bob")
    expect(page.get_by_role("log")).not_to_contain_text("Only visible to you")
    take_picture(page, "approval", tmp_path)
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    asked.scroll_into_view_if_needed()
    take_picture(page, "phone-dark", tmp_path)
    asked.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("log")).to_contain_text("You approved run")
    message(page, f"Volume {VOLUME} now holds what backup {backup} holds")
    expect(page.get_by_role("log")).not_to_contain_text("Rule restoring wants")
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")


def undone(page: Page, backup: str) -> None:
    """Undo asks once more, and brings back what the restore had replaced."""
    done = message(page, f"now holds what backup {backup} holds")
    safety = run_of(done)
    done.get_by_role("button", name="Undo").click()
    sure = page.get_by_role("dialog")
    expect(sure).to_be_visible()
    sure.locator("#confirm-yes").click()
    message(page, f"now holds what backup {safety} holds")


def scheduled(page: Page, tmp_path: Path) -> None:
    """A schedule says when it is due next, and Home lists it."""
    type_line(page, f"/schedule nightly daily at 03:00 backup {VOLUME}")
    made = message(page, "nightly")
    expect(made).to_contain_text("03:00")
    page.get_by_role("button", name="Bot’s Home").click()
    expect(page.locator("#home-view")).to_contain_text("nightly")
    take_picture(page, "home", tmp_path)
    page.get_by_role("button", name="# ops").click()


def exported(page: Page) -> list[str]:
    """The audit log comes as a file into the direct message of whoever asked; what its lines say."""
    type_line(page, "/audit export")
    message(page, "entries are in the file")
    page.get_by_role("button", name="Direct message").click()
    link = page.get_by_role("log").get_by_role("link", name="audit-")
    expect(link).to_be_visible()
    with page.expect_download() as download:
        link.click()
    lines = download.value.path().read_text().splitlines()
    return [line for line in lines if json.loads(line)]


def test_two_people_live_through_the_whole_story(yard: Yard, tmp_path: Path) -> None:
    """Backup by a form, progress, approval, restore, undo, a schedule, the audit log: clicked, and true in Docker."""
    with the_demo(yard.url, tmp_path) as address, a_page(address) as page:
        backup = backed_up_by_a_form(page, tmp_path)
        take_picture(page, "desktop-light", tmp_path)
        progress_was_seen(page, tmp_path)
        old, new = content_of(yard), b"changed after the backup\n"
        (yard.mountpoint(VOLUME) / "README").write_bytes(new)
        approved_by_the_second_person(page, backup, tmp_path)
        assert content_of(yard) == old
        sit_down(page, "Ann")
        undone(page, backup)
        assert content_of(yard) == new
        assert yard.state(CONTAINER) == "running"
        scheduled(page, tmp_path)
        told = "\n".join(exported(page))
        for happened in ("approval-requested", "approved", "restore", "undo", "schedule"):
            assert happened in told
        take_picture(page, "export", tmp_path)
