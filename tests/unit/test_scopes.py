"""The scopes of the manifest are those that the bot's calls and events need: none is missing, none is idle.

Which method needs which scope is what the stand-in demands; which methods are called is read from the source.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

import handlers
from bot.playground.method import Method
from bot.playground.webapi import METHODS
from bot.playground.workspace import EVENT_SCOPES
from bot.slack.dialogues import Dialogues, Rooms
from bot.slack.gate import Gate
from bot.slack.listeners import Listeners
from bot.slack.manifest import EVENTS, OPTIONAL_SCOPES, SCOPES, manifest

ROOM = Path(__file__).parents[2] / "bot" / "slack"
GRANTED = {*SCOPES, *OPTIONAL_SCOPES}
_FAMILIES = ("auth", "bots", "chat", "conversations", "files", "reactions", "usergroups", "users", "views")


def _called() -> set[str]:
    """The Web API methods that the Slack room calls, by Slack's names."""
    attributes = {
        node.attr
        for file in ROOM.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    methods = {name for name in attributes if name.startswith(tuple(f"{one}_" for one in _FAMILIES))}
    slack = {name.replace(".", "_"): name for name in METHODS}
    return {slack.get(name, name) for name in methods if hasattr(WebClient, name)}


def _needed() -> set[str]:
    """Every scope that some call or event of the bot's can make use of."""
    by_calls = {scope for name in _called() for scope in METHODS[name].scopes}
    by_events = {scope for event in EVENTS if (scope := EVENT_SCOPES[event]) is not None}
    return (
        by_calls | by_events | {"commands", "chat:write.public"}
    )  # slash commands; posting without being invited


def test_the_source_was_read() -> None:
    """The methods that everything hangs on are among those that were found."""
    assert {"auth.test", "chat.postMessage", "chat.update", "views.publish", "files.info"} <= _called()


@pytest.mark.parametrize("name", sorted(_called()))
def test_no_scope_is_missing(name: str) -> None:
    """The stand-in knows the method, and would let the bot call it with what the manifest asks for."""
    method: Method = METHODS[name]
    assert not method.app_level
    assert not method.scopes or GRANTED.intersection(method.scopes)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_allowed(event: str) -> None:
    """The bot is told of each event that the manifest names."""
    assert EVENT_SCOPES[event] in {None, *SCOPES}


@pytest.mark.parametrize("scope", sorted(GRANTED))
def test_no_scope_is_idle(scope: str) -> None:
    """Each scope that people are asked for is needed by a call that is made or an event that is listened to."""
    assert scope in _needed()


def test_an_idle_scope_and_a_missing_one_would_be_found() -> None:
    """What the two tests above look for is not there by accident."""
    assert "users:read.email" not in _needed()
    assert not (GRANTED - {"files:write"}).intersection(METHODS["files.delete"].scopes)


def test_events_are_those_that_are_listened_to() -> None:
    """The manifest subscribes to what the listeners hear, and the Home tab is on for the one that needs it."""
    heard: list[str] = []

    class Recording(App):
        def event(self, event: Any, *args: Any, **kwargs: Any) -> Any:
            heard.append(event)
            return super().event(event, *args, **kwargs)

    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing arrives here")

    app = Recording(token="xoxb-1", signing_secret="s", token_verification_enabled=False)
    nothing: Any = refuse
    gate = Gate(nothing, nothing, nothing)
    dialogues = Dialogues(
        gate, Rooms(completion=nothing, opener=nothing, commands={}, hosts=1, is_lost=nothing)
    )
    Listeners(gate, dialogues, nothing, nothing).register(app, (), "")
    made = manifest(handlers.load().values(), "")
    assert sorted(made["settings"]["event_subscriptions"]["bot_events"]) == sorted(heard)
    assert made["features"]["app_home"]["home_tab_enabled"] is ("app_home_opened" in heard)
