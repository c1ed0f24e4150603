"""Turning pages in Slack, and confirming that a volume goes."""

from __future__ import annotations

import pytest

from bot.model import Status
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace

pytestmark = pytest.mark.slack


def test_pages_are_turned_by_buttons(work: Workplace) -> None:
    """Each press answers the asker alone with another page; the page before is not told again."""
    first = work.told(work.slash("/docker", "volumes other* --limit 2"), Status.SUCCEEDED)
    assert first.ephemeral_for == "U0ANN"
    assert buttons_of(first) == ["Next page"]
    assert "3 volumes; 1 to 2 are shown, page 1 of 2." in first.text
    second = work.told(work.press(first, "Next page"), Status.SUCCEEDED)
    assert ("other3" in words_of(second), "other1" in words_of(second)) == (True, False)
    assert (buttons_of(second), second.ephemeral_for) == (["Previous page"], "U0ANN")
    back = work.told(work.press(second, "Previous page"), Status.SUCCEEDED)
    assert "other1" in words_of(back)


def test_a_volume_is_removed_by_its_plans_button(work: Workplace) -> None:
    """The plan is public and asks with a danger button; who may not remove cannot press it; one press removes."""
    work.told(work.slash("/backup", "other1"), Status.SUCCEEDED)
    plan = work.told(work.slash("/docker", "remove-volume other1"), Status.PARTIAL)
    assert "Nothing was removed yet." in plan.text
    button, _ = [
        element for block in plan.blocks if block["type"] == "actions" for element in block["elements"]
    ]
    assert (button["text"]["text"], button["style"]) == ("Remove it", "danger")
    assert "--confirm" in button["confirm"]["text"]["text"]
    work.told(work.press(plan, "Remove it", user="U0CAT"), Status.DENIED)
    assert "other1" in {volume.name for volume in work.engine.volumes()}
    gone = work.told(work.press(plan, "Remove it", user="U0ADA"), Status.SUCCEEDED)
    assert "is removed" in gone.text
    assert "other1" not in {volume.name for volume in work.engine.volumes()}
    work.told(work.press(gone, "Restore it"), Status.SUCCEEDED)
    assert work.engine.files("other1") == {"file": b"other1"}
