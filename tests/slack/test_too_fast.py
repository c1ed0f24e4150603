"""A person who sends too much in a minute: told so and when it goes on, whatever way the commands came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.model import Status
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


@pytest.fixture
def work(closed: Workplace) -> Iterator[Workplace]:
    """A bot that lets everybody send three commands a minute."""
    closed.per_minute = 3
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


def test_buttons_count_and_a_refused_one_still_works_for_others(work: Workplace) -> None:
    """A press is a command like a typed one; refused for haste, it leaves the button to whoever has time."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    for _ in range(2):
        work.told(work.mention("volumes"), Status.SUCCEEDED)
    refused = work.told(work.press(message, "Restore a copy"), Status.REJECTED)
    assert refused.ephemeral_for == "U0ANN"
    said = words_of(refused)
    assert "More than 3 commands within a minute" in said
    assert "nothing was changed" in said
    assert "The next one is possible at " in said
    assert "Restore a copy" in buttons_of(message)
    assert not [volume for volume in work.engine.volumes() if "restored" in volume.name]
    work.told(work.press(message, "Restore a copy", user="U0ADA"), Status.SUCCEEDED)


def test_a_delivery_that_slack_repeats_counts_once(work: Workplace) -> None:
    """Three deliveries of one mention leave two more commands in the minute."""
    mention = work.mention("volumes")
    for attempt in (2, 3):
        work.playground.redeliver(mention)
        wait_for(lambda attempt=attempt: mention.attempts == attempt, saying="the repeat")
    work.told(mention, Status.SUCCEEDED)
    for _ in range(2):
        work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
    work.told(work.slash("/docker", "volumes"), Status.REJECTED)


def test_what_helps_is_always_possible_and_a_restart_forgets_nothing(work: Workplace) -> None:
    """After too many, `help`, `whoami` and Cancel still work, and the bot remembers the rest across a restart."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata --quiesce pause")
        message = work.shown(delivery)
        for _ in range(2):
            work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
        work.told(work.slash("/docker", "volumes"), Status.REJECTED)
        for line in ("help", "whoami"):
            work.told(work.slash("/docker", line), Status.SUCCEEDED)
        work.told(work.press(message, "Cancel"), Status.SUCCEEDED)
    work.told(delivery, Status.CANCELLED)
    work.restart()
    work.told(work.slash("/docker", "volumes"), Status.REJECTED)
    work.bot.app.services.pace.replace(100)
    work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
