"""The web door: alive, ready, and numbers that a scraper can read."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from starlette.types import Message

from bot.web import WebServer, make_web
from tests.support.house import wait_for


class _Answer:
    status = 202
    body = '{"ok": true}'

    def first_headers_without_set_cookie(self) -> dict[str, str]:
        return {"content-type": "application/json", "x-from": "slack"}


class _Door:
    """A door for Slack that remembers what came in, and whether its answer was sent."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, dict[str, str]]] = []
        self.sent = threading.Event()
        self.received: list[float] = []
        self.open = threading.Event()
        self.open.set()

    def answer(
        self, body: bytes, headers: Mapping[str, str], received: float
    ) -> tuple[_Answer, Callable[[], None]]:
        self.came.append((body, dict(headers)))
        self.received.append(received)
        self.open.wait(10)
        return _Answer(), self.sent.set


def _client(
    checks: Mapping[str, bool] | None = None,
    counts: Mapping[str, Mapping[str, float]] | None = None,
    door: _Door | None = None,
) -> TestClient:
    return TestClient(make_web(lambda: checks or {}, lambda: counts or {}, door))


def test_alive() -> None:
    """While the process answers it is alive, ready or not."""
    answer = _client({"database": False}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_ready() -> None:
    """With everything that it needs the bot is ready."""
    answer = _client({"database": True, "slack": True}).get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"database": True, "slack": True})


def test_not_ready() -> None:
    """When one thing is missing it is not ready, and says which."""
    answer = _client({"database": True, "slack": False}).get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": True, "slack": False})


def test_metrics_can_be_parsed() -> None:
    """Metrics are Prometheus text, prefixed with our name, a label for each kind."""
    answer = _client(counts={"runs": {"queued": 2, "failed": 1}, "ready": {"slack": 0.0}}).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, sample.labels["kind"]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found == {
        ("shipkeeper_runs", "queued"): 2.0,
        ("shipkeeper_runs", "failed"): 1.0,
        ("shipkeeper_ready", "slack"): 0.0,
    }


def test_slack_has_no_door_in_socket_mode() -> None:
    """Without a door for Slack there is nothing at its address."""
    assert _client().post("/slack/events", content=b"x").status_code == 404


def test_slack_comes_in_as_it_was_sent() -> None:
    """Slack's body and headers reach the door byte by byte, its answer goes back, and then it is told so."""
    door = _Door()
    answer = _client(door=door).post(
        "/slack/events", content=b"a=%00\xff", headers={"x-slack-signature": "v0"}
    )
    assert (answer.status_code, answer.json(), answer.headers["x-from"]) == (202, {"ok": True}, "slack")
    (came,) = door.came
    assert came[0] == b"a=%00\xff"
    assert came[1]["x-slack-signature"] == "v0"
    assert door.sent.wait(5)


def test_slack_sends_by_post_alone() -> None:
    """Other methods are refused without asking the door."""
    door = _Door()
    assert _client(door=door).get("/slack/events").status_code == 405
    assert door.came == []


def test_what_is_too_large_is_refused() -> None:
    """A body over a megabyte does not reach the door."""
    door = _Door()
    assert _client(door=door).post("/slack/events", content=b"x" * (1 << 20) + b"y").status_code == 413
    assert door.came == []


def test_a_request_came_in_when_it_came_in() -> None:
    """What waits until a thread is free came in before it waited: Slack counts its three seconds from there."""
    door = _Door()
    door.open.clear()
    server = WebServer(make_web(lambda: {}, lambda: {}, door), "127.0.0.1", 0)
    server.start()
    try:
        url = f"http://127.0.0.1:{_port(server)}/slack/events"
        with ThreadPoolExecutor(41) as people:  # one more than there are threads
            sent = [people.submit(urllib.request.urlopen, url, b"x", 20) for _ in range(41)]
            wait_for(lambda: len(door.came) == 40, saying="forty requests that have a thread")
            threading.Event().wait(0.5)
            freed = time.monotonic()
            door.open.set()
            assert {one.result().status for one in sent} == {202}
        assert len(door.received) == 41
        assert max(door.received) < freed
    finally:
        server.stop()


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "gone"])
def test_only_who_is_still_there_was_told(is_there: bool) -> None:
    """An answer that nobody takes any more counts as not sent: Slack comes again, and the run is known."""
    door = _Door()
    asked: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]
    said: list[str] = []

    async def receive() -> Message:
        if asked:
            return asked.pop(0)
        if is_there:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message["type"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/slack/events",
        "raw_path": b"/slack/events",
        "query_string": b"",
        "headers": [(b"content-length", b"1")],
    }
    anyio.run(make_web(lambda: {}, lambda: {}, door), scope, receive, send)
    assert len(door.came) == 1
    assert said == ["http.response.start", "http.response.body"]
    assert door.sent.is_set() is is_there


def test_half_a_request_does_not_keep_the_door_open() -> None:
    """Whoever announces a body and does not send it cannot keep the bot from stopping."""
    server = WebServer(make_web(lambda: {}, lambda: {}, _Door()), "127.0.0.1", 0)
    server.start()
    with socket.create_connection(("127.0.0.1", _port(server))) as half:
        half.sendall(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        stopping = threading.Thread(target=server.stop, daemon=True)
        stopping.start()
        stopping.join(8)
        assert not stopping.is_alive()


def _port(server: WebServer) -> int:
    return int(server._server.servers[0].sockets[0].getsockname()[1])


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # uvicorn leaves its thread so
def test_a_taken_address_is_told() -> None:
    """Where somebody else listens already, starting raises OSError instead of doing nothing."""
    app = make_web(lambda: {}, lambda: {}, None)
    first = WebServer(app, "127.0.0.1", 0)
    first.start()
    try:
        port = first._server.servers[0].sockets[0].getsockname()[1]
        second = WebServer(app, "127.0.0.1", port)
        with pytest.raises(OSError, match="cannot listen"):
            second.start()
    finally:
        first.stop()
        first.stop()
