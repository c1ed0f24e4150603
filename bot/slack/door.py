"""The doors that Slack comes in by, Socket Mode and signed HTTP, to the same listeners of one Bolt app.

A run is confirmed only after Slack was told that its command arrived: what Slack counts as failed never runs.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.socket_mode.internals import build_headers, send_response
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.internals import build_context
from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.crowd import Crowd
from bot.metrics import Histogram
from bot.slack.envelopes import envelope_in
from bot.slack.gate import RUN
from bot.slack.lifeline import Lifeline
from bot.slack.refusals import Refusals
from bot.slack.signed import Refused, carried, is_ssl_check, require_signature

_log = logging.getLogger(__name__)
_FORM = "application/x-www-form-urlencoded"
_INVALID = '{"error": "invalid request"}'
_LAST_LISTEN = 0.2
_READ_BYTES = 1 << 16
"""The SDK's reader calls itself for each piece of a frame; with its usual 1,024 bytes a megabyte is too deep for it."""

_AT_ONCE = 40
"""Envelopes that are carried at a time, as many as the web server carries requests: they wait for one disk together."""

Confirm = Callable[[str, timedelta], None]
"""Notes that Slack was told about this run, and how long after it had asked; blocks nobody."""


@dataclass(frozen=True, kw_only=True)
class AtDoor:
    """Who is to know when Slack was told: the road about runs, the figures about how long it took, and the crowd."""

    confirm: Confirm
    acks: Histogram
    crowd: Crowd


@dataclass(frozen=True, kw_only=True)
class Who:
    """The bot as Slack knows it, from auth.test; empty until Slack was reached."""

    team_id: str | None = None
    bot_id: str | None = None
    bot_user_id: str | None = None


def make_app(client: WebClient, signing_secret: str | None, who: Callable[[], Who]) -> App:
    """A Bolt app whose listeners run where the request arrived, so that no shared pool can starve an ack.

    Bolt's own pool has five threads; with `process_before_response` it is not used at all. Slack is not
    asked who we are for each request: `who` remembers.
    """
    quiet = logging.getLogger(f"{__name__}.bolt")
    quiet.setLevel(logging.ERROR)  # below that, Bolt logs whole request bodies

    def authorize(**_: Any) -> AuthorizeResult:
        me = who()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=me.team_id,
            bot_id=me.bot_id,
            bot_user_id=me.bot_user_id,
            bot_token=client.token,
        )

    app = App(
        name="shipkeeper",  # else Bolt reads the source of every caller to find one
        logger=quiet,
        client=client,
        signing_secret=signing_secret,
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=signing_secret is not None,
    )
    app.middleware(_restore_body)
    return app


def _restore_body(req: BoltRequest, next: Callable[[], BoltResponse]) -> BoltResponse:
    """Read again a form that Bolt took for an interactive request because the word `payload` occurs in it.

    Seen with Bolt 1.30: the body stays empty and the command is answered with 404. The signature covers the
    raw body and was checked before.
    """
    content_type = (req.headers.get("content-type") or [""])[0]
    if req.mode == "http" and not req.body and content_type.startswith(_FORM):
        form = dict(parse_qsl(req.raw_body, keep_blank_values=True))
        if "command" in form:
            req.body = form
            build_context(req.context, form)
    return next()


class HttpDoor:
    """`POST /slack/events`: commands, interactivity and events, signed by Slack."""

    def __init__(self, app: App, signing_secret: str, told: AtDoor, refusals: Refusals) -> None:
        self._app = app
        self._secret = signing_secret
        self._told = told
        self._refusals = refusals

    def answer(
        self, body: bytes, headers: Mapping[str, str], received: float
    ) -> tuple[BoltResponse, Callable[[], None]]:
        """The answer to send, and what to call once it was sent. Blocks for milliseconds, on any thread.

        `received` is the monotonic time at which the request came in, before it waited for a thread.
        """
        try:
            require_signature(self._secret, body, headers, time.time())
            text = carried(body, headers)
        except Refused as refused:
            if refused.status is HTTPStatus.UNAUTHORIZED and is_ssl_check(body, headers):
                return BoltResponse(status=200, body=""), _nothing
            self._refusals.note(refused.why)
            return BoltResponse(status=refused.status, body=_INVALID), _nothing
        request = BoltRequest(body=text, headers=dict(headers), mode="http")
        self._told.crowd.arrived()
        try:
            response = self._app.dispatch(request)
        finally:
            self._told.crowd.left()
        return response, lambda: _confirm(self._told, request, response, received)


class SocketDoor(SocketModeHandler):
    """Socket Mode: Slack's envelopes over a websocket that we opened."""

    def __init__(self, app: App, app_token: str, told: AtDoor, refusals: Refusals) -> None:
        super().__init__(app, app_token, ping_interval=5, concurrency=_AT_ONCE)
        self._told = told
        self._refusals = refusals
        self._received: dict[str, float] = {}
        self._enqueue = self.client.enqueue_message
        client: Any = self.client
        client.enqueue_message = self._take_in
        client.receive_buffer_size = _READ_BYTES
        self.client.on_error_listeners.append(self._begin_anew)
        self._lifeline = Lifeline(self.client)
        self._lifeline.begin()

    @property
    def is_connected(self) -> bool:
        """Whether commands can arrive now."""
        return self._lifeline.is_fresh

    def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]
        """Carry one envelope to the listeners, acknowledge it, then confirm the run."""
        received = self._received.pop(req.envelope_id, time.monotonic())
        try:
            request = BoltRequest(mode="socket_mode", body=req.payload, headers=build_headers(req))
            response = self.app.dispatch(request)
            send_response(client, req, response, received)
        finally:
            self._told.crowd.left()
        if self._lifeline.has_ended:
            return  # the acknowledgement went nowhere: Slack sends the envelope again
        _confirm(self._told, request, response, received)

    def _take_in(self, raw: str) -> None:
        """Hand what is sound on to the SDK's queue, and note when it came off the wire: it may wait there."""
        message = envelope_in(raw)
        if message is None:
            self._refusals.note("malformed")
            return
        if message["type"] == "hello":
            return  # it asks for nothing
        if message["type"] == "disconnect":
            self._listen_briefly()
        else:
            self._told.crowd.arrived()
            self._received.setdefault(message["envelope_id"], time.monotonic())
        self._enqueue(raw.lstrip())  # with a blank before it the SDK would take it for nothing

    def _begin_anew(self, error: Exception) -> None:
        """Give up a socket of which something could not be read: where the next frame begins is not known.

        A new one comes within the interval of pings.
        """
        session = self.client.current_session
        if session is not None and not isinstance(error, OSError):  # of those the SDK takes care itself
            session.disconnect()

    def _listen_briefly(self) -> None:
        """Let the reader give up this socket quickly, now that the SDK is about to replace it.

        It holds a lock for the three seconds of its `recv`, and the new socket is not read before it lets go
        (seen with slack_sdk 3.48): commands that came over the new one would be acknowledged too late.
        """
        session = self.client.current_session
        if session is not None and session.sock is not None:
            session.sock.settimeout(_LAST_LISTEN)

    def shut(self) -> None:
        """Close for good, without the seconds that the SDK waits for its reader and its queue."""
        self._lifeline.end()
        self.client.closed = True
        self.client.message_queue.put(None)
        self.client.auto_reconnect_enabled = False
        self.client.current_session_state.terminated = True
        session = self.client.current_session
        if session is not None and session.sock is not None:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(session.sock, socket.SHUT_RD)
        self.client.close()


def _nothing() -> None:
    """What is to be done when a refusal was sent."""


def _confirm(told: AtDoor, request: BoltRequest, response: BoltResponse, received: float) -> None:
    waited = time.monotonic() - received
    told.acks.note(waited)
    run_id = request.context.get(RUN)
    if run_id is not None and response.status == 200:
        told.confirm(run_id, timedelta(seconds=waited))
