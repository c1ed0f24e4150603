"""The way to a daemon behind SSH: one `ssh … docker system dial-stdio` a connection, as Docker's command line does.

docker-py's own way has no socket, so that neither a time limit nor a cancel reaches it (engine facts, section 8);
here both ends hold a real one. It must not know what is asked over it.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import urllib3
from docker.transport import UnixHTTPAdapter

from bot.language import say

_ENDING_SECONDS = 2
_LAST_WORDS = 2000


@dataclass(frozen=True, kw_only=True)
class SshTarget:
    """A machine with Docker's command line; `config` is a file for ssh, instead of its own ones."""

    host: str
    user: str | None = None
    port: int | None = None
    config: str | None = None

    def words(self) -> list[str]:
        """The command; keys, known hosts and jumps are what ssh's own configuration says. It never asks anybody."""
        words = ["ssh", "-T", "-o", "BatchMode=yes"]
        words += ["-F", self.config] if self.config else []
        words += ["-l", self.user] if self.user else []
        words += ["-p", str(self.port)] if self.port else []
        return [*words, "--", self.host, "docker", "system", "dial-stdio"]


class _Socket(socket.socket):
    """Our end of a pair whose other end is the standard input and output of ssh, which ends with it."""

    process: subprocess.Popen[bytes] | None = None

    def _real_close(self) -> None:
        """When the last reader is gone: ssh would wait for a mute daemon's farewell for ever."""
        super()._real_close()  # type: ignore[misc]
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, target: SshTarget, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def connect(self) -> None:
        """Start ssh; whether it gets anywhere shows when the answer is read."""
        ours, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the connection
        try:
            self._process = subprocess.Popen(
                self._target.words(),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            ours.close()
            raise OSError(
                say("the program ssh is missing here; install the Debian package openssh-client")
            ) from error
        finally:
            theirs.close()
        made = _Socket(fileno=ours.detach())
        made.process = self._process
        made.settimeout(self.timeout)
        self.sock = made

    def getresponse(self) -> Any:
        """The answer; when there is none, what ssh said about it, as ConnectionError."""
        try:
            return super().getresponse()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            said = self._last_words()
            raise ConnectionError(say("ssh says: {said}", said=said) if said else str(error)) from error

    def _last_words(self) -> str:
        if self._process is None or self._said is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        return os.pread(self._said.fileno(), _LAST_WORDS, 0).decode("utf-8", "replace").strip()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, target: SshTarget, timeout: float, size: int) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=size)
        self._target = target
        self._seconds = timeout

    def _new_conn(self) -> Any:
        return _Connection(self._target, self._seconds)


class SshAdapter(UnixHTTPAdapter):  # type: ignore[misc]
    """What docker-py sends requests through, over ssh."""

    def __init__(self, target: SshTarget, timeout: float, size: int) -> None:
        super().__init__("http+unix://ssh", timeout=timeout, pool_connections=1, max_pool_size=size)
        self._target = target

    def get_connection(self, url: str, proxies: object = None) -> Any:  # noqa: ARG002
        """The pool, whatever the url."""
        with self.pools.lock:
            if self.pools.get(url) is None:
                self.pools[url] = _Pool(self._target, self.timeout, self.max_pool_size)
            return self.pools[url]
