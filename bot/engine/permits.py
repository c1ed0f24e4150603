"""Finds out which of the bot's calls somebody before the daemon forbids, and how its own things stand there.

Every call is about a name of 128 random bits that nothing has: the daemon says 404, whoever forbids it says 403
(docker-socket-proxy, HAProxy, authorisation plugins). It must not know what the calls are needed for.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from bot.engine.inventory_contract import HostExamined
from bot.engine.tools_image import REPOSITORY
from bot.engine.witness import only_trying

_TAR = {"Content-Type": "application/x-tar"}
_DATES_TO = len("2026-11-27T18:04:56.123456")


@dataclass(frozen=True)
class _Try:
    """A call, as Docker's reference writes it; `{id}` is filled in with a name that nothing has."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] | None = None


_TRIES = (
    _Try("GET", "/info"),
    _Try("GET", "/containers/json", {"limit": "1"}),
    _Try("GET", "/containers/{id}/json"),
    _Try("GET", "/containers/{id}/logs", {"stdout": "1"}),
    _Try("GET", "/containers/{id}/archive", {"path": "/"}),
    _Try("HEAD", "/containers/{id}/archive", {"path": "/"}),
    _Try("PUT", "/containers/{id}/archive", {"path": "/"}),
    _Try("POST", "/containers/create", {"name": "{id}"}, {"Image": "{id}"}),
    _Try("POST", "/containers/{id}/start"),
    _Try("POST", "/containers/{id}/stop"),
    _Try("POST", "/containers/{id}/pause"),
    _Try("POST", "/containers/{id}/unpause"),
    _Try("POST", "/containers/{id}/exec", {}, {"Cmd": "{id}"}),
    _Try("DELETE", "/containers/{id}"),
    _Try("POST", "/exec/{id}/start", {}, {}),
    _Try("GET", "/exec/{id}/json"),
    _Try("GET", "/volumes"),
    _Try("GET", "/volumes/{id}"),
    _Try("DELETE", "/volumes/{id}"),
    _Try("GET", "/images/json", {"filters": '{"reference":["{id}"]}'}),
    _Try("GET", "/images/{id}/json"),
    _Try("POST", "/images/{id}/tag", {"repo": "{id}"}),
    _Try("DELETE", "/images/{id}"),
    _Try("POST", "/commit", {"container": "{id}"}),
)
"""Left out is what a daemon would do, or ask somebody else for, whatever the name is: making volumes, importing,
pulling, pushing and building."""


def examined(api: Any) -> HostExamined:
    """What a connected client finds out; raises the SDK's errors."""
    version = api.version()
    nothing = uuid.uuid4().hex
    with only_trying():
        forbidden = tuple(f"{one.method} {one.path}" for one in _TRIES if _is_forbidden(api, one, nothing))
    return HostExamined(
        version=str(version["Version"]),
        api_version=str(version["ApiVersion"]),
        at=None if "GET /info" in forbidden else _clock(api.info()),
        forbidden=forbidden,
        has_images="GET /images/json" not in forbidden and bool(api.images(name=REPOSITORY)),
    )


def _is_forbidden(api: Any, one: _Try, nothing: str) -> bool:
    options: dict[str, Any] = {
        "params": {name: _filled(text, nothing) for name, text in one.parameters.items()}
    }
    if one.body is not None:
        options["json"] = {
            name: [_filled(text, nothing)] if name == "Cmd" else _filled(text, nothing)
            for name, text in one.body.items()
        }
    elif one.method == "PUT":
        options |= {"data": b"", "headers": _TAR}
    answer = api.request(
        one.method,
        api._url(_filled(one.path, nothing)),
        timeout=api.timeout,
        allow_redirects=False,
        **options,
    )
    answer.close()
    return bool(answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED))


def _filled(text: str, nothing: str) -> str:
    return text.replace("{id}", nothing)


def _clock(info: Mapping[str, Any]) -> datetime | None:
    """`SystemTime` of GET /info, RFC 3339 with nanoseconds and the offset of the host's own zone."""
    text = str(info.get("SystemTime") or "")
    moment, offset = text[:_DATES_TO], ""
    for sign in ("Z", "+", "-"):
        at = text.find(sign, len("2026-11-27T"))
        if at > 0:
            moment, offset = text[:at][:_DATES_TO], text[at:]
            break
    try:
        found = datetime.fromisoformat(moment + offset)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
