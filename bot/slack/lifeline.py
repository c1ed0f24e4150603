"""Notices that Slack's socket died without a word, and asks for a new one. Must not know what comes over it.

Seen with slack_sdk 3.48: a TCP connection that ends without a close frame is noticed after five failed pings, 25 s, and
keeps a core busy until then; one that was reset is given up at once, but a new one waits for the next ping, up to 5 s.
Slack waits 3 s for an acknowledgement, so what people send meanwhile would be lost to them.
"""

from __future__ import annotations

import logging
import select
import threading
import time

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.connection import Connection

from bot.slack.tokens import NO_ANSWER

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_FRESH_PINGS = 2.5


class Lifeline:
    """Looks after the client's socket from a thread of its own."""

    def __init__(self, client: SocketModeClient) -> None:
        self._client = client
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lifeline", daemon=True)

    @property
    def is_fresh(self) -> bool:
        """Whether Slack answered one of the last pings: a network that swallows everything looks connected."""
        session = self._client.current_session
        if session is None or not session.is_active():
            return False
        heard = session.last_ping_pong_time
        return heard is None or time.time() - heard < _FRESH_PINGS * self._client.ping_interval

    @property
    def has_ended(self) -> bool:
        """Whether Slack's side of the socket was closed: what was sent just now may not have arrived."""
        session = self._client.current_session
        return session is None or _has_died(session)

    def begin(self) -> None:
        """Look from now on."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self) -> None:
        given_up: Connection | None = None
        while not self._over.wait(_LOOK_SECONDS):
            session = self._client.current_session
            if session is None or session is given_up or not _has_died(session):
                continue
            _log.warning("the socket to Slack ended without a word; asking for a new one")
            given_up = (
                session  # asked once for each: while Slack refuses, the SDK's own monitor goes on asking
            )
            session.disconnect()
            self._reconnect()

    def _reconnect(self) -> None:
        try:
            self._client.connect_to_new_endpoint()
        except (SlackApiError, *NO_ANSWER) as error:  # the SDK's own monitor tries again
            _log.warning("a new socket to Slack cannot be opened yet: %s", error)


def _has_died(session: Connection) -> bool:
    """Whether the other side closed the connection, below TLS. Reads nothing, for another thread is reading."""
    look, sock = select.poll(), session.sock
    if sock is None:
        return True
    try:
        look.register(sock, select.POLLRDHUP)  # hang-ups and errors are told in any case
    except (OSError, ValueError):  # it is being replaced just now
        return False
    return any(event & ~select.POLLNVAL for _, event in look.poll(0))
