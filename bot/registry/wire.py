"""One HTTP exchange with a registry: limited in time and size, never following where it is sent, in our errors.

It must not know what is asked, nor who asks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import requests
import urllib3

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
    """`answer` is the longest silence; a whole answer may take three times that. `wait` grows threefold each time.

    Short, for nobody can be cancelled while he waits in here.
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
    """The connections of one asking. Takes no proxy, no `.netrc` and no authority from the environment."""

    def __init__(self, where: str, tls: Tls, limits: Limits) -> None:
        self._where = where
        self._limits = limits
        self._session = requests.Session()
        self._session.trust_env = False  # the environment's CA bundle would win over ca_file (engine fact 28)
        if tls.ca_file:
            self._session.verify = str(tls.ca_file)
        if tls.client_cert:
            self._session.cert = (str(tls.client_cert), str(tls.client_key or tls.client_cert))

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def send(self, request: Request) -> Answer:
        """One exchange; raises RegistryError, reason `unreachable`, when it breaks or takes too long."""
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
        deadline = time.monotonic() + 3 * self._limits.answer.total_seconds()
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
            if time.monotonic() > deadline:
                raise TimeoutError(say("the answer does not end"))
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
