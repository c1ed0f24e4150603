"""Where the bytes of files go in and come out, beside the Web API: the upload's second step, and the download."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.playground.faults import FaultKind
from bot.playground.server import reset_connection
from bot.playground.workspace import Workspace

UPLOAD: Final = "upload"
"""The name that faults of the second step are ordered under."""


class FileDoors:
    """The two doors, over a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/upload/{file}/{secret}", self.upload, methods=["POST", "PUT"]),
            Route("/files/{file}/{name}", self.download),
        ]

    async def upload(self, request: Request) -> Response:
        """Take the bytes of an announced file, with the fault that a test may have ordered."""
        fault = self._workspace.faults.take(UPLOAD)
        if fault is not None and fault.kind is FaultKind.RESET_BEFORE_STORE:
            reset_connection(request.scope)
            return Response()
        if fault is not None and fault.kind in (FaultKind.STATUS, FaultKind.RATE_LIMITED):
            headers = {"Retry-After": str(int(fault.seconds))} if fault.seconds else None
            return PlainTextResponse("the stand-in was told to fail", fault.code or 429, headers)
        answer = await self._take(request)
        if fault is not None and fault.kind is FaultKind.RESET_AFTER_STORE:
            reset_connection(request.scope)
        return answer

    async def _take(self, request: Request) -> Response:
        files = self._workspace.files
        file = files.get(request.path_params["file"])
        content = await request.body()
        if file is None or file.secret != request.path_params["secret"]:
            return PlainTextResponse("no such upload", 404)
        if len(content) != file.length:
            return PlainTextResponse("the length differs from the announced one", 400)
        files.receive(file, content)
        return PlainTextResponse(f"OK - {file.length}")

    async def download(self, request: Request) -> Response:
        """A file's bytes; without a good token the login page with status 200, as Slack does."""
        workspace = self._workspace
        file = workspace.files.get(request.path_params["file"])
        if file is None or file.content is None:
            return PlainTextResponse("not found", 404)
        good = request.headers.get("authorization") == f"Bearer {workspace.credentials.bot_token}"
        if not good or "files:read" not in workspace.scopes:
            return HTMLResponse("<!DOCTYPE html><title>Sign in</title>")
        return Response(file.content, media_type="application/octet-stream")
