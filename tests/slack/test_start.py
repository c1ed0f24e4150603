"""Starting: wrong tokens are named, and a Slack that is away is waited for."""

from __future__ import annotations

import socket
import threading

import pytest

from bot.model import Status
from bot.playground import Fault
from bot.settings import SettingsError
from bot.slack.connection import SlackRefused
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


@pytest.mark.parametrize("variable", ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"])
def test_a_wrong_token_is_named(closed: Workplace, variable: str) -> None:
    """The bot does not start with a token that Slack does not know, and says which variable holds it."""
    bot = closed.make(**{variable: "xoxb-wrong"})
    try:
        with pytest.raises(SlackRefused, match=variable) as refused:
            bot.start(threading.Event())
        assert "xoxb-wrong" not in str(refused.value)
    finally:
        bot.stop()


def test_tokens_in_the_wrong_variables_are_named(closed: Workplace) -> None:
    """An app token where the bot token belongs is refused by Slack, and the variable is named."""
    bot = closed.make(SLACK_BOT_TOKEN=closed.playground.app_token)
    try:
        with pytest.raises(SlackRefused, match="SLACK_BOT_TOKEN"):
            bot.start(threading.Event())
    finally:
        bot.stop()


@pytest.mark.parametrize(
    ("variable", "value"), [("SLACK_BOT_TOKEN", ""), ("SLACK_APP_TOKEN", "")], ids=["no-bot", "no-door"]
)
def test_a_missing_token_is_named(closed: Workplace, variable: str, value: str) -> None:
    """Without a token, or without any door, the bot is not even built."""
    with pytest.raises(SettingsError, match=variable):
        closed.make(**{variable: value})


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_a_slack_that_answers_with_errors_is_waited_for(closed: Workplace) -> None:
    """Slack's outage does not keep the bot from starting; it connects when Slack is back."""
    closed.playground.faults.outage(True)
    closed.open(connected=False)
    try:
        assert not closed.bot.slack.is_ready
        closed.playground.faults.outage(False)
        closed.wait_until_connected()
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
        closed.refuse_untrue()
    finally:
        closed.close()


def test_a_slack_that_cannot_be_reached_is_waited_for(closed: Workplace) -> None:
    """With no network the bot starts, and connects when there is one."""
    closed.playground.stop()
    closed.open(connected=False)
    try:
        assert not closed.bot.slack.is_ready
        closed.playground.start()
        closed.wait_until_connected()
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
        closed.refuse_untrue()
    finally:
        closed.close()


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_a_result_is_told_before_the_bot_has_stopped(closed: Workplace) -> None:
    """A run that ends while the bot stops is told then, even just after an edit; not by the next bot."""
    closed.open()
    with closed.stalled_reads():
        delivery = closed.slash("/backup", "pgdata")
        closed.shown(delivery)
        stopping = threading.Thread(target=closed.close)
        stopping.start()
    stopping.join(30)
    (message,) = closed.messages_of(closed.ended(delivery, Status.SUCCEEDED))
    assert "backed up and proven" in message.text


def test_stopping_while_slack_is_waited_for_ends_at_once(closed: Workplace) -> None:
    """A bot that never reached Slack can be stopped."""
    closed.playground.faults.outage(True)
    closed.open(connected=False)
    closed.close()
    closed.close()


@pytest.mark.parametrize("closed", ["http"], indirect=True)
def test_what_comes_before_slack_has_answered_is_done(closed: Workplace) -> None:
    """By HTTP the door is open before Slack has said who we are, and whoever was told in time gets a result."""
    closed.playground.faults.next("auth.test", Fault.slow(7))
    closed.playground.request_url = f"http://127.0.0.1:{closed.port}/slack/events"
    opening = threading.Thread(target=closed.open)
    opening.start()
    try:
        wait_for(lambda: _listens(closed.port), saying="the web door")
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
    finally:
        opening.join()
        closed.close()


def test_a_bot_that_stops_takes_nothing_in(closed: Workplace) -> None:
    """While what runs is given its time to end, Slack's people read at once that nobody is there."""
    closed.open()
    with closed.stalled_reads():
        running = closed.slash("/backup", "pgdata")
        closed.shown(running, Status.RUNNING)
        stopping = threading.Thread(target=closed.close)
        stopping.start()
        wait_for(lambda: not closed.playground.hub.connections, saying="a closed door")
        assert stopping.is_alive()
        delivery = closed.playground.slash("/backup", "other1")
        wait_for(lambda: delivery.error, saying="Slack's own error")
    stopping.join()
    assert delivery.acks == 0


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
