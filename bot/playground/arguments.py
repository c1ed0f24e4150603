"""Arguments of a Web API call and the refusals they can lead to.

Reads JSON and form bodies alike (form fields may hold JSON text); knows no method.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl

from bot.playground.records import Json

_NESTED: Final = ("blocks", "attachments", "metadata", "view", "files", "unfurls")


class ApiError(Exception):
    """Slack answers `ok: false` with this code; `extra` joins the answer."""

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra


def invalid(code: str, problems: list[str]) -> ApiError:
    """A refusal with its details in `response_metadata.messages`."""
    return ApiError(code, response_metadata={"messages": problems})


def decode(content_type: str, body: bytes) -> Json:
    """The arguments in a request body; an empty body is none at all. Raises ApiError `invalid_json`."""
    if not body.strip():
        return {}
    if content_type.startswith("application/json"):
        try:
            decoded = json.loads(body)
        except ValueError as error:
            raise ApiError("invalid_json") from error
        if not isinstance(decoded, dict):
            raise ApiError("json_not_object")
        return _unfold(decoded)
    return _unfold(dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))


def _unfold(args: Json) -> Json:
    """Turn JSON text in the fields that hold structures into the structures."""
    for key in _NESTED:
        value = args.get(key)
        if isinstance(value, str) and value.strip():
            try:
                args[key] = json.loads(value)
            except ValueError as error:
                raise ApiError(f"invalid_{key}_format" if key == "blocks" else "invalid_arguments") from error
    return args


def need(args: Json, name: str) -> str:
    """A required argument as text. Raises ApiError `invalid_arguments`."""
    value = args.get(name)
    if value is None or value == "":
        raise invalid("invalid_arguments", [f"[ERROR] missing required field: {name}"])
    return str(value)


def flag(args: Json, name: str) -> bool:
    """A boolean argument, in any of the spellings of JSON and forms."""
    return args.get(name) in (True, 1, "1", "true", "True")


def number(args: Json, name: str, default: int) -> int:
    """A whole number; the default when it is missing. Raises ApiError `invalid_arguments`."""
    try:
        return int(args.get(name) or default)
    except (TypeError, ValueError) as error:
        raise invalid("invalid_arguments", [f"[ERROR] must be a number [json-pointer:/{name}]"]) from error
