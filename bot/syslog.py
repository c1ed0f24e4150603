"""Copies every entry of the audit log to a syslog server, in order, once it is committed: RFC 5424.

Over UDP (RFC 5426), TCP with octet counting (RFC 6587, 3.4.1) or a unix datagram socket. How far it came is kept in a
file, so that the next process goes on there. Nobody waits for it. Must not know what entries mean.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.errors import StoreError
from bot.seals import canonical
from bot.stores.audit import Audit

_log = logging.getLogger(__name__)

_FACILITY = 13
"""`log audit` of RFC 5424, table 1."""
_INFORMATIONAL, _WARNING = 6, 4
_LOUD = frozenset(("denied", "failed", "break-glass", "policy-refused"))
_POLL_SECONDS = 1.0
_LONGEST_WAIT = 30.0
_AT_ONCE = 200
_CONNECT_SECONDS = 10.0
_UNSURE = 200
"""So many entries are sent again after a TCP connection broke: what was on its way may be lost."""
_SHORTENED = 400
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")


def message(entry: dict[str, Any], host: str) -> bytes:
    """The entry as one message; its text is canonical JSON with the seal, as in an export."""
    severity = _WARNING if entry["kind"] in _LOUD else _INFORMATIONAL
    kind = _NOT_PRINTABLE.sub("-", str(entry["kind"]))[:32] or "-"
    name = _NOT_PRINTABLE.sub("-", host)[:255] or "-"
    start = f"<{_FACILITY * 8 + severity}>1 {entry['at']} {name} shipkeeper {os.getpid()} {kind} - "
    return start.encode() + b"\xef\xbb\xbf" + canonical(entry)


class SyslogCopy:
    """A thread that sends what is new. `address` is udp://host:port, tcp://host:port or unix:///path."""

    def __init__(self, audit: Audit, address: str, position: Path) -> None:
        self._audit = audit
        self._line = _Line(address)
        self._done = 0
        self._position = position
        self._host = socket.gethostname()
        self._stop = threading.Event()
        self._new = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Go on where the last process stopped, on a thread of its own."""
        self._audit.listen(self._new.set)
        self._thread = threading.Thread(target=self._keep, name="syslog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after one more try; the next process sends the rest. May be called twice."""
        self._stop.set()
        self._new.set()
        if self._thread is not None:
            self._thread.join(_CONNECT_SECONDS)

    def _keep(self) -> None:
        self._done, wait = self._remembered(), _POLL_SECONDS
        while True:
            is_last = self._stop.is_set()
            self._new.clear()
            try:
                self._send_some()
                wait = _POLL_SECONDS
            except (StoreError, OSError, ValueError, TypeError) as error:
                _log.warning("syslog: entry %d is not copied yet: %s", self._done + 1, error)
                self._go_back(self._line.broke(self._done))
                wait = min(wait * 2, _LONGEST_WAIT)
                if not is_last:
                    self._stop.wait(wait)
                    continue
            if is_last:
                self._line.close()
                return
            self._new.wait(wait)

    def _send_some(self) -> None:
        """Send the next ones, and remember how far that came even when it breaks."""
        before = self._done
        self._begin_anew_if_shorter()
        try:
            for entry in self._audit.entries(after=self._done, limit=_AT_ONCE):
                self._line.send(entry, lambda one: message(one, self._host))
                self._done = entry["seq"]
        finally:
            if self._done != before:
                self._remember(self._done)
                self._new.set()  # there may be more

    def _begin_anew_if_shorter(self) -> None:
        """A log that ends before what was copied is another one, of a backup perhaps: nothing of it may be left out."""
        head = self._audit.head()
        reached = head.seq if head else 0
        if self._done > reached:
            _log.critical(
                "syslog: entry %d was copied, and the log ends with entry %d: it was restored, or cut. All of it is "
                "copied anew",
                self._done,
                reached,
            )
            self._done = 0

    def _go_back(self, seq: int) -> None:
        """Some that were sent may not have arrived: send them again, even if this process ends first."""
        if seq == self._done:
            return
        self._done = seq
        try:
            self._remember(seq)
        except OSError as error:
            _log.error("syslog: how far it came cannot be remembered: %s", error)

    def _remembered(self) -> int:
        try:
            return int(self._position.read_text())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            _log.error("syslog: how far it came is not known, so it begins anew: %s", error)
            return 0

    def _remember(self, seq: int) -> None:
        part = self._position.with_name(f"{self._position.name}.part")
        part.write_text(str(seq))
        part.rename(self._position)


class _Line:
    """A socket to the server, made when needed."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._is_stream = parts.scheme == "tcp"
        self._is_local = parts.scheme == "unix"
        self._where: Any = parts.path if self._is_local else (parts.hostname, parts.port)
        self._socket: socket.socket | None = None
        self._sent = 0

    def send(self, entry: dict[str, Any], encode: Callable[[dict[str, Any]], bytes]) -> None:
        """Send one; raises OSError."""
        if self._socket is None:
            self._socket = self._connected()
        data = encode(entry)
        if self._is_stream:
            self._refuse_hung_up(self._socket)
            self._socket.sendall(b"%d %s" % (len(data), data))
        else:
            try:
                self._socket.send(data)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                short = {**entry, "line": entry["line"][:_SHORTENED], "detail": entry["detail"][:_SHORTENED]}
                self._socket.send(
                    encode({**short, "targets": entry["targets"][:_SHORTENED], "shortened": True})
                )
        self._sent += 1

    def broke(self, done: int) -> int:
        """Forget the connection; from which entry on it is not sure that they arrived."""
        unsure = min(self._sent, _UNSURE) if self._is_stream else 0
        self.close()
        return max(0, done - unsure)

    def close(self) -> None:
        """Give the socket back. May be called twice."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._sent = None, 0

    def _connected(self) -> socket.socket:
        if self._is_local:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                made.connect(self._where)
            except OSError:
                made.close()
                raise
            return made
        if self._is_stream:
            return socket.create_connection(self._where, _CONNECT_SECONDS)
        host, port = self._where
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        made = socket.socket(family, kind, protocol)
        made.connect(address)
        return made

    def _refuse_hung_up(self, connected: socket.socket) -> None:
        """A server that is gone is noticed before more is sent into the void: syslog servers never answer."""
        readable, _, _ = select.select([connected], [], [], 0)
        if readable and not connected.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError(errno.ECONNRESET, "the server hung up")
