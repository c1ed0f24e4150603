"""Asks a URL for as long as somebody beats, so that somebody outside notices when nobody does. It is a secret.

`beat` never waits: the URL is asked on a thread of its own, one request at a time, so a server that hangs delays
nothing but the next request. Must not know who beats.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

_log = logging.getLogger(__name__)

_LIMIT_SECONDS = 10.0
_REMINDED_SECONDS = 3600.0
_LAST_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What is asked, and how often; an empty URL is never asked."""

    url: str
    every_seconds: float

    def __repr__(self) -> str:
        return f"Pulse(url={_place(self.url)!r}, every_seconds={self.every_seconds})"


class Heartbeat:
    """`beat` it from the loop that is to be watched, as often as that turns."""

    def __init__(self, pulse: Pulse, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds that only grow."""
        self._pulse = pulse
        self._clock = clock
        self._sent_at: float | None = None
        self._failing_since: float | None = None
        self._logged_at = 0.0
        self._wanted = threading.Event()
        self._is_busy = False
        self._is_over = False
        self._thread: threading.Thread | None = None

    def replace(self, pulse: Pulse) -> None:
        """This counts from the next beat on."""
        self._pulse = pulse

    def beat(self) -> None:
        """The loop turns. When it is time, and no request is on its way, the URL is asked."""
        pulse, now = self._pulse, self._clock()
        is_early = self._sent_at is not None and now - self._sent_at < pulse.every_seconds
        if not pulse.url or is_early or self._is_busy or self._is_over:
            return
        self._sent_at, self._is_busy = now, True
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="heartbeat", daemon=True)
            self._thread.start()
        self._wanted.set()

    def stop(self) -> None:
        """Ask no more; a request that is on its way is not waited for. May be called twice."""
        self._is_over = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)

    def _send_all(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_over:
                return
            self._send(self._pulse.url)
            self._is_busy = False

    def _send(self, url: str) -> None:
        try:
            ask(url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._failed(url, error)
        else:
            if self._failing_since is not None:
                _log.warning("heartbeat: %s answers again", _place(url))
            self._failing_since = None

    def _failed(self, url: str, error: Exception) -> None:
        """Said at once, then once an hour. The error's own words may repeat the URL."""
        now = self._clock()
        if self._failing_since is None or now - self._logged_at >= _REMINDED_SECONDS:
            why = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else _reason(error)
            _log.error("heartbeat: %s cannot be reached (%s); it is tried again", _place(url), why)
            self._logged_at = now
        if self._failing_since is None:
            self._failing_since = now


def ask(url: str) -> None:
    """GET it, and let the answer's body be; raises OSError (of which HTTPError is one), HTTPException, ValueError."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if _is_here(url) else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _SameKind(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"User-Agent": "shipkeeper"})
    with opener.open(request, timeout=_LIMIT_SECONDS):
        pass


class _SameKind(urllib.request.HTTPRedirectHandler):
    """Follows redirects that stay as safe: never to a file, nor from https to http."""

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
    ) -> Any:
        """The answer from there; nothing where it leads astray, and then this answer is an error."""
        to = urlsplit(urljoin(req.full_url, headers.get("location", ""))).scheme
        if to == "https" or (to == "http" and req.type == "http"):
            return super().http_error_302(req, fp, code, msg, headers)
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _place(url: str) -> str:
    """The part that is no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/…" if url else ""


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    found = reason if isinstance(reason, Exception) else error
    return getattr(found, "strerror", None) or type(found).__name__


def _is_here(url: str) -> bool:
    """Whether it is this machine, which no proxy need be asked for."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
