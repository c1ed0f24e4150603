"""The stand-in's one ASGI application: Web API, sockets, response URLs, files and the chat page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.playground.answers import Answers
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
    workspace = doors.workspace

    async def upload(request: Request) -> Response:
        file = workspace.files.get(request.path_params["file"])
        content = await request.body()
        if file is None or file.secret != request.path_params["secret"]:
            return PlainTextResponse("no such upload", 404)
        if len(content) != file.length:
            return PlainTextResponse("the length differs from the announced one", 400)
        workspace.files.receive(file, content)
        return PlainTextResponse(f"OK - {file.length}")

    async def download(request: Request) -> Response:
        """A file's bytes; without a good token the login page with status 200, as Slack does."""
        file = workspace.files.get(request.path_params["file"])
        if file is None or file.content is None:
            return PlainTextResponse("not found", 404)
        good = request.headers.get("authorization") == f"Bearer {workspace.credentials.bot_token}"
        if not good or "files:read" not in workspace.scopes:
            return HTMLResponse("<!DOCTYPE html><title>Sign in</title>")
        return Response(file.content, media_type="application/octet-stream")

    return Starlette(
        routes=[
            Route("/api/{method}", doors.api.endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/link/", doors.hub.endpoint),
            Route("/commands/{rest:path}", doors.answers.endpoint, methods=["POST"]),
            Route("/actions/{rest:path}", doors.answers.endpoint, methods=["POST"]),
            Route("/upload/{file}/{secret}", upload, methods=["POST"]),
            Route("/files/{file}/{name}", download),
            *doors.page.routes(),
        ],
        middleware=[Middleware(LoopbackOnly)],
    )
