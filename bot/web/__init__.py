"""The web door: health, readiness, metrics and, without Socket Mode, Slack. Knows no room behind it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.metrics import Family
from bot.web.exposition import exposed
from bot.web.patience import PatientProtocol

_LARGEST_BODY = 1 << 20
_LET_FALL = 16 << 20
_FRESH_SECONDS = 1.0
_LAST_SECONDS = 2
"""What requests get that are not finished when the door closes: whoever sends half a body must not keep us."""

Checks = Callable[[], Mapping[str, bool]]
"""What must be true for the bot to be of use, by name."""

Counts = Callable[[], Mapping[str, Mapping[str, float]]]
"""Metrics: name to label value to number."""

Families = Callable[[], Iterable[Family]]
"""Metrics with labels of their own."""


class Answer(Protocol):
    """What a door for Slack gives back."""

    status: int
    body: str

    def first_headers_without_set_cookie(self) -> dict[str, str]:
        """Header names and values."""


class SlackDoor(Protocol):
    """Takes Slack's signed requests."""

    def answer(
        self, body: bytes, headers: Mapping[str, str], received: float
    ) -> tuple[Answer, Callable[[], None]]:
        """The answer, and what to call once it was sent; `received` is the monotonic time when it came in."""


def make_web(
    checks: Checks, counts: Counts, slack: SlackDoor | None, families: Families = tuple
) -> Starlette:
    """The ASGI application."""
    ready, figures = _Latest(checks), _Latest(lambda: exposed(counts, families))

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        found = dict(await ready.answer())
        return JSONResponse(found, status_code=200 if all(found.values()) else 503)

    async def metrics(_: Request) -> Response:
        return Response(await figures.answer(), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if slack is not None:
        routes.append(Route("/slack/events", _slack(slack), methods=["POST"]))
    return Starlette(routes=routes)


def _slack(door: SlackDoor) -> Callable[[Request], object]:
    async def events(request: Request) -> Response:
        received = time.monotonic()  # here, for it may wait until a thread is free
        body = await _body(request)
        if isinstance(body, Response):
            return body
        answer, sent = await run_in_threadpool(door.answer, body, dict(request.headers), received)

        async def told() -> (
            None
        ):  # here, for a thread would be free only after all who wait have been answered
            sent()

        # Starlette calls what comes after an answer even when nobody was there to take it.
        is_gone = await request.is_disconnected()
        return Response(
            answer.body,
            status_code=answer.status,
            headers=answer.first_headers_without_set_cookie(),
            background=None if is_gone else BackgroundTask(told),
        )

    return events


async def _body(request: Request) -> bytes | Response:
    """All of it, or the refusal where it is too large, whatever length was announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > _LARGEST_BODY:  # h11 takes 20 digits at most
        return _TooLarge(is_coming=True)
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return _refused(HTTPStatus.BAD_REQUEST)  # nobody is there to read it
        body += message.get("body", b"")
        is_coming = message.get("more_body", False)
        if len(body) > _LARGEST_BODY:
            return _TooLarge(is_coming=is_coming)
        if not is_coming:
            return bytes(body)


def _refused(status: HTTPStatus) -> Response:
    return JSONResponse({"error": status.phrase.lower()}, status_code=status)


class _TooLarge(Response):
    """Answers at once, then lets what is still coming fall: a socket closed on unread bytes takes the answer along."""

    def __init__(self, *, is_coming: bool) -> None:
        super().__init__(
            b'{"error": "too large"}', HTTPStatus.REQUEST_ENTITY_TOO_LARGE, media_type="application/json"
        )
        self._is_coming = is_coming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        left, is_coming = _LET_FALL, self._is_coming
        while is_coming and left > 0:
            message = await receive()
            is_coming = message.get("more_body", False)
            left -= len(message.get("body", b""))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Latest:
    """What is asked of the database for whoever looks in: at most once a second, however many look."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._asked_at = -_FRESH_SECONDS
        self._answer: Any = None

    async def answer(self) -> Any:
        """The newest answer."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                self._answer = await run_in_threadpool(self._ask)
                self._asked_at = time.monotonic()
            return self._answer


class WebServer:
    """Serves the application on a thread of its own."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,  # its lines go where the bot's go
            log_level="error",  # below that, uvicorn has a line for every odd request that anybody sends
            access_log=False,
            http=PatientProtocol,
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self, deadline_seconds: float = 10) -> None:
        """Listen; raises OSError when the address cannot be had."""
        self._thread.start()
        clock = threading.Event()
        for _ in range(int(deadline_seconds / 0.02)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            clock.wait(0.02)
        raise OSError("the web door cannot listen there")

    def stop(self) -> None:
        """Finish what is being answered, within seconds, and close. May be called twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
