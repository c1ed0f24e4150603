"""The web door against those who send slowly, never, too much, or no HTTP at all: others are served meanwhile."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from bot.web import WebServer, make_web, patience
from tests.support.effort import drawn_seed
from tests.support.house import wait_for
from tests.support.logged import logged

PATIENCE = 0.6
MOST = 20
POST = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SEED = drawn_seed()


class _Answer:
    status = 200
    body = "ok"

    def first_headers_without_set_cookie(self) -> dict[str, str]:
        return {"content-type": "text/plain"}


class _Door:
    """A door for Slack that counts what reaches it."""

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def answer(
        self, body: bytes, headers: Mapping[str, str], received: float
    ) -> tuple[Any, Callable[[], None]]:
        assert headers
        assert received
        self.came.append(body)
        return _Answer(), lambda: None


@pytest.fixture
def door() -> _Door:
    """What the requests are for."""
    return _Door()


@pytest.fixture
def server(door: _Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A web door that is less patient than in earnest; nothing that anybody sends may be logged as an error."""
    monkeypatch.setattr(patience, "REQUEST_SECONDS", PATIENCE)
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", MOST)
    made = WebServer(make_web(lambda: {}, lambda: {}, door), "127.0.0.1", 0)
    made.start()
    try:
        with logged(logging.WARNING) as lines:
            yield made
        assert _said(_connected(made), GET).startswith(b"HTTP/1.1 200")
        assert not lines
    finally:
        made.stop()


def _connected(server: WebServer) -> socket.socket:
    port = server._server.servers[0].sockets[0].getsockname()[1]
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _said(line: socket.socket, asked: bytes) -> bytes:
    """What comes back until the other side closes or falls silent."""
    line.sendall(asked)
    return _heard(line)


def _heard(line: socket.socket, seconds: float = 5.0) -> bytes:
    line.settimeout(seconds)
    heard = b""
    try:
        while b"\r\n\r\n" not in heard and (piece := line.recv(65_536)):
            heard += piece
    except OSError:
        pass
    return heard


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"P",
        POST,
        POST + b"Content-Length: 9\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\n",
    ],
)
def test_who_does_not_finish_is_hung_up_on(server: WebServer, door: _Door, beginning: bytes) -> None:
    """Whatever a request breaks off in, its connection is closed after the time for one, with 408 if it had begun."""
    began = time.monotonic()
    with _connected(server) as line:
        answer = _said(line, beginning) if beginning else _heard(line)
        assert PATIENCE * 0.8 < time.monotonic() - began < PATIENCE + 3
        assert answer.startswith(b"HTTP/1.1 408") if beginning else not answer
        assert not line.recv(1)
    assert not door.came


@pytest.mark.parametrize("drop", [b"x", b"X-A: b\r\n"])
def test_a_drop_now_and_then_gains_no_time(server: WebServer, drop: bytes) -> None:
    """Who sends a byte of a header or body ten times a second has no longer than who sends none."""
    head = POST + (b"Content-Length: 900\r\n\r\n" if drop == b"x" else b"")
    began, pause = time.monotonic(), threading.Event()
    with _connected(server) as line:
        line.sendall(head)
        line.settimeout(0.1)
        heard = b""
        while not heard and time.monotonic() - began < PATIENCE + 3:
            try:
                line.sendall(drop)
                heard = line.recv(100)
            except TimeoutError:
                pause.wait(0.01)
        assert heard.startswith(b"HTTP/1.1 408")


def test_the_second_request_of_a_connection_has_no_more_time(server: WebServer) -> None:
    """A connection that was used well once is closed all the same when the next request does not come to its end."""
    with _connected(server) as line:
        assert _said(line, GET).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert b"HTTP/1.1 408" in _said(line, POST) + _heard(line)
        assert time.monotonic() - began < PATIENCE + 3


def test_more_idlers_than_there_is_room_for_shut_nobody_out(
    server: WebServer, door: _Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While ten times too many connections are held open, a request that comes at once is answered at once."""
    body = POST + b"Content-Length: 2\r\n\r\n{}"
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 60)
    with ExitStack() as open_ones:
        for number in range(MOST * 10):
            line = open_ones.enter_context(_connected(server))
            line.sendall((b"", POST, POST + b"Content-Length: 9\r\n\r\nabc")[number % 3])
            if number % 20 == 19:
                with _connected(server) as mine:
                    assert _said(mine, body).startswith(b"HTTP/1.1 200")
        wait_for(lambda: len(server._server.server_state.connections) <= MOST, saying="room again")
    assert len(door.came) == 10


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(
    server: WebServer, door: _Door
) -> None:
    """The head alone, announcing 10 MB, gets 413; nothing of the body was sent by then."""
    with _connected(server) as line:
        assert _said(line, POST + b"Content-Length: 10485760\r\n\r\n").startswith(b"HTTP/1.1 413")
    for length in (b"9" * 20, b"1048577"):
        with _connected(server) as line:
            assert _said(line, POST + b"Content-Length: " + length + b"\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert not door.came


def test_ten_megabytes_are_not_kept(server: WebServer, door: _Door) -> None:
    """Who sends them all the same is told 413, announced or in pieces, and the door sees nothing of it."""
    ten = b"x" * (10 << 20)
    pieces = b"".join(b"10000\r\n" + b"x" * 65_536 + b"\r\n" for _ in range(160)) + b"0\r\n\r\n"
    for head, body in ((b"Content-Length: %d" % len(ten), ten), (b"Transfer-Encoding: chunked", pieces)):
        with _connected(server) as line:
            sending = threading.Thread(
                target=_send, args=(line, POST + head + b"\r\n\r\n" + body), daemon=True
            )
            sending.start()
            assert _heard(line).startswith(b"HTTP/1.1 413")
            sending.join(10)
    assert not door.came


def _send(line: socket.socket, what: bytes) -> None:
    with suppress(OSError):  # closed by the other side: it had heard enough
        line.sendall(what)


def test_who_leaves_in_the_middle_is_forgotten(server: WebServer, door: _Door) -> None:
    """A connection that ends in the middle of a body leaves no traceback and reaches no door."""
    for _ in range(20):
        with _connected(server) as line:
            line.sendall(POST + b"Content-Length: 900\r\n\r\nabc")
    wait_for(lambda: len(server._server.server_state.connections) == 0, saying="nobody left")
    assert not door.came


@pytest.mark.parametrize(
    "head",
    [
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 17,
        GET,
    ],
)
@pytest.mark.parametrize("rest", [b"ZZZ\r\n\r\n", b"\0" * 100 + b"\r\n\r\n", b"GET / HTTP/3\r\n\r\n"])
def test_nonsense_behind_a_request_that_was_answered(server: WebServer, head: bytes, rest: bytes) -> None:
    """What comes after an answer, or in the middle of one, ends the connection and no more."""
    with _connected(server) as line:
        assert _said(line, head)
        with suppress(OSError):
            line.sendall(rest)
        _heard(line, PATIENCE + 3)
    with _connected(server) as line:
        _heard_or_nothing(line, head + rest)


def _heard_or_nothing(line: socket.socket, asked: bytes) -> None:
    threading.Thread(target=_send, args=(line, asked), daemon=True).start()
    _heard(line, PATIENCE + 3)


def test_what_is_no_http_is_refused(server: WebServer, door: _Door) -> None:
    """Noise, TLS, odd methods, heads too large, lengths that contradict each other: a 4xx or the end, and no more."""
    spoilt = random.Random(SEED)
    tls = bytes.fromhex("16030100ca010000c60303") + bytes(60)
    odd = [
        tls,
        b"\0" * 300,
        b"GET\r\n\r\n",
        b"POST /slack/events\r\n\r\n",
        b"FETCH /slack/events HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /slack/%00%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        POST + b"Content-Length: abc\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
        POST + b"X-Odd: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        *(spoilt.randbytes(spoilt.randrange(1, 400)) + b"\r\n\r\n" for _ in range(200)),
    ]
    for asked in odd:
        with _connected(server) as line:
            threading.Thread(target=_send, args=(line, asked), daemon=True).start()
            answer = _heard(line)
            is_fine = not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
            assert is_fine, f"seed {SEED}: {asked[:200]!r} got {answer[:200]!r}"
    assert len(door.came) <= 4


def test_looking_in_all_the_time_asks_the_database_once_a_second() -> None:
    """However often health is asked for, what is behind it is looked at once a second."""
    asked: list[float] = []

    def checks() -> Mapping[str, bool]:
        asked.append(time.monotonic())
        return {"database": True}

    made = WebServer(make_web(checks, lambda: {}, None), "127.0.0.1", 0)
    made.start()
    try:
        began = time.monotonic()
        for _ in range(100):
            with _connected(made) as line:
                assert _said(line, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert len(asked) <= 1 + (time.monotonic() - began)
    finally:
        made.stop()
