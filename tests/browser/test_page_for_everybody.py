"""The chat page for people with a keyboard, a screen reader, a phone, or a dark screen; the whole bot is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import handlers
from bot.model import Status
from bot.playground import Playground
from bot.slack.manifest import manifest
from tests.slack.workplace import Workplace
from tests.support.approving import RULES
from tests.support.chat_page import CHROMIUM, DESKTOP, PHONE, a_page, serious_faults, sit_down, type_line

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slack,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    """A bot at work, whose rule for pgdata wants a second person; afterwards everything must be true."""
    with Playground() as playground:
        made = Workplace(playground, tmp_path / "state")
        made.more_toml = RULES
        made.engine.add_container("web", files={"etc/app/app.toml": b"0"})
        made.open()
        playground.commands.extend(manifest(handlers.load().values(), "")["features"]["slash_commands"])
        try:
            yield made
            made.refuse_untrue()
        finally:
            made.close()


@pytest.fixture
def page(work: Workplace) -> Iterator[Page]:
    """The chat page, connected."""
    with a_page(work.playground.url) as opened:
        expect(opened.get_by_role("status")).to_have_text("bot connected")
        yield opened


def with_a_conversation(page: Page, work: Workplace) -> None:
    """A request that waits, a thread, a private table that is wide, a picture, an error."""
    work.slash("/backup", "pgdata")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    type_line(page, "/docker volumes")
    expect(page.get_by_role("log")).to_contain_text("Only visible to you")
    (asked, *_) = work.world.messages("C0OPS")
    work.playground.say("why now?", user="U0BOB", thread_ts=asked.ts)
    work.mention("hlep")
    work.playground.slash("/unheard-of")
    expect(page.get_by_role("log")).to_contain_text("Did you mean")


def let_go(page: Page, work: Workplace) -> None:
    """Nothing is left waiting."""
    page.locator("#confirm-yes").click()
    work.wait_until_quiet()


def faults_of(page: Page) -> list[str]:
    """What is wrong with the page as it stands, on a desk and a phone, light and dark."""
    found = []
    for size, scheme in product((DESKTOP, PHONE), ("light", "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        faults = serious_faults(page)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        faults += [f"{wide} pixels too wide"] if wide > 0 else []
        found += [f"{size['width']} {scheme}: {fault}" for fault in faults]
    return found


def test_axe_finds_nothing_serious(page: Page, work: Workplace) -> None:
    """Channel, command list, hint, form, confirmation and Home hold no fault, and nothing is wider than the window."""
    found: dict[str, list[str]] = {}

    def judge(state: str) -> None:
        found[state] = faults_of(page)

    judge("empty channel")
    with_a_conversation(page, work)
    judge("channel")
    box = page.get_by_label("Message, /command or @shipkeeper …")
    box.press_sequentially("/")
    box.press("ArrowDown")
    judge("command list")
    box.fill("/backup ")
    judge("hint")
    box.press("Enter")
    form = page.get_by_role("dialog", name="Backup")
    expect(form).to_be_visible()
    form.get_by_role("combobox", name="Source").press_sequentially("pg")
    expect(form.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    judge("form")
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_be_hidden()
    page.get_by_role("button", name="Bot’s Home").click()
    expect(page.locator("#home-view")).to_contain_text("no verified backup")
    judge("Home")
    page.get_by_role("button", name="# ops").click()
    page.get_by_role("log").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    judge("confirmation")
    let_go(page, work)
    assert {state: faults for state, faults in found.items() if faults} == {}


def test_everything_is_done_by_keyboard(page: Page, work: Workplace) -> None:
    """The first Tab skips to the message box; commands, forms and buttons are reached and left without a mouse."""
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the message box")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    box = page.get_by_label("Message, /command or @shipkeeper …")
    expect(box).to_be_focused()
    page.keyboard.type("/b")
    options = page.get_by_role("listbox", name="Commands").get_by_role("option")
    expect(options).to_have_count(1)
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.type("a")
    page.keyboard.press("ArrowDown")
    assert options.first.get_attribute("id") == box.get_attribute("aria-activedescendant")
    page.keyboard.press("Enter")
    expect(box).to_have_value("/backup ")
    expect(page.locator("#hint")).to_contain_text("/backup VOLUME|CONTAINER:/PATH")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Backup")
    expect(form.get_by_role("combobox", name="Source")).to_be_focused()
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    expect(box).to_be_focused()
    page.keyboard.type("/backup other1")
    page.keyboard.press("Enter")
    verify = page.get_by_role("button", name="Verify")
    expect(verify).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if verify.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("is whole: every stored byte")
    work.wait_until_quiet()


def test_people_change_places(page: Page, work: Workplace) -> None:
    """Who sits down sees their own direct message and their own Home, and nothing that was for the other's eyes."""
    type_line(page, "/docker whoami")
    log = page.get_by_role("log")
    expect(log).to_contain_text("Only visible to you")
    page.get_by_role("button", name="Direct message").click()
    page.get_by_label("Message, /command or @shipkeeper …").fill("for the bot alone")
    page.get_by_role("button", name="Send").click()
    expect(log).to_contain_text("for the bot alone")
    sit_down(page, "Bob")
    expect(log).not_to_contain_text("for the bot alone")
    expect(page.get_by_role("heading", level=2, name="Direct message")).to_be_visible()
    page.get_by_role("button", name="# ops").click()
    expect(log).not_to_contain_text("Only visible to you")
    page.get_by_role("button", name="Bot’s Home").click()
    home = page.locator("#home-view")
    expect(home).to_contain_text("help")
    expect(home).not_to_contain_text("other1")
    sit_down(page, "Ada")
    expect(home).to_contain_text("other1 has no verified backup")
    work.wait_until_quiet()


def test_a_file_is_attached_and_copied_into_a_container(page: Page, work: Workplace) -> None:
    """What is attached goes with a mention, is shown as a link, and a slash command says that it takes none."""
    given = {"name": "app.toml", "mimeType": "text/plain", "buffer": b"answer = 42\n"}
    page.locator("#file").set_input_files(given)  # type: ignore[arg-type]
    type_line(page, "/backup other1")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("takes no files")
    type_line(page, "@shipkeeper cp upload web:/etc/app/")
    expect(page.get_by_role("log").get_by_role("link", name="app.toml")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("succeeded")
    expect(page.get_by_role("button", name="Take the file away")).to_be_hidden()
    work.wait_until_quiet()
    assert work.engine.layer("web").files()["etc/app/app.toml"] == b"answer = 42\n"


def test_a_second_person_approves_on_a_phone(page: Page, work: Workplace) -> None:
    """The button is in sight, large enough for a finger, and gone when it was pressed."""
    delivery = work.slash("/backup", "pgdata")
    page.set_viewport_size(PHONE)
    sit_down(page, "Ada")
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_be_in_viewport()
    shape = approve.bounding_box()
    assert shape is not None
    assert min(shape["width"], shape["height"]) >= 24
    approve.click()
    work.told(delivery, Status.SUCCEEDED)
    expect(approve).to_have_count(0)
    work.wait_until_quiet()
