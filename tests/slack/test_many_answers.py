"""More private answers than Slack takes by its method: they come within seconds, once each, within Slack's limits."""

from __future__ import annotations

import time

import pytest
from slack_sdk import WebClient

from bot.model import Status
from bot.slack.blocks import Rendered
from bot.slack.posting import Sender
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)

MANY = 60
WITHIN = 20.0
"""Seconds; by chat.postEphemeral alone, 100 a minute, sixty answers take more than thirty."""


@both_doors
def test_sixty_looks_at_once_are_answered_within_seconds(work: Workplace) -> None:
    """Each asker gets their answer privately, whichever way it took."""
    began = time.monotonic()
    asked = [work.playground.slash("/docker", "whoami") for _ in range(MANY)]
    for one in asked:
        work.acked(one)
    work.wait_until_quiet(seconds=WITHIN)
    assert time.monotonic() - began < WITHIN
    for one in asked:
        assert work.told(one, Status.SUCCEEDED).ephemeral_for == "U0ANN"
    assert len(work.world.calls("chat.postEphemeral")) < MANY


def test_what_comes_without_a_response_url_waits_for_the_method(work: Workplace) -> None:
    """Mentions bring none: their private answers come by chat.postEphemeral, as many a minute as Slack takes."""
    asked = [work.mention("whoami") for _ in range(14)]
    for one in asked:
        work.told(one, Status.SUCCEEDED, seconds=30)
    work.wait_until_quiet()  # a call is on the list when it was answered, after its message is there
    assert len(work.world.calls("chat.postEphemeral")) == len(asked)


def test_a_response_url_that_slack_takes_no_more_is_a_refusal(work: Workplace) -> None:
    """Five answers are taken; the sixth is refused with Slack's word for it, and nothing is raised."""
    delivery = work.slash("/docker", "whoami")
    work.told(delivery, Status.SUCCEEDED)
    url = str(delivery.payload["response_url"])
    sender = Sender(WebClient(token="none"))
    said = Rendered(text="hello", blocks=[])
    given = [sender.respond(url, said) for _ in range(6)]
    refused = [one for one in given if one is not None]
    assert refused
    assert "used_url" in str(refused[-1])
    assert refused[-1].is_lasting
    wait_for(
        lambda: len([m for m in work.world.messages("C0OPS") if m.text == "hello"]) >= 4, saying="the others"
    )
