"""A proxy before a Docker engine's socket that ends archive streams early, yet properly, or holds them back.

It knows HTTP and nothing of tar or of the product; every request gets a connection of its own.
"""

from __future__ import annotations

import http
import http.client
import re
import select
import socket
import socketserver
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_ARCHIVE = re.compile(rb"GET \S*/containers/[^/]+/archive\?")
_PIECE = 64 * 1024
_LONGEST_HOLD_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class CuttingProxy:
    """Serves `url`; streams what the engine at `docker_host` (a `unix://` url) answers."""

    def __init__(self, docker_host: str, socket_path: Path) -> None:
        self.target = docker_host.removeprefix("unix://")
        self.url = f"unix://{socket_path}"
        self.cut_at: int | None = None
        """Archive streams end after this many bytes, with a correct last chunk."""
        self.hold_at: int | None = None
        """Archive streams pause after this many bytes until it is raised, `go_on` is set, or nobody reads any more."""
        self.is_mute = False
        """Archive requests are not passed on, and not answered, until `go_on` is set."""
        self.instead: bytes | None = None
        """What archive streams carry instead of what the engine sends."""
        self.go_on = threading.Event()
        self.held = threading.Event()
        """Set as soon as a stream is being held back."""
        self.passed = 0
        """How many bytes of the last archive stream were let through."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(str(socket_path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(socketserver.StreamRequestHandler):
    owner: CuttingProxy

    def handle(self) -> None:
        head = self._head()
        if not head:
            return
        with closing(socket.socket(socket.AF_UNIX)) as engine:
            try:
                engine.connect(self.owner.target)
                if _ARCHIVE.match(head):
                    self._archive(engine, head)
                else:
                    engine.sendall(head)
                    threading.Thread(target=self._send_body, args=(engine,), daemon=True).start()
                    while piece := engine.recv(_PIECE):
                        self.wfile.write(piece)
            except (ConnectionError, FileNotFoundError, http.client.HTTPException):
                return  # the engine, or whoever asked, has gone: the other side sees the connection end
            finally:
                self._end()

    def _end(self) -> None:
        """Tell whoever asked that this was all, even while a thread still waits for more of its body."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _head(self) -> bytes:
        """The request's head, asking the engine to close afterwards, so that one connection is one request."""
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if not line.lower().startswith(b"connection:"):
                lines.append(line)
        return b"".join([*lines, b"Connection: close\r\n\r\n"]) if lines else b""

    def _send_body(self, engine: socket.socket) -> None:
        try:
            while piece := self.rfile.read1(_PIECE):
                engine.sendall(piece)
        except (OSError, ValueError):
            return  # the answer was complete, and the connection is closed

    def _archive(self, engine: socket.socket, head: bytes) -> None:
        if self.owner.is_mute:
            self._hold()
        engine.sendall(head)
        answer = http.client.HTTPResponse(engine, method="GET")
        answer.begin()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() != "content-length"]
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if not any(name.lower() == "transfer-encoding" for name, _ in headers):
            lines.append("Transfer-Encoding: chunked")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())
        self.owner.passed = 0
        if self.owner.instead is not None and answer.status == http.HTTPStatus.OK:
            self._write_chunks(self.owner.instead)
            return
        while piece := answer.read(self._allowed()):
            self.owner.passed += len(piece)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _write_chunks(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _hold(self) -> None:
        """Until `go_on` is set. Whoever reads may leave: then so do we, for the engine holds its lock until then."""
        self.owner.held.set()
        ends = time.monotonic() + _LONGEST_HOLD_SECONDS
        at = self.owner.hold_at
        while (
            not self.owner.go_on.wait(_LOOK_SECONDS) and time.monotonic() < ends and at == self.owner.hold_at
        ):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError("nobody reads any more")

    def _allowed(self) -> int:
        """How many bytes may pass now; waits while the stream is held back; 0 where it is cut."""
        limits = [_PIECE]
        passed, hold_at, cut_at = self.owner.passed, self.owner.hold_at, self.owner.cut_at
        if hold_at is not None and not self.owner.go_on.is_set():
            if passed >= hold_at:
                self._hold()
            else:
                limits.append(hold_at - passed)
        if cut_at is not None:
            limits.append(max(0, cut_at - passed))
        return min(limits)
