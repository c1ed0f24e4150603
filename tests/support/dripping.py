"""A server on loopback that answers byte by byte, for as long as anybody listens. It knows no protocol."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self


class Dripping:
    """Serves `host`: to each connection first `at_once`, then `drop` again and again. `gone` is set once one is cut."""

    def __init__(self, at_once: bytes, drop: bytes, every_seconds: float = 0.05) -> None:
        self._at_once = at_once
        self._drop = drop
        self._every = every_seconds
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.gone = threading.Semaphore(0)

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            for piece in self._pieces():
                client.sendall(piece)
        self.gone.release()

    def _pieces(self) -> Iterator[bytes]:
        yield self._at_once
        for _ in itertools.count():
            if self._over.wait(self._every):
                return
            yield self._drop
