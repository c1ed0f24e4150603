"""Pictures of backups in Slack: under what told them, for those who may see it, and in words for who sees none."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from bot.model import Status
from bot.playground import Message
from bot.playground.files import StoredFile
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for
from tests.support.schedules import due, put, scheduled

pytestmark = pytest.mark.slack


def _history(work: Workplace) -> None:
    for volume in ("pgdata", "pgdata", "other1"):
        work.told(work.slash("/backup", volume), Status.SUCCEEDED)


def _picture(work: Workplace) -> tuple[Message, StoredFile]:
    """The one that the bot shared, which anything that shows pictures can show."""

    def shared() -> list[Message]:
        return [one for one in work.world.messages() if one.user == BOT_USER and one.files]

    wait_for(shared, seconds=20, saying="the picture")
    work.wait_until_quiet()
    (message,) = shared()
    file = work.playground.files.get(message.files[0])
    assert file is not None
    content = file.content or b""
    assert 1_000 < len(content) < 100_000
    with Image.open(io.BytesIO(content)) as drawn:
        drawn.verify()
        assert drawn.format == "PNG"
    return message, file


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_a_chart_lies_in_the_thread_of_what_told_it(work: Workplace) -> None:
    """A schedule tells everybody in its channel; the picture is under that, and says in words what it shows."""
    _history(work)
    weekly = put(work.bot.app, scheduled("charts", "backups --chart", "mondays at 09:00"))
    run_id = work.bot.app.dispatcher.accept(due(weekly, datetime.now(UTC)), told=True).run_id
    message, file = _picture(work)
    run = work.bot.app.services.runs.get(run_id)
    assert run.status is Status.SUCCEEDED
    (told,) = work.messages_of(run)
    assert (message.channel, message.thread_ts) == (told.channel, told.ts)
    assert "pgdata: 2 backups from" in file.alt
    assert "How old the newest verified backup is: " in file.alt
    assert file.payload("")["alt_txt"] == file.alt
    assert file.name == f"backups-{run_id}.png"


def test_a_chart_asked_for_in_a_thread_of_ones_own_stays_there(work: Workplace) -> None:
    """In a direct message the picture is under the answer."""
    _history(work)
    direct = work.world.direct_channel("U0ANN").id
    told = work.told(work.slash("/docker", "backups pgdata --chart", channel=direct), Status.SUCCEEDED)
    message, file = _picture(work)
    assert message.channel == told.channel == direct
    assert "other1" not in file.alt


def test_a_private_answers_chart_is_private(work: Workplace) -> None:
    """In a channel only the asker sees the answer; the picture is in their own conversation, with what they may see."""
    _history(work)
    work.told(work.slash("/docker", "backups --chart", user="U0CAT"), Status.SUCCEEDED)
    message, file = _picture(work)
    assert message.channel == work.world.direct_channel("U0CAT").id
    assert "other1" in file.alt
    assert "pgdata" not in file.alt


def test_long_words_are_cut_to_what_slack_takes(work: Workplace) -> None:
    """With many volumes the words would be refused as too long; what is urgent stands first."""
    names = [f"{letter * 60}-{number}" for number, letter in enumerate("abcdefghij")]
    for name in names:
        work.engine.add_volume(name, {"a": b"1"})
        work.told(work.slash("/backup", name), Status.SUCCEEDED)
    work.slash("/docker", "backups --chart")
    _, file = _picture(work)
    assert 900 < len(file.alt) <= 1_000
    assert file.alt.startswith("How old the newest verified backup is: ")
    assert file.alt.endswith("…")
