"""The stand-in's one ASGI application: Web API, sockets, response URLs, files and the chat page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.playground.answers import Answers
from bot.playground.file_doors import FileDoors
from bot.playground.page import Page, local_host
from bot.playground.sockets import SocketHub
from bot.playground.webapi import WebApi
from bot.playground.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What answers behind the routes."""

    workspace: Workspace
    api: WebApi
    hub: SocketHub
    answers: Answers
    page: Page


class LoopbackOnly:
    """Refuses HTTP requests for any other host name, so that a rebound domain cannot reach the stand-in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        if scope["type"] == "http" and not local_host(Request(scope)):
            refusal = PlainTextResponse("The playground answers on 127.0.0.1 and localhost only.", 421)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def application(doors: Doors) -> Starlette:
    """The application with all routes."""
    return Starlette(
        routes=[
            Route("/api/{method}", doors.api.endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/link/", doors.hub.endpoint),
            Route("/commands/{rest:path}", doors.answers.endpoint, methods=["POST"]),
            Route("/actions/{rest:path}", doors.answers.endpoint, methods=["POST"]),
            *FileDoors(doors.workspace).routes(),
            *doors.page.routes(),
        ],
        middleware=[Middleware(LoopbackOnly)],
    )
