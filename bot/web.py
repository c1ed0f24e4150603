"""The web door: health, readiness, metrics and, without Socket Mode, Slack. Knows no room behind it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_LARGEST_BODY = 1 << 20
_LAST_SECONDS = 2
"""What requests get that are not finished when the door closes: whoever sends half a body must not keep us."""

Checks = Callable[[], Mapping[str, bool]]
"""What must be true for the bot to be of use, by name."""

Counts = Callable[[], Mapping[str, Mapping[str, float]]]
"""Metrics: name to label value to number."""


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


def make_web(checks: Checks, counts: Counts, slack: SlackDoor | None) -> Starlette:
    """The ASGI application."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        found = dict(await run_in_threadpool(checks))
        return JSONResponse(found, status_code=200 if all(found.values()) else 503)

    async def metrics(_: Request) -> Response:
        registry = CollectorRegistry()
        registry.register(_Gauges(counts))
        text = await run_in_threadpool(generate_latest, registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if slack is not None:
        routes.append(Route("/slack/events", _slack(slack), methods=["POST"]))
    return Starlette(routes=routes)


def _slack(door: SlackDoor) -> Callable[[Request], object]:
    async def events(request: Request) -> Response:
        received = time.monotonic()  # here, for it may wait until a thread is free
        body = bytearray()
        async for piece in request.stream():  # a length may be announced wrongly, or not at all
            body += piece
            if len(body) > _LARGEST_BODY:
                return Response(json.dumps({"error": "too large"}), status_code=413)
        answer, sent = await run_in_threadpool(door.answer, bytes(body), dict(request.headers), received)
        return Response(
            answer.body,
            status_code=answer.status,
            headers=answer.first_headers_without_set_cookie(),
            background=BackgroundTask(sent),
        )

    return events


class _Gauges(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Count at the moment of the scrape, so that nothing can drift from the database."""
        for name, by_label in self._counts().items():
            family = GaugeMetricFamily(f"shipkeeper_{name}", name.replace("_", " "), labels=["kind"])
            for label, number in by_label.items():
                family.add_metric([label], number)
            yield family


class WebServer:
    """Serves the application on a thread of its own."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            ws="none",
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
