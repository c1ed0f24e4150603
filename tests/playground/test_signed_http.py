"""HTTP mode: signed requests against Bolt's own verification, served by a tiny server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playground_wire import bolt_app, button, client_of
from slack_bolt import App, BoltRequest

from bot.playground import Playground, Signature

pytestmark = pytest.mark.slack


def _handler(app: App, retries: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            retries.append(self.headers.get("X-Slack-Retry-Num", "none"))
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): [value] for name, value in self.headers.items()}
            answer = app.dispatch(BoltRequest(body=body, headers=headers))
            self.send_response(answer.status)
            content = answer.body.encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def retries() -> list[str]:
    """The X-Slack-Retry-Num of each request, "none" where there was none."""
    return []


@pytest.fixture
def heard(playground: Playground, retries: list[str]) -> Iterator[list[str]]:
    """What a Bolt app in HTTP mode heard; the playground's request URL points at it."""
    notes: list[str] = []
    handler = _handler(bolt_app(playground, notes), retries)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        playground.request_url = f"http://127.0.0.1:{server.server_port}/slack/events"
        yield notes
        server.shutdown()
        thread.join(5)


def test_commands_mentions_and_clicks_arrive_signed(playground: Playground, heard: list[str]) -> None:
    """All three kinds pass Bolt's signature check, and the ack's text is shown."""
    command = playground.slash("/echo", "a b & c")
    playground.wait_for(lambda: command.acked_at)
    assert playground.world.messages("C0OPS")[0].text == "got a b & c"
    mention = playground.mention("hi")
    playground.wait_for(lambda: mention.acked_at)
    blocks = [{"type": "actions", "elements": [button()]}]
    posted = client_of(playground).chat_postMessage(channel="C0OPS", text="x", blocks=blocks)
    message = playground.world.message("C0OPS", posted["ts"])
    assert message is not None
    press = playground.press(message, "Go")
    playground.wait_for(lambda: press.acked_at)
    playground.wait_for(lambda: sorted(heard) == ["<@U0BOT> hi", "a b & c", "one"])


@pytest.mark.parametrize("signature", [Signature.WRONG, Signature.STALE, Signature.MISSING])
def test_forged_requests_are_turned_away(
    playground: Playground, heard: list[str], signature: Signature
) -> None:
    """A wrong, stale or missing signature gets 401 and reaches no listener."""
    playground.request_url, url = None, playground.request_url
    delivery = playground.slash("/echo", "forged")
    playground.request_url = url
    answer = playground.deliver_http(delivery, signature=signature)
    assert answer.status == 401
    assert heard == []
    assert delivery.acked_at is None
    assert playground.deliver_http(delivery).status == 200
    assert heard == ["forged"]


def test_slacks_own_questions_are_answered(playground: Playground, heard: list[str]) -> None:
    """url_verification and ssl_check get their answers without reaching a listener."""
    assert playground.request_url is not None
    verified = playground.courier.verify_url(playground.request_url, "abc")
    assert (verified.status, verified.payload()["challenge"]) == (200, "abc")
    assert playground.courier.check_ssl(playground.request_url).status == 200
    assert heard == []


def test_nobody_listening_is_a_failed_dispatch(playground: Playground, heard: list[str]) -> None:
    """An unknown command (404) and a closed port both show dispatch_failed."""
    unknown = playground.slash("/unknown")
    playground.wait_for(lambda: unknown.error)
    playground.request_url = "http://127.0.0.1:9/slack/events"
    refused = playground.slash("/echo", "x")
    playground.wait_for(lambda: refused.error)
    assert (unknown.error, refused.error) == ("dispatch_failed", "dispatch_failed")
    assert heard == []


def test_a_repeated_event_comes_with_retry_headers(
    playground: Playground, heard: list[str], retries: list[str]
) -> None:
    """redeliver posts again: an event says which repeat it is, a command does not."""
    delivery = playground.mention("again")
    playground.wait_for(lambda: delivery.acked_at)
    playground.redeliver(delivery)
    playground.wait_for(lambda: len(heard) == 2)
    command = playground.slash("/echo", "x")
    playground.wait_for(lambda: command.acked_at)
    playground.redeliver(command)
    playground.wait_for(lambda: heard.count("x") == 2)
    assert delivery.attempts == command.attempts == 2
    assert retries == ["none", "1", "none", "none"]
