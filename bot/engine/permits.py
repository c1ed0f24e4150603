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

_NO_JSON = b"{"
_DATES_TO = len("2026-11-27T18:04:56.123456")


@dataclass(frozen=True)
class _Try:
    """A call, as Docker's reference writes it; `{id}` is filled in with a name that nothing has.

    What a daemon would do whatever the name is, such as making a volume, is asked for in words that it cannot
    understand: it says 400 before it does anything.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    raw: bytes | None = None
    """Instead of JSON."""
    at: str = ""
    """The path that is asked, where that is another one."""


_TRIES = (
    _Try("GET", "/info"),
    _Try("GET", "/containers/json", {"limit": "1"}),
    _Try("GET", "/containers/{id}/json"),
    _Try("GET", "/containers/{id}/logs", {"stdout": "1"}),
    _Try("GET", "/containers/{id}/archive", {"path": "/"}),
    _Try("HEAD", "/containers/{id}/archive", {"path": "/"}),
    _Try("PUT", "/containers/{id}/archive", {"path": "/"}, raw=b""),
    _Try("POST", "/containers/create", {"name": "{id}"}, {"Image": "{id}"}),
    _Try("POST", "/containers/{id}/start"),
    _Try("POST", "/containers/{id}/stop"),
    _Try("POST", "/containers/{id}/kill"),
    _Try("POST", "/containers/{id}/pause"),
    _Try("POST", "/containers/{id}/unpause"),
    _Try("POST", "/containers/{id}/wait"),
    _Try("POST", "/containers/{id}/exec", body={"Cmd": ["{id}"]}),
    _Try("DELETE", "/containers/{id}"),
    _Try("POST", "/exec/{id}/start", body={}),
    _Try("GET", "/exec/{id}/json"),
    _Try("GET", "/volumes", {"filters": '{"name":["{id}"]}'}),
    _Try("GET", "/volumes/{id}"),
    _Try("POST", "/volumes/create", raw=_NO_JSON),
    _Try("DELETE", "/volumes/{id}"),
    _Try("GET", "/images/json", {"filters": '{"reference":["{id}"]}'}),
    _Try("GET", "/images/{id}/json"),
    _Try("POST", "/images/create", {"fromSrc": "nothing://{id}"}),
    _Try("POST", "/images/{id}/tag", {"repo": "{id}"}),
    _Try("POST", "/images/{id}/push", at="/images/NO-NAME/push"),
    _Try("DELETE", "/images/{id}"),
    _Try("POST", "/commit", {"container": "{id}"}),
    _Try("POST", "/build", {"ulimits": "no JSON {id}"}),
    _Try("GET", "/networks", {"filters": '{"name":["{id}"]}'}),
    _Try("POST", "/networks/{id}/connect", body={"Container": "{id}"}),
)
"""All that deploy's socket proxy lets through but GET /system/df, which takes long, and GET /version, without which
nothing is asked at all."""


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
    options: dict[str, Any] = {"params": _filled(one.parameters, nothing)}
    if one.body is not None:
        options["json"] = _filled(one.body, nothing)
    elif one.raw is not None:
        kind = "application/json" if one.raw else "application/x-tar"
        options |= {"data": one.raw, "headers": {"Content-Type": kind}}
    url = api._url(_filled(one.at or one.path, nothing))
    answer = api.request(one.method, url, timeout=api.timeout, allow_redirects=False, stream=True, **options)
    answer.close()
    return bool(answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED))


def _filled(held: Any, nothing: str) -> Any:
    """The same with the name that nothing has."""
    if isinstance(held, str):
        return held.replace("{id}", nothing)
    if isinstance(held, Mapping):
        return {name: _filled(value, nothing) for name, value in held.items()}
    return [_filled(value, nothing) for value in held]


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
