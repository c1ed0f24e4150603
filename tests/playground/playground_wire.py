"""Helpers of the playground's tests: real clients, a real Bolt app, a bare websocket."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect

from bot.playground import Playground


def client_of(playground: Playground, token: str | None = None) -> WebClient:
    """A client of a playground that never retries, with the bot's token unless told otherwise."""
    return WebClient(
        token=playground.bot_token if token is None else token,
        base_url=playground.api_url,
        retry_handlers=[],
    )


@dataclass
class Bot:
    """A small Bolt app that answers `/echo`, mentions and buttons, and notes what it heard."""

    app: App
    handler: SocketModeHandler
    heard: list[str] = field(default_factory=list)


def bolt_app(playground: Playground, heard: list[str]) -> App:
    """The app of `Bot`, not connected yet."""
    app = App(client=client_of(playground), signing_secret=playground.signing_secret)
    logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)

    @app.command("/echo")
    def echo(ack: Callable[..., None], command: dict[str, str]) -> None:
        heard.append(command["text"])
        ack(f"got {command['text']}")

    @app.command("/silent")
    def silent(command: dict[str, str]) -> None:
        heard.append(command["text"])

    @app.event("app_mention")
    def mention(event: dict[str, str], say: Callable[..., None]) -> None:
        heard.append(event["text"])
        say(text=f"heard {event['text']}", thread_ts=event.get("thread_ts") or event["ts"])

    @app.action("go")
    def go(ack: Callable[..., None], action: dict[str, str]) -> None:
        heard.append(action["value"])
        ack()

    return app


@contextmanager
def connected_bot(playground: Playground) -> Iterator[Bot]:
    """The small Bolt app, connected by one socket until the end of the block."""
    heard: list[str] = []
    app = bolt_app(playground, heard)
    handler = SocketModeHandler(app, playground.app_token, ping_interval=1)
    handler.connect()
    try:
        playground.wait_for(lambda: playground.hub.connections)
        yield Bot(app=app, handler=handler, heard=heard)
    finally:
        handler.client.auto_reconnect_enabled = False
        playground.drop_sockets()  # the SDK's close waits up to three seconds for a socket that is still open
        handler.close()


@contextmanager
def bare_socket(playground: Playground) -> Iterator[ClientConnection]:
    """A websocket without an SDK, past its hello."""
    address = client_of(playground, playground.app_token).apps_connections_open(
        app_token=playground.app_token
    )
    with ws_connect(address["url"], compression=None, proxy=None) as websocket:
        first = receive(websocket)
        assert first["type"] in ("hello", "disconnect")
        yield websocket


def receive(websocket: ClientConnection, timeout: float = 5.0) -> dict[str, Any]:
    """The next JSON frame."""
    return dict(json.loads(websocket.recv(timeout=timeout)))


def ack(websocket: ClientConnection, envelope: dict[str, Any], payload: Any = None) -> None:
    """Acknowledge an envelope."""
    frame = {"envelope_id": envelope["envelope_id"]}
    websocket.send(json.dumps(frame if payload is None else {**frame, "payload": payload}))


def button(action_id: str = "go", value: str = "one", label: str = "Go") -> dict[str, Any]:
    """A button element."""
    text = {"type": "plain_text", "text": label}
    return {"type": "button", "action_id": action_id, "value": value, "text": text}


def section(text: str, **more: Any) -> dict[str, Any]:
    """A section block."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}
