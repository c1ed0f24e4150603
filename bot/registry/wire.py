"""One HTTP exchange with a registry: limited in time and size, never following where it is sent, in our errors.

It must not know what is asked, nor who asks.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from bot.errors import RegistryError
from bot.language import say
from bot.reasons import Reason
from bot.secrecy import scrub

_PIECE = 1 << 16
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How the connection is made safe: files in PEM, the machine's own authorities without `ca_file`."""

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    insecure_http: bool = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`answer` is the longest silence; a whole answer may take three times that after `connect`, however it drips.

    `wait` grows threefold each time.
    """

    connect: timedelta = timedelta(seconds=4)
    answer: timedelta = timedelta(seconds=4)
    tries: int = 3
    wait: timedelta = timedelta(seconds=0.5)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent; `most_bytes` is the longest body that is read of the answer."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """The connections of one asking. Takes no proxy, no `.netrc` and no authority from the environment.

    `send` belongs to one thread; another one may look at the clock meanwhile, and close, which cuts what is under way.
    """

    def __init__(self, where: str, tls: Tls, limits: Limits) -> None:
        self._where = where
        self._limits = limits
        self._session = requests.Session()
        self._session.trust_env = False  # the environment's CA bundle would win over ca_file (engine fact 28)
        self._session.mount("http://", _reported(self._keep))
        self._session.mount("https://", _reported(self._keep))
        self._lock = threading.Lock()
        self._is_closed = False
        self._handles: list[socket.socket] = []
        self._late_at = float("inf")
        if tls.ca_file:
            self._session.verify = str(tls.ca_file)
        if tls.client_cert:
            self._session.cert = (str(tls.client_cert), str(tls.client_key or tls.client_cert))

    def close(self) -> None:
        """Give the connections back; an exchange that is under way breaks."""
        with self._lock:
            self._is_closed = True
            handles, self._handles = self._handles, []
        for handle in handles:
            _cut(handle)
        self._session.close()

    def refuse_late(self) -> None:
        """Raises RegistryError, reason `unreachable`, once the exchange that is under way takes too long."""
        if time.monotonic() > self._late_at:
            with self._our_errors():
                raise TimeoutError(say("the answer does not end"))

    def _keep(self, opened: socket.socket) -> None:
        """A handle of our own, by which the connection can be cut from outside, whoever reads from it by then."""
        handle = opened.dup()
        with self._lock:
            is_closed = self._is_closed
            if not is_closed:
                self._handles.append(handle)
        if is_closed:
            _cut(handle)

    def send(self, request: Request) -> Answer:
        """One exchange; raises RegistryError, reason `unreachable`, when it breaks."""
        limits = self._limits
        self._late_at = time.monotonic() + (limits.connect + 3 * limits.answer).total_seconds()
        try:
            return self._exchanged(request)
        finally:
            self._late_at = float("inf")

    def _exchanged(self, request: Request) -> Answer:
        with self._our_errors():
            response = self._session.request(
                request.method,
                request.url,
                params=dict(request.parameters),
                headers={"User-Agent": "shipkeeper", **request.headers},
                timeout=(self._limits.connect.total_seconds(), self._limits.answer.total_seconds()),
                allow_redirects=False,
                stream=True,
            )
            with closing(response):
                body = b"" if request.method == "HEAD" else self._body(response, request.most_bytes)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status_code, headers=headers, body=body)

    def _body(self, response: requests.Response, most: int) -> bytes:
        body = bytearray()
        for piece in response.iter_content(_PIECE):
            body += piece
            if len(body) > most:
                raise RegistryError(
                    say(
                        "{where} answered with more than {most} bytes, which is no answer to what was asked. "
                        "Nothing was changed. See what really answers there.",
                        where=self._where,
                        most=most,
                    )
                )
        return bytes(body)

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise RegistryError(
                say(
                    "No safe connection to {where} can be made: {error}. Nothing was changed. If its "
                    "certificate is of an authority of your own, name that as `ca_file`; if it really speaks HTTP "
                    "without TLS, say `insecure_http = true`.",
                    where=self._where,
                    error=scrub(error),
                )
            ) from error
        except _BROKEN as error:
            raise RegistryError(
                say(
                    "{where} cannot be reached, or broke off: {error}. Nothing was changed. See whether it "
                    "runs, then type the command again.",
                    where=self._where,
                    error=scrub(error),
                ),
                reason=Reason.UNREACHABLE,
            ) from error


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        handle.shutdown(socket.SHUT_RDWR)
    handle.close()


class _Reported(HTTPConnection):
    """A connection that hands over its socket as soon as it is open, before anything is read from it."""

    def __init__(self, report: Callable[[socket.socket], None], *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._report = report

    def _new_conn(self) -> socket.socket:
        opened = super()._new_conn()
        self._report(opened)
        return opened


class _ReportedTls(_Reported, HTTPSConnection):
    """The same over TLS: the socket is the one below, so that a handshake can be cut, too."""


def _reported(report: Callable[[socket.socket], None]) -> HTTPAdapter:
    """An adapter whose connections are reported."""
    kinds = {
        "http": (urllib3.HTTPConnectionPool, _Reported),
        "https": (urllib3.HTTPSConnectionPool, _ReportedTls),
    }
    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": partial(connection, report)})
        for scheme, (pool, connection) in kinds.items()
    }
    return adapter
