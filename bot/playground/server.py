"""A uvicorn server in a thread of its own whose TCP connections can be cut on purpose.

Knows nothing of Slack; it serves whatever ASGI application it is given.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from asyncio.transports import BaseTransport
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LOOPBACK: Final = "127.0.0.1"
CLIENT_FRAME_BYTES: Final = 20_480
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0


class _CuttableHttp(H11Protocol):
    """HTTP that shows its TCP transport to the application."""

    def connection_made(self, transport: BaseTransport) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)  # type: ignore[arg-type]


class _CuttableWebSocket(WebSocketsSansIOProtocol):
    """WebSocket that shows its TCP transport to the application."""

    def connection_made(self, transport: BaseTransport) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def cut_connection(scope: MutableMapping[str, Any]) -> None:
    """Close the TCP connection of a request or WebSocket at once: no answer, no closing frame."""
    scope["state"]["transport"].abort()


def pause_connection(scope: MutableMapping[str, Any]) -> None:
    """Read nothing more from a connection, and leave it open."""
    scope["state"]["transport"].pause_reading()


def reset_connection(scope: MutableMapping[str, Any]) -> None:
    """Close the TCP connection with a reset, so that the peer sees ECONNRESET."""
    transport = scope["state"]["transport"]
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _AnnouncingServer(uvicorn.Server):
    """uvicorn's server that says when it is listening, and on which loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell the waiting thread."""
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.listening.set()


class ServerThread:
    """Serves an application on loopback until it is stopped; may be started again on the same port."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.port = 0
        self._server: _AnnouncingServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> None:
        """Bind, start the thread and wait until it listens; port 0 is the one it had, or any free one.

        Raises OSError when the port is taken, RuntimeError when the server does not come up.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port or self.port))
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        self._server = _AnnouncingServer(_config(self._app))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="playground", daemon=True
        )
        self._thread.start()
        if not self._server.listening.wait(START_SECONDS):
            raise RuntimeError(f"The playground did not start listening on port {self.port}. Try again.")

    def stop(self) -> None:
        """Close all connections and wait for the thread to end."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._server = self._thread = None

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Run a function on the server's loop after some seconds; lost when the server stops before."""
        loop = None if self._server is None else self._server.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(loop.call_later, seconds, function)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_CuttableHttp,
        ws=_CuttableWebSocket,
        ws_max_size=CLIENT_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
