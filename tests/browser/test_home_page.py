"""Home in the chat page, in a real Chromium, with the whole bot behind it: words, times, the picture, a button."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bot.model import Status
from bot.playground import Playground
from bot.slack import home, homepictures
from tests.slack.scopes import SCOPES
from tests.slack.workplace import Workplace
from tests.support.chat_page import CHROMIUM, a_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A bot at work, whose pages are refreshed more often than in earnest."""
    monkeypatch.setattr(home, "_BETWEEN", 0.5)
    monkeypatch.setattr(homepictures, "_PROCESSED", timedelta(seconds=0.5))
    with Playground(scopes=SCOPES) as playground:
        made = Workplace(playground, tmp_path / "state")
        made.open()
        try:
            yield made
            made.refuse_untrue()
        finally:
            made.close()


def test_home_is_read_and_used_in_the_page(work: Workplace, tmp_path: Path) -> None:
    """The page greets, shows ages in the reader's words and the picture, and its button makes the missing backup."""
    for _ in range(2):
        work.told(work.slash("/backup", "pgdata", user="U0ADA"), Status.SUCCEEDED)
    with a_page(work.playground.url) as page:
        page.get_by_role("button", name="Bot’s Home").click()
        shown = page.locator("#home-view")
        expect(shown).to_contain_text("Welcome to shipkeeper")
        expect(shown).to_contain_text("other1 has no verified backup")
        expect(shown.locator("time").first).to_contain_text("ago")
        picture = shown.get_by_role("img", name="pgdata: 2 backups from")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1_200
        shown.get_by_role("button", name="Back up").first.click()
        expect(shown.get_by_role("button", name="Back up")).to_have_count(2)
        expect(page.get_by_role("log")).to_be_hidden()
        page.get_by_role("button", name="# ops").click()
        expect(page.get_by_role("log")).to_be_visible()
        page.get_by_role("button", name="Bot’s Home").click()
        expect(picture).to_be_visible()
        page.screenshot(path=tmp_path / "home.png", full_page=True)
    assert work.backups("other1") == 1
