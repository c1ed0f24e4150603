"""Delivery by signed HTTP POST, as to an app without Socket Mode, and forged variants of it.

Signing follows docs.slack.dev/authentication/verifying-requests-from-slack. Knows nothing of sockets.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode

from bot.playground.records import Delivery, Json

ACK_SECONDS: Final = 3.0
STALE_SECONDS: Final = 301
FORM: Final = "application/x-www-form-urlencoded"


class Signature(Enum):
    """How a request is signed."""

    GOOD = "good"
    WRONG = "wrong"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class HttpAnswer:
    """What the bot answered; `status` 0 means there was no answer, `timed_out` that it came too late."""

    status: int
    body: str = ""
    timed_out: bool = False

    def payload(self) -> Any:
        """The body as an ack payload: JSON, plain text, or None when it is empty."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return {"text": self.body}


class HttpCourier:
    """Posts to the bot's request URL."""

    def __init__(self, signing_secret: str) -> None:
        self._secret = signing_secret
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def deliver(
        self, url: str, delivery: Delivery, signature: Signature = Signature.GOOD, retry: int = 0
    ) -> HttpAnswer:
        """Post a delivery once; events are JSON, the rest forms. Only events carry retry headers."""
        body, content_type = encode(delivery)
        extra: dict[str, str] = {}
        if retry and delivery.envelope_type == "events_api":
            extra = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        return self.post(url, body, {"Content-Type": content_type, **extra}, signature)

    def verify_url(self, url: str, challenge: str) -> HttpAnswer:
        """Ask the bot to prove that the URL is its own, as when a request URL is entered in the settings."""
        body = json.dumps({"type": "url_verification", "token": "not-for-trust", "challenge": challenge})
        return self.post(url, body.encode(), {"Content-Type": "application/json"}, Signature.GOOD)

    def check_ssl(self, url: str) -> HttpAnswer:
        """Slack's occasional certificate check; it is not signed."""
        body = urlencode({"ssl_check": "1", "token": "not-for-trust"}).encode()
        return self.post(url, body, {"Content-Type": FORM}, Signature.MISSING)

    def post(self, url: str, body: bytes, headers: dict[str, str], signature: Signature) -> HttpAnswer:
        """Post a body with the wanted signature and wait up to three seconds."""
        signed = headers | signature_headers(self._secret, body, signature)
        request = urllib.request.Request(url, data=body, headers=signed, method="POST")
        try:
            with self._opener.open(request, timeout=ACK_SECONDS) as answer:
                return HttpAnswer(answer.status, answer.read().decode("utf-8", "replace"))
        except urllib.error.HTTPError as error:
            return HttpAnswer(error.code, error.read().decode("utf-8", "replace"))
        except TimeoutError:
            return HttpAnswer(0, timed_out=True)
        except urllib.error.URLError as error:
            return HttpAnswer(0, timed_out=isinstance(error.reason, TimeoutError))
        except (OSError, HTTPException):
            return HttpAnswer(0)


def encode(delivery: Delivery) -> tuple[bytes, str]:
    """The body and content type of a delivery in HTTP mode."""
    if delivery.envelope_type == "events_api":
        return json.dumps(delivery.payload).encode(), "application/json"
    fields: Json = delivery.payload
    if delivery.envelope_type == "interactive":
        fields = {"payload": json.dumps(delivery.payload)}
    return urlencode(fields).encode(), FORM


def signature_headers(secret: str, body: bytes, signature: Signature) -> dict[str, str]:
    """The signature headers for a body; forged ones are as asked."""
    if signature is Signature.MISSING:
        return {}
    stamp = int(time.time()) - (STALE_SECONDS if signature is Signature.STALE else 0)
    key = secret if signature is not Signature.WRONG else secret[::-1] + "0"
    digest = hmac.new(key.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(stamp), "X-Slack-Signature": f"v0={digest}"}
