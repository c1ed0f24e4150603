"""The door of the Web API: token, scope, rate limit, fault, method, log, answer.

Knows how every call is treated alike; what a method does stands in the methods_* modules.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.playground.arguments import ApiError, decode
from bot.playground.faults import Fault, FaultKind
from bot.playground.method import Method
from bot.playground.methods_chat import CHAT_METHODS
from bot.playground.methods_conversations import CONVERSATION_METHODS
from bot.playground.methods_files import FILE_METHODS
from bot.playground.methods_team import TEAM_METHODS
from bot.playground.methods_views import VIEW_METHODS
from bot.playground.records import ApiCall, Json
from bot.playground.server import reset_connection
from bot.playground.workspace import Workspace

METHODS: Final[dict[str, Method]] = {
    method.name: method
    for methods in (CHAT_METHODS, CONVERSATION_METHODS, FILE_METHODS, TEAM_METHODS, VIEW_METHODS)
    for method in methods
}


class WebApi:
    """Answers `POST /api/<method>`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def endpoint(self, request: Request) -> Response:
        """One call, with the fault that a test may have ordered for it."""
        name = request.path_params["method"]
        body = await request.body()
        fault = self._workspace.faults.take(name)
        if fault is not None and fault.kind is FaultKind.RESET_BEFORE_STORE:
            self._log(name, _readable(request.headers, body), 0, {"error": "reset before it was done"})
            reset_connection(request.scope)
            return Response()
        response = self._instead(name, fault, request.headers, body) if fault is not None else None
        if response is None:
            response = self._answer(name, request.headers, body, reset=_resets(fault))
        if fault is not None and fault.kind is FaultKind.RESET_AFTER_STORE:
            reset_connection(request.scope)
        elif fault is not None and fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
        return response

    def _instead(self, name: str, fault: Fault, headers: Headers, body: bytes) -> Response | None:
        """The answer of a fault that keeps the call from being done; None when it is done all the same."""
        args = _readable(headers, body)
        if fault.kind is FaultKind.STATUS:
            self._log(name, args, fault.code, {"error": f"fault {fault.code}"})
            return Response("the stand-in was told to fail", fault.code, media_type="text/plain")
        if fault.kind is FaultKind.ERROR:
            self._log(name, args, 200, {"error": fault.error_code})
            return JSONResponse({"ok": False, "error": fault.error_code})
        if fault.kind is FaultKind.RATE_LIMITED:
            method = METHODS.get(name)
            if method is not None:
                self._workspace.rates.penalise(method.tier, name, _channel(args), fault.seconds)
            self._log(name, args, 429, {"error": "ratelimited"})
            return _too_many(int(fault.seconds))
        return None

    def _answer(self, name: str, headers: Headers, body: bytes, *, reset: bool) -> Response:
        args: Json = {}
        response: Response
        status, scopes_wanted = 200, ""
        try:
            args = decode(headers.get("content-type", ""), body)
            method = METHODS.get(name)
            if method is None:
                raise ApiError("unknown_method", req_method=name)
            scopes_wanted = ",".join(method.scopes)
            self._authorise(method, headers, args)
            wait = self._workspace.rates.retry_after(method.tier, name, _channel(args))
            if wait:
                self._log(name, args, 429, {"error": "ratelimited"})
                return _too_many(wait)
            answer = {"ok": True, **method.run(self._workspace, args)}
        except ApiError as error:
            answer = {"ok": False, "error": error.code, **error.extra}
        response = JSONResponse(answer, status)
        response.headers["x-oauth-scopes"] = ",".join(sorted(self._workspace.scopes))
        response.headers["x-accepted-oauth-scopes"] = scopes_wanted
        response.headers["x-slack-req-id"] = secrets.token_hex(16)
        self._log(name, args, 0 if reset else status, answer)
        return response

    def _authorise(self, method: Method, headers: Headers, args: Json) -> None:
        """Raises ApiError for a missing, unknown or wrong kind of token, and for missing scopes."""
        given = headers.get("authorization", "").removeprefix("Bearer ").strip() or str(args.pop("token", ""))
        args.pop("token", None)
        credentials = self._workspace.credentials
        if not given:
            raise ApiError("not_authed")
        if given not in (credentials.bot_token, credentials.app_token):
            raise ApiError("invalid_auth")
        if (given == credentials.app_token) != method.app_level:
            raise ApiError("not_allowed_token_type")
        if method.app_level or not method.scopes or self._workspace.scopes.intersection(method.scopes):
            return
        provided = ",".join(sorted(self._workspace.scopes))
        raise ApiError("missing_scope", needed=method.scopes[0], provided=provided)

    def _log(self, name: str, args: Json, status: int, answer: Json) -> None:
        world = self._workspace.world
        world.log_call(ApiCall(method=name, args=args, at=world.clock(), status=status, answer=answer))


def _readable(headers: Headers, body: bytes) -> Json:
    """The arguments without the token; none when they cannot be read."""
    try:
        args = decode(headers.get("content-type", ""), body)
    except ApiError:
        return {}
    return {key: value for key, value in args.items() if key != "token"}


def _resets(fault: Fault | None) -> bool:
    return fault is not None and fault.kind is FaultKind.RESET_AFTER_STORE


def _channel(args: Json) -> str | None:
    channel = args.get("channel")
    return None if channel is None else str(channel)


def _too_many(seconds: int) -> Response:
    answer = {"ok": False, "error": "ratelimited"}
    return JSONResponse(answer, 429, headers={"Retry-After": str(seconds)})
