"""Signed HTTP: what is not Slack's is turned away and leaves no trace; what is Slack's is understood."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from bot.model import Status
from bot.playground import Channel, Delivery, Signature
from bot.playground.http_delivery import FORM, encode, signature_headers
from tests.slack.reading import words_of
from tests.slack.workplace import BOT_USER, Workplace

pytestmark = [pytest.mark.slack, pytest.mark.parametrize("closed", ["http"], indirect=True)]


def typed(work: Workplace) -> Delivery:
    """A command as Slack would send it, that was not sent yet."""
    url, work.playground.request_url = work.playground.request_url, None
    delivery = work.playground.slash("/backup", "pgdata")
    work.playground.request_url = url
    return delivery


def post(work: Workplace, body: bytes, headers: dict[str, str]) -> int:
    """The status that a request with exactly these headers gets."""
    url = work.playground.request_url
    assert url is not None
    return work.playground.courier.post(url, body, headers, Signature.MISSING).status


@pytest.mark.parametrize("signature", [Signature.WRONG, Signature.STALE, Signature.MISSING])
def test_a_forged_request_is_turned_away(work: Workplace, signature: Signature) -> None:
    """A wrong, old or missing signature gets 401, and nothing is stored."""
    delivery = typed(work)
    assert work.playground.deliver_http(delivery, signature=signature).status == 401
    assert not work.runs()
    assert work.playground.deliver_http(delivery).status == 200
    work.told(delivery, Status.SUCCEEDED)


def test_a_timestamp_that_is_no_time_is_turned_away(work: Workplace) -> None:
    """Whatever stands where the seconds belong, the answer is 401 and nothing is stored."""
    body, content_type = encode(typed(work))
    signed = signature_headers(work.playground.signing_secret, body, Signature.GOOD)
    for stamp in ("soon", "", "-5", "1e9", "12.5", "²", "9" * 20, "nan"):
        headers = {**signed, "Content-Type": content_type, "X-Slack-Request-Timestamp": stamp}
        assert post(work, body, headers) == 401, stamp
    assert not work.runs()


@pytest.mark.parametrize("missing", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
def test_a_request_with_half_a_signature_is_turned_away(work: Workplace, missing: str) -> None:
    """Either header alone is worth nothing."""
    body, content_type = encode(typed(work))
    headers = signature_headers(work.playground.signing_secret, body, Signature.GOOD)
    del headers[missing]
    assert post(work, body, {**headers, "Content-Type": content_type}) == 401
    assert not work.runs()


def test_a_changed_body_is_turned_away(work: Workplace) -> None:
    """A signature is good for the bytes it was made for, and for no others."""
    body, content_type = encode(typed(work))
    headers = signature_headers(work.playground.signing_secret, body, Signature.GOOD)
    assert post(work, body + b"&x=1", {**headers, "Content-Type": content_type}) == 401
    assert not work.runs()


def test_the_word_payload_may_occur_in_a_command(work: Workplace) -> None:
    """Bolt takes such a form for an interactive request; the bot does not."""
    work.engine.add_volume("payload-api", {"file": b"x"})
    work.playground.add_channel(
        Channel(id="C0PAYLOAD", name="payload", members=frozenset({"U0ANN", BOT_USER}))
    )
    text = work.told(work.slash("/backup", "payload-api"), Status.SUCCEEDED)
    named = work.told(work.slash("/docker", "whoami", channel="C0PAYLOAD"), Status.SUCCEEDED)
    assert "payload-api" in words_of(text)
    assert named.channel == "C0PAYLOAD"


def test_a_body_with_payload_needs_its_signature_all_the_same(work: Workplace) -> None:
    """The second reading of a form is no way around the signature."""
    url, work.playground.request_url = work.playground.request_url, None
    delivery = work.playground.slash("/docker", "help payload")
    work.playground.request_url = url
    assert work.playground.deliver_http(delivery, signature=Signature.WRONG).status == 401
    assert not work.runs()


def test_slack_may_check_the_address(work: Workplace) -> None:
    """The certificate check gets 200, and the challenge comes back."""
    url = work.playground.request_url
    assert url is not None
    assert work.playground.courier.check_ssl(url).status == 200
    answer = work.playground.courier.verify_url(url, "3eZbrw1a")
    assert (answer.status, "3eZbrw1a" in answer.body) == (200, True)
    assert not work.runs()


def test_an_unsigned_command_with_ssl_check_in_it_does_nothing(work: Workplace) -> None:
    """The certificate check is answered unsigned, so nothing that rides on it may be carried out."""
    body, _ = encode(typed(work))
    post(work, body + b"&ssl_check=1", {"Content-Type": FORM})
    assert not work.runs()


def test_a_body_that_is_too_large_is_turned_away(work: Workplace) -> None:
    """More than a megabyte gets 413, whether its length is announced or not."""
    assert post(work, b"x" * ((1 << 20) + 1), {"Content-Type": FORM}) == 413
    connection = http.client.HTTPConnection("127.0.0.1", work.port, timeout=10)
    pieces = (b"x" * 65_536 for _ in range(40))
    connection.request("POST", "/slack/events", pieces, {"Content-Type": FORM}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_health_readiness_and_metrics_are_served(work: Workplace) -> None:
    """The web door says that the bot is alive, that it is ready, and how many runs there were."""
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    said = {}
    for path in ("/healthz", "/readyz", "/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", work.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        said[path] = answer.read().decode()
        assert answer.status == 200
        connection.close()
    ready = {"database": True, "slack": True, "queue": True, "scheduler": True, "alarms": True}
    assert json.loads(said["/readyz"]) == ready
    assert 'shipkeeper_runs{kind="succeeded"} 1.0' in said["/metrics"]


def test_a_request_from_the_future_is_turned_away(work: Workplace) -> None:
    """Five minutes ahead is as bad as five minutes ago."""
    body, content_type = encode(typed(work))
    headers = signature_headers(work.playground.signing_secret, body, Signature.GOOD)
    headers["X-Slack-Request-Timestamp"] = str(int(time.time()) + 400)
    assert post(work, body, {**headers, "Content-Type": content_type}) == 401
