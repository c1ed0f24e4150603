"""Labels that ask for schedules, in Slack: the bot looks by itself, and posts what it proposes once, with buttons."""

from __future__ import annotations

from typing import Any

import pytest

from bot.engine import Volume
from bot.model import Status
from bot.operations.labelled import LABEL
from bot.schedules import discovery
from tests.slack.reading import buttons_of
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


@pytest.fixture
def work(closed: Workplace, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bot that looks for labels as soon as it serves."""
    monkeypatch.setattr(discovery, "_FIRST_SECONDS", 0.05)
    closed.more_toml = '[discovery]\nchannel = "C0OPS"\nzone = "Asia/Seoul"\n'
    for name in ("other4", "other5"):
        closed.engine.make_volume(Volume(name=name, driver="local", labels={LABEL: "매일 03:00"}))
    closed.engine.make_volume(Volume(name="other6", driver="local", labels={LABEL: "whenever & <!here>"}))
    closed.open()
    yield closed
    closed.refuse_untrue()
    closed.close()


def test_proposals_are_posted_once(work: Workplace) -> None:
    """In the channel, for everybody, with a button for each; a restart does not say it again."""

    def posted() -> list[Any]:
        return [one for one in work.world.messages() if one.user == BOT_USER and LABEL in one.text]

    wait_for(posted, saying="the proposals")
    work.restart()
    work.wait_until_quiet()
    (message,) = posted()
    assert message.channel == "C0OPS"
    assert message.ephemeral_for is None
    assert buttons_of(message) == ["Schedule other4", "Schedule other5"]
    assert "is no time that something could be due at" in message.text


def test_a_press_makes_the_schedule(work: Workplace) -> None:
    """As whoever pressed, by the clocks that the label means; it is not proposed again."""
    posted = lambda: [one for one in work.world.messages() if one.user == BOT_USER and LABEL in one.text]  # noqa: E731
    wait_for(posted, saying="the proposals")
    (message,) = posted()
    delivery = work.press(message, "Schedule other4", user="U0CAT")
    told = work.told(delivery, Status.SUCCEEDED)
    assert "other4" in told.text
    made = work.bot.app.services.schedules.get("other4-backup")
    assert (made.line, made.when.text, made.when.zone, made.owner.id) == (
        "backup other4",
        "매일 03:00",
        "Asia/Seoul",
        "U0CAT",
    )
    wait_for(lambda: buttons_of(message) == ["Schedule other5"], saying="the pressed button's end")
