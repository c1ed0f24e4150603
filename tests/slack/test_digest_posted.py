"""The weekly digest in Slack: a schedule's is posted openly, with its picture, for whoever it runs as."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from bot.model import Actor, Status
from bot.playground import Message
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for
from tests.support.schedules import ANN, due, put, scheduled

pytestmark = pytest.mark.slack

SETTINGS = Actor(id="cli:settings", name="settings")


@pytest.mark.parametrize("owner", [ANN, SETTINGS], ids=["of-ann", "of-the-settings"])
def test_a_scheduled_digest_is_for_everybody(work: Workplace, owner: Actor) -> None:
    """It stands in the channel, seen by all, and the picture of sizes lies in its thread."""
    for _ in range(2):
        work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    weekly = put(work.bot.app, scheduled("weekly-digest", "digest", "mondays at 09:00", owner=owner))
    asked = due(weekly, datetime.now(UTC))
    run_id = work.bot.app.dispatcher.accept(asked, told=True).run_id
    run = lambda: work.bot.app.services.runs.get(run_id)  # noqa: E731
    wait_for(lambda: run().outcome, seconds=20, saying="the digest")
    assert run().status is Status.SUCCEEDED, run().reply

    def shared() -> list[Message]:
        return [one for one in work.world.messages() if one.user == BOT_USER and one.files]

    wait_for(shared, seconds=20, saying="the picture")
    work.wait_until_quiet()
    (told,) = work.messages_of(run())
    (picture,) = shared()
    assert told.channel == "C0OPS"
    assert told.ephemeral_for is None
    assert (picture.channel, picture.thread_ts) == (told.channel, told.ts)
    file = work.playground.files.get(picture.files[0])
    assert file is not None
    with Image.open(io.BytesIO(file.content)) as drawn:
        assert drawn.size == (1_200, 986), "lines over time, and a bar"
        assert drawn.convert("RGB").getpixel((2, 2)) == (255, 255, 255), "read on a dark ground as well"
