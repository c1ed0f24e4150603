"""What is turned away at Slack's doors: counted by reason, and said in the log once a minute."""

from __future__ import annotations

import json
import logging
import time
from http import HTTPStatus
from urllib.parse import urlencode

import pytest

from bot.playground import Signature
from bot.playground.http_delivery import signature_headers
from bot.slack.refusals import Refusals
from bot.slack.signed import Refused, carried, is_ssl_check, require_signature

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EXAMPLE = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
"""The example of Slack's page "Verifying requests from Slack", with its secret, time and signature."""
SIGNED = {
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "content-type": "application/x-www-form-urlencoded",
}


def test_a_flood_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Ten thousand refusals are counted, and told in the first line and in one a minute later."""
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(10_000):
            refusals.note("forged")
        now[0] += 61
        refusals.note("stale")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(": ")[2] for line in lines] == ["1 forged", "9999 forged, 1 stale"]
    assert refusals.counts() == {"forged": 10_000.0, "stale": 1.0}


def test_slacks_own_example_is_accepted() -> None:
    """The request that Slack's documentation shows fits its signature, at that time and no other."""
    require_signature(SECRET, EXAMPLE, SIGNED, 1531420618)
    assert carried(EXAMPLE, SIGNED) == EXAMPLE.decode()
    for moment in (1531420618 + 301, 1531420618 - 301, time.time()):
        with pytest.raises(Refused, match="401 stale"):
            require_signature(SECRET, EXAMPLE, SIGNED, moment)
    for secret, body in ((SECRET[1:], EXAMPLE), (SECRET, EXAMPLE + b"&"), (SECRET, b"")):
        with pytest.raises(Refused, match="401 forged"):
            require_signature(secret, body, SIGNED, 1531420618)


def test_a_signature_is_for_the_bytes_as_they_came() -> None:
    """Bytes that are no text are signed like others, and two that would be read alike are not the same."""
    signed = {k.lower(): v for k, v in signature_headers(SECRET, b"\xff", Signature.GOOD).items()}
    require_signature(SECRET, b"\xff", signed, time.time())
    with pytest.raises(Refused, match="forged"):
        require_signature(SECRET, "\ufffd".encode(), signed, time.time())


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", HTTPStatus.NOT_FOUND),
        (b'{"type": "view_closed"}', "application/json", HTTPStatus.NOT_FOUND),
        (b'{"type": "url_verification"}', "application/json", HTTPStatus.BAD_REQUEST),
        (b'{"type": "url_verification", "challenge": "x"}', "Application/JSON; charset=utf-8", HTTPStatus.OK),
        (b"command=%2Fx", "application/x-www-form-urlencoded", HTTPStatus.BAD_REQUEST),
        (b"{", "application/json", HTTPStatus.BAD_REQUEST),
        (b"\xff", "application/json", HTTPStatus.BAD_REQUEST),
        (b"{}", "application/x-www-form-urlencoded", HTTPStatus.BAD_REQUEST),
        (b"{}", "text/json", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        (b"{}", "", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ],
)
def test_what_is_carried_is_known_and_sound(body: bytes, content_type: str, status: HTTPStatus) -> None:
    """Each sort of wrong has its status; what is sound comes back as text."""
    if status is HTTPStatus.OK:
        assert json.loads(carried(body, {"content-type": content_type}))
        return
    with pytest.raises(Refused) as refused:
        carried(body, {"content-type": content_type})
    assert refused.value.status is status


def test_only_a_small_form_is_the_check_of_the_certificate() -> None:
    """It comes unsigned, so it must be nothing but that."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert is_ssl_check(urlencode({"ssl_check": "1", "token": "x"}).encode(), headers)
    for body in (b"ssl_check=2", b"", b"\xff", b"ssl_check=1&x=" + b"y" * 2_000):
        assert not is_ssl_check(body, headers)
    assert not is_ssl_check(b"ssl_check=1", {"content-type": "application/json"})
