"""Slack stops accepting a token while the bot serves: the bot ends with a sentence, and nothing it owes is lost."""

from __future__ import annotations

import threading

import pytest

from bot import serve
from bot.model import Status
from bot.playground import Fault
from bot.slack.connection import SlackRefused
from tests.slack.workplace import Workplace

pytestmark = pytest.mark.slack

MANY = 1_000


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread looks several times a second instead of every five."""
    monkeypatch.setattr(serve, "_KEEP_SECONDS", 0.1)


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_a_revoked_bot_token_ends_the_bot(closed: Workplace) -> None:
    """The sentence names the variable; a bot with a valid token tells what its forerunner could not."""
    closed.open()
    for method in ("chat.postMessage", "chat.postEphemeral", "chat.update", "auth.test"):
        closed.playground.faults.next(method, Fault.error("token_revoked"), times=MANY)
    delivery = closed.slash("/backup", "pgdata")
    with pytest.raises(SlackRefused, match=r"SLACK_BOT_TOKEN any more \(token_revoked\)"):
        serve._hold_until(threading.Event(), closed.bot)
    closed.close()
    closed.playground.faults.clear()
    closed.open()
    try:
        closed.told(delivery, Status.SUCCEEDED)
        closed.refuse_untrue()
    finally:
        closed.close()


def test_a_dead_app_token_ends_the_bot(closed: Workplace) -> None:
    """The socket is to be replaced, and the app token is refused."""
    closed.open()
    try:
        closed.playground.faults.next("apps.connections.open", Fault.error("invalid_auth"), times=MANY)
        closed.playground.disconnect("refresh_requested")
        with pytest.raises(SlackRefused, match="SLACK_APP_TOKEN"):
            serve._hold_until(threading.Event(), closed.bot)
    finally:
        closed.close()


def test_a_refusal_that_auth_test_does_not_confirm_is_tried_again(work: Workplace) -> None:
    """One method says invalid_auth while Slack has trouble: nobody is stopped, and the result is told."""
    work.playground.faults.next("chat.postMessage", Fault.error("invalid_auth"), times=2)
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    work.bot.slack.refuse_dead_tokens()
