"""Socket Mode: the connections of the bot, one receiver for each envelope, acks on any of them.

Facts from docs.slack.dev/apis/events-api/using-socket-mode. It carries envelopes and does not know what is in
them; whoever sends decides what a lost envelope means.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bot.playground.records import APP_ID, Json
from bot.playground.server import cut_connection, pause_connection
from bot.playground.workspace import Workspace

MOST_CONNECTIONS: Final = 10
NOTICE_SECONDS: Final = 10.0
HOST: Final = "playground"


class Listener(Protocol):
    """Who is told what comes from the bot's sockets."""

    def acknowledged(self, envelope_id: str, payload: Any) -> None:
        """The bot acked an envelope."""

    def connection_lost(self, number: int) -> None:
        """A connection ended; what it still owes may be sent elsewhere."""

    def connection_opened(self) -> None:
        """A connection said hello."""


class Connection:
    """One open socket of the bot; `retiring` after it was told to disconnect."""

    def __init__(self, number: int, websocket: WebSocket) -> None:
        self.number = number
        self.websocket = websocket
        self.retiring = False
        self.frozen = False
        self._loop = asyncio.get_running_loop()

    def send(self, message: Json) -> None:
        """Send one text frame from any thread; into the void when the connection is frozen."""
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        """The same with any text, whether Slack would ever send it or not."""
        if not self.frozen:
            asyncio.run_coroutine_threadsafe(self._send(text), self._loop)

    async def _send(self, text: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.send_text(text)

    def close(self) -> None:
        """Close with a closing frame, from any thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop)

    async def _close(self) -> None:
        if self.websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.websocket.close(1000)

    def freeze(self) -> None:
        """Neither read nor send any more, while the TCP connection stays up; from any thread."""
        self.frozen = True
        self._loop.call_soon_threadsafe(pause_connection, self.websocket.scope)

    def cut(self) -> None:
        """Cut the TCP connection without a closing frame, from any thread."""
        self._loop.call_soon_threadsafe(cut_connection, self.websocket.scope)


class SocketHub:
    """All open sockets of the bot."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._connections: list[Connection] = []
        self._opened = 0
        self._turn = 0
        self._lock = threading.RLock()
        self.listener: Listener | None = None
        self.call_later: Callable[[float, Callable[[], object]], None] = lambda _seconds, _function: None

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers of the open connections, oldest first."""
        with self._lock:
            return tuple(connection.number for connection in self._connections)

    @property
    def opened(self) -> int:
        """How many connections ever said hello."""
        return self._opened

    def send(self, envelope: Json, number: int | None = None) -> int | None:
        """Send an envelope over one connection, in turn or the given one.

        Returns the number of the connection used, or None when there is none.
        """
        with self._lock:
            chosen = self._choose(number)
        if chosen is None:
            return None
        chosen.send(envelope)
        return chosen.number

    def send_text(self, text: str) -> bool:
        """Send any text over one of the connections; False when there is none."""
        with self._lock:
            chosen = self._choose(None)
        if chosen is not None:
            chosen.send_text(text)
        return chosen is not None

    def _choose(self, number: int | None) -> Connection | None:
        if number is not None:
            return next((one for one in self._connections if one.number == number), None)
        candidates = [one for one in self._connections if not one.retiring] or self._connections
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]

    def disconnect(self, reason: str) -> None:
        """Tell every connection to disconnect.

        `warning` and `refresh_requested` leave ten seconds; `link_disabled` switches Socket Mode off and closes.
        """
        with self._lock:
            connections = list(self._connections)
        notice = 0.0 if reason == "link_disabled" else NOTICE_SECONDS
        if reason == "link_disabled":
            self._workspace.socket_mode_on = False
        for connection in connections:
            connection.retiring = True
            connection.send(_disconnect(reason))
            self.call_later(notice, connection.close)

    def drop(self) -> int:
        """Cut every connection without a closing frame; returns how many."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.cut()
        return len(connections)

    def freeze(self) -> int:
        """Leave every connection half open: pings and acks go unread, envelopes are lost on the way.

        They are cut when the bot connects anew; returns how many were frozen.
        """
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.freeze()
        return len(connections)

    def _cut_frozen(self) -> None:
        with self._lock:
            frozen = [connection for connection in self._connections if connection.frozen]
        for connection in frozen:
            connection.cut()

    async def endpoint(self, websocket: WebSocket) -> None:
        """One socket of the bot, from its ticket to its end."""
        if not self._workspace.tickets.use(websocket.query_params.get("ticket", "")):
            await websocket.close(1008)
            return
        await websocket.accept()
        connection = self._admit(websocket)
        if connection is None:
            await websocket.send_text(json.dumps(_disconnect("too_many_websockets")))
            await websocket.close(1000)
            return
        try:
            await websocket.send_text(json.dumps(self._hello()))
            self._cut_frozen()
            self._tell(lambda listener: listener.connection_opened())
            async for text in websocket.iter_text():
                self._received(text)
        finally:
            with self._lock:
                self._connections.remove(connection)
            self._tell(lambda listener: listener.connection_lost(connection.number))
            self._workspace.world.touch()

    def _admit(self, websocket: WebSocket) -> Connection | None:
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                return None
            self._opened += 1
            connection = Connection(self._opened, websocket)
            self._connections.append(connection)
        return connection

    def _tell(self, news: Callable[[Listener], None]) -> None:
        if self.listener is not None:
            news(self.listener)

    def _hello(self) -> Json:
        self._workspace.world.touch()
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": APP_ID},
            "debug_info": {
                "host": HOST,
                "started": "2026-01-01 00:00:00.000",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
        }

    def _received(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        if isinstance(frame, dict) and isinstance(frame.get("envelope_id"), str):
            self._tell(lambda listener: listener.acknowledged(frame["envelope_id"], frame.get("payload")))


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": HOST}}
