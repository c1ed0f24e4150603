"""A proxy before a TCP server that can swallow everything in both directions."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 1 << 16


class BlackHole:
    """Serves `port`. While `swallows` is set no byte passes, yet connections are taken and stay open."""

    def __init__(self, target: int) -> None:
        self._target = ("127.0.0.1", target)
        self._passes = threading.Event()
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def swallow(self) -> None:
        """From now on nothing passes: what was under way is lost when the hole closes."""
        self._passes.clear()

    def give_back(self) -> None:
        """New connections pass. Those from before stay open and mute: nobody is told that they are dead."""
        self._passes.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
        self._listener.close()
        with self._lock:
            for one in self._open:
                one.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed: nobody is served any more
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        with self._lock:
            self._open.append(client)
        if not self._passes.is_set():
            return
        with suppress(OSError), socket.create_connection(self._target) as server:
            with self._lock:
                self._open.append(server)
            threading.Thread(target=self._carry, args=(server, client), daemon=True).start()
            self._carry(client, server)

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(_PIECE):
                if not self._passes.is_set():
                    return  # swallowed, and all that follows on this connection
                other.sendall(piece)
        if self._passes.is_set():
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)
