"""What the door for Socket Mode remembers of an envelope, and when it believes that Slack got its answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.connection import Connection

from bot.crowd import Crowd
from bot.metrics import ACK_SECONDS, Histogram
from bot.slack.door import AtDoor, SocketDoor, Who, make_app
from bot.slack.lifeline import Lifeline
from bot.slack.refusals import Refusals

NOWHERE = "http://127.0.0.1:9/"


class Door:
    """A door that was never opened: frames are handed to it, and what it passes on is kept."""

    def __init__(self) -> None:
        self.crowd, self.refusals = Crowd(), Refusals()
        self.passed_on: list[str] = []
        told = AtDoor(confirm=self._confirm, acks=Histogram(ACK_SECONDS), crowd=self.crowd)
        app = make_app(WebClient(token="xoxb-1", base_url=NOWHERE), None, Who)
        self.socket = SocketDoor(app, "xapp-1", told, self.refusals)
        self.socket._enqueue = self.passed_on.append

    def _confirm(self, run_id: str, waited: timedelta) -> None:
        raise AssertionError(f"{run_id} was confirmed after {waited}")

    def comes(self, **frame: object) -> None:
        """A frame from Slack."""
        self.socket._take_in(f" {json.dumps(frame)}")


@pytest.fixture
def door() -> Iterator[Door]:
    """One; its threads end afterwards."""
    made = Door()
    yield made
    made.socket.shut()


def _command() -> dict[str, object]:
    payload = {"command": "/backup", "text": "", "user_id": "U0ANN", "channel_id": "C0OPS", "trigger_id": "1"}
    return {"type": "slash_commands", "envelope_id": "a-b-c", "payload": payload}


def test_an_envelope_that_comes_again_is_as_old_as_the_first(door: Door) -> None:
    """While the first still waits for its turn, another copy does not make the command look fresh."""
    door.comes(**_command())
    came = dict(door.socket._received)
    door.comes(**_command())
    assert door.socket._received == came
    assert list(came) == ["a-b-c"]
    assert [json.loads(raw) for raw in door.passed_on] == [_command()] * 2


def test_what_is_passed_on_begins_as_the_sdk_wants_it(door: Door) -> None:
    """The SDK takes a message that begins with a blank for nothing at all."""
    door.comes(**_command())
    assert [raw[:1] for raw in door.passed_on] == ["{"]


def test_slacks_own_words_are_nobody_at_the_door(door: Door) -> None:
    """Whatever they carry: no listener would ever say that they left."""
    door.comes(type="hello", envelope_id="a-b-c", payload={})
    door.comes(type="disconnect", envelope_id="a-b-c", payload={})
    assert not door.crowd.is_there
    assert [json.loads(raw)["type"] for raw in door.passed_on] == ["disconnect"]


def test_an_answer_over_a_socket_that_was_given_up_did_not_arrive() -> None:
    """When the socket is gone by the time one asks, nobody knows whether what was sent went anywhere."""
    client = SocketModeClient("xapp-1", web_client=WebClient(base_url=NOWHERE))
    try:
        lifeline = Lifeline(client)
        assert lifeline.has_ended
        client.current_session = Connection(url="ws://127.0.0.1:9/", logger=logging.getLogger(__name__))
        assert client.current_session.sock is None
        assert lifeline.has_ended
    finally:
        client.close()
