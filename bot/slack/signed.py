"""Slack's signed HTTP requests: whether one is Slack's, and what it carries. Must not know who listens.

Nothing of a request is parsed before its signature fits. Facts: docs.slack.dev, "Verifying requests from Slack".
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from bot.slack.shapes import is_known, is_sound

_OLDEST_SECONDS = 300
_STAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_MOST_FIELDS = 100
_SSL_CHECK_BYTES = 1_000


class Refused(Exception):
    """A request that is turned away: with this status, for this reason, a word for the log and the metrics."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(f"{status.value} {why}")
        self.status = status
        self.why = why


def require_signature(secret: str, body: bytes, headers: Mapping[str, str], now: float) -> None:
    """Raise Refused unless Slack signed these very bytes within five minutes of `now`, in Unix seconds."""
    stamp = headers.get("x-slack-request-timestamp", "")
    given = headers.get("x-slack-signature", "")
    if not (_STAMP.fullmatch(stamp) and _SIGNATURE.fullmatch(given)):
        raise Refused(HTTPStatus.UNAUTHORIZED, "unsigned")
    if abs(now - int(stamp)) > _OLDEST_SECONDS:
        raise Refused(HTTPStatus.UNAUTHORIZED, "stale")
    made = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"v0={made}", given):
        raise Refused(HTTPStatus.UNAUTHORIZED, "forged")


def is_ssl_check(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether it is the check of our certificate, which Slack does not sign: there is nothing in it to be done."""
    if len(body) > _SSL_CHECK_BYTES or _type_of(headers) != _FORM:
        return False
    try:
        return dict(parse_qsl(body.decode("ascii"))).get("ssl_check") == "1"
    except ValueError:
        return False


def carried(body: bytes, headers: Mapping[str, str]) -> str:
    """The body as text, once what it carries is known to be sound; raises Refused."""
    kind = _type_of(headers)
    if kind not in (_FORM, _JSON):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type")
    try:
        text = body.decode("utf-8")
        payload = json.loads(text) if kind == _JSON else _in_form(text)
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed") from error
    if not is_known(payload):
        raise Refused(HTTPStatus.NOT_FOUND, "unknown")
    if not is_sound(payload):
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed")
    return text


def _type_of(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _in_form(text: str) -> Any:
    """What a form carries: an interaction as JSON in one field, or the fields themselves; just as Bolt reads it."""
    if text.startswith("{"):  # Bolt would take it for JSON
        raise ValueError("JSON that is called a form")
    form = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
    return json.loads(form["payload"]) if "payload" in form else form
