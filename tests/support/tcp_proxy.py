"""A proxy before a TCP server that counts what is sent there, and at a number of bytes lets everything end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 1 << 16


class CutAt:
    """Serves `host`. Once `limit` bytes went to the server: calls `then`, ends all connections, takes no more."""

    def __init__(self, port: int, limit: int, then: Callable[[], None]) -> None:
        self._target = ("127.0.0.1", port)
        self._left = limit
        self._then = then
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.is_cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed: nobody is served any more
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._open += [client, server]
                for one, other, counted in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._carry, args=(one, other, counted), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while piece := one.recv(_PIECE):
                if counted and self._is_over(len(piece)):
                    return
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)

    def _is_over(self, count: int) -> bool:
        with self._lock:
            self._left -= count
            is_first = self._left <= 0 and not self.is_cut.is_set()
            if is_first:
                self.is_cut.set()
        if is_first:
            self._then()
            self._end()
        return self._left <= 0

    def _end(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()
