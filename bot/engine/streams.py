"""Bytes on their way from and to the daemon: limited in time, and to be ended from another thread.

It must not know what the bytes mean.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

import urllib3

from bot import words
from bot.engine.connection import Connection
from bot.engine.translate import is_timeout, scrub
from bot.errors import EngineError, StreamCut
from bot.language import say
from bot.reasons import Reason

STDERR = 2

BROKEN = (urllib3.exceptions.HTTPError, OSError, ValueError)
"""What reading a response raises when the connection breaks; ValueError when it was closed meanwhile."""

# One call to send that many bytes has to end within the stall limit, so it may not be a whole file.
_PIECE_BYTES = 1 << 16

# The header of a frame: the channel, three zero bytes, the length (Docker Engine API, ContainerAttach).
_HEAD_BYTES = 8


class Wire:
    """One response of the daemon as it arrives. `cut` may come from any thread, everything else from one."""

    def __init__(self, response: Any) -> None:
        self.raw: urllib3.HTTPResponse = response.raw
        self._response = response
        self._socket = _socket_below(response.raw)
        self._lock = threading.Lock()
        self._is_closed = False
        self.is_cut = False

    def wait_at_most(self, seconds: float) -> None:
        """Limit how long the next read may be silent."""
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def cut(self) -> None:
        """End it: a read that waits comes back at once."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None and not self._is_closed:
                with suppress(OSError):
                    # The plain socket's own: TLS would take its state away under the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        with self._lock:
            self._is_closed = True
        self._response.close()


def _socket_below(raw: Any) -> socket.socket | None:
    """Taken while the response is fresh: at its end urllib3 forgets it."""
    file = getattr(getattr(raw, "_fp", None), "fp", None)
    found = getattr(getattr(file, "raw", None), "_sock", None)
    return found if isinstance(found, socket.socket) else None


class Reader:
    """A tar of the archive API. `raw.read` keeps the socket's time limit, docker-py's iterators lift it (fact 6)."""

    def __init__(self, wire: Wire, connection: Connection, what: str) -> None:
        self._wire = wire
        self._host = connection.host
        self._stall = connection.limits.stall
        self._what = what
        self._count = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, `b""` at the end; EngineError on a stall, StreamCut when the connection breaks."""
        data, error = b"", None
        if not self._wire.is_cut:
            try:
                data = self._wire.raw.read(size)
            except BROKEN as broken:
                error = broken
        if self._wire.is_cut:
            raise StreamCut(
                say(
                    "Reading {what} on host “{host}” was ended after {size}. It was not changed.",
                    what=self._what,
                    host=self._host,
                    size=words.size(self._count),
                )
            )
        if error is not None:
            raise self._explained(error) from error
        self._count += len(data)
        return data

    def abort(self) -> None:
        """End it, from any thread: a read that waits, and every later one, raises StreamCut. May be called twice."""
        self._wire.cut()

    def _explained(self, error: Exception) -> EngineError:
        if is_timeout(error):
            return EngineError(
                say(
                    "Docker on host “{host}” sent nothing for {seconds:g} seconds after "
                    "{size} of {what}. It was not changed; look at the host, then try again.",
                    host=self._host,
                    seconds=self._stall.total_seconds(),
                    size=words.size(self._count),
                    what=self._what,
                ),
                reason=Reason.STALLED,
            )
        return StreamCut(
            say(
                "Docker on host “{host}” broke off after {size} of {what}: {error}. "
                "It was not changed; look at the host, then try again.",
                host=self._host,
                size=words.size(self._count),
                what=self._what,
                error=scrub(error),
            )
        )


class Source:
    """An iterator of small pieces that remembers what the one inside it raised."""

    def __init__(self, inner: Iterator[bytes]) -> None:
        self._inner = inner
        self._rest = memoryview(b"")
        self.error: BaseException | None = None

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> bytes:
        while not self._rest:  # an empty piece would end the body (RFC 9112, section 7.1)
            with self:
                self._rest = memoryview(next(self._inner))
        piece, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
        return bytes(piece)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, StopIteration):
            self.error = error


class Frames:
    """Takes apart what a container writes to two channels, which arrives in frames in pieces of any size."""

    def __init__(self, take: Callable[[int, bytes], None]) -> None:
        self._take = take
        self._head = bytearray()
        self._left = 0
        self._channel = 0

    @property
    def is_whole(self) -> bool:
        """Whether it stands between two frames."""
        return not self._left and not self._head

    def feed(self, data: bytes) -> None:
        """Take the next bytes; calls `take` with a channel and what belongs to it."""
        at = 0
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                self._left -= len(part)
                at += len(part)
                self._take(self._channel, part)
                continue
            wanted = _HEAD_BYTES - len(self._head)
            self._head += data[at : at + wanted]
            at += wanted
            if len(self._head) == _HEAD_BYTES:
                self._channel, self._left = self._head[0], int.from_bytes(self._head[4:], "big")
                self._head.clear()
