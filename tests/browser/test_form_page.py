"""Forms as people meet them: in a real Chromium, over the stand-in, with the whole bot and a fake engine behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.playground import Playground
from bot.sources import Source
from tests.slack.workplace import Workplace
from tests.support.chat_page import CHROMIUM, a_page, choose, type_line
from tests.support.house import wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slack,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace with the bot at work; afterwards everything must be true."""
    with Playground() as playground:
        made = Workplace(playground, tmp_path / "state")
        made.engine.add_container("web", files={"etc/app/app.toml": b"0"})
        made.open()
        try:
            yield made
            made.refuse_untrue()
        finally:
            made.close()


@pytest.fixture
def page(work: Workplace) -> Iterator[Page]:
    """The chat page; an error in its scripts fails the test."""
    with a_page(work.playground.url) as opened:
        yield opened


def form(page: Page, title: str) -> Locator:
    """The form of that title, once it is shown."""
    found = page.get_by_role("dialog", name=title)
    expect(found).to_be_visible()
    return found


def is_known(work: Workplace, source: Source) -> bool:
    """Whether something of it would be offered now; what is old is looked at anew."""
    work.bot.completion.warm()
    return bool(work.bot.completion._inventory.known(source))


def test_a_backup_by_a_form(page: Page, work: Workplace) -> None:
    """/backup opens a form; letters bring volumes, one is chosen, and the answer is a proven backup."""
    wait_for(lambda: is_known(work, Source.VOLUME), saying="a look at the host")
    type_line(page, "/backup")
    shown = form(page, "Backup")
    source = shown.get_by_role("combobox", name="Source")
    offers = shown.get_by_role("listbox").get_by_role("option")
    source.click()
    expect(offers).to_have_count(4)
    source.press_sequentially("pg")
    expect(offers).to_have_count(2)
    source.press("ArrowDown")
    source.press("Enter")
    expect(source).to_have_value("pgdata")
    shown.get_by_label("Quiesce").select_option("pause")
    shown.get_by_label("Note").fill("before the upgrade")
    shown.get_by_role("checkbox", name="Wait").check()
    shown.get_by_role("button", name="Run").click()
    expect(page.get_by_role("log")).to_contain_text("Volume pgdata is backed up and proven")
    expect(shown).to_be_hidden()
    assert [run.invocation.line for run in work.runs()] == [
        "backup pgdata --quiesce pause --note 'before the upgrade' --wait"
    ]


def test_a_mistake_stands_at_its_field(page: Page, work: Workplace) -> None:
    """By the menu beside the message box any command can be chosen; what is wrong in its form is said there."""
    page.get_by_role("button", name="Shortcuts").click()
    page.get_by_role("menuitem", name="Run a Docker command").click()
    chooser = form(page, "Run a Docker command")
    expect(chooser.get_by_label("Where to tell the result")).to_have_value("C0OPS")
    chooser.get_by_label("Command").select_option("create-volume")
    chooser.get_by_role("button", name="Next").click()
    shown = form(page, "Create volume")
    shown.get_by_label("Volume").fill("-odd-")
    shown.get_by_role("button", name="Run").click()
    field = shown.locator("[data-block=volume]")
    expect(field.get_by_role("alert")).to_contain_text("is not the name of a volume")
    expect(shown.get_by_role("alert").filter(visible=True)).to_have_count(1)
    shown.get_by_label("Volume").fill("fine")
    shown.get_by_role("button", name="Run").click()
    expect(page.get_by_role("log")).to_contain_text("fine")
    expect(shown).to_be_hidden()
    work.wait_until_quiet()
    assert work.engine.volume("fine").name == "fine"


def test_days_and_numbers_have_fields_of_their_own(page: Page, work: Workplace) -> None:
    """`hold` asks for a day, `diff` for a number, and a backup is found by the volume that it is of."""
    type_line(page, "/backup pgdata")
    expect(page.get_by_role("log")).to_contain_text("is backed up and proven")
    wait_for(lambda: is_known(work, Source.BACKUP), saying="a look at the archive")
    type_line(page, "/docker hold")
    shown = form(page, "Hold")
    choose(shown, "Backup", "pgdata", shown.get_by_role("option", name=re.compile("pgdata.* ok")))
    shown.get_by_label("Until").fill("2099-01-31")
    shown.get_by_role("button", name="Run").click()
    expect(page.get_by_role("log")).to_contain_text("2099-01-31")
    type_line(page, "/docker diff")
    number = form(page, "Diff").get_by_label("Limit")
    expect(number).to_have_attribute("type", "number")
    expect(number).to_have_value("50")
    page.locator("#modal-close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    work.wait_until_quiet()


def test_a_messages_file_goes_into_a_container(page: Page, work: Workplace) -> None:
    """The menu of a message with a file opens the form of `cp`, with that file in it."""
    file = work.playground.upload("app.toml", b"answer = 42\n")
    work.playground.say("the new settings", files=[file])
    message = page.get_by_role("listitem").filter(has_text="the new settings")
    message.get_by_role("button", name="More actions").click()
    message.get_by_role("menuitem", name="Copy into a container").click()
    shown = form(page, "Cp")
    expect(shown.get_by_label("Source")).to_have_value(file.id)
    shown.get_by_label("Destination").fill("web:/etc/app/")
    shown.get_by_role("button", name="Run").click()
    expect(page.get_by_role("log")).to_contain_text("succeeded")
    work.wait_until_quiet()
    assert work.engine.layer("web").files()["etc/app/app.toml"] == b"answer = 42\n"
