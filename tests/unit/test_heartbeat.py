"""The heartbeat against a real HTTP server on loopback: it arrives while somebody beats, and delays nobody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.alarms.heartbeat import Heartbeat, Pulse, ask
from tests.support.house import wait_for
from tests.support.logged import logged
from tests.support.scripted_http import Asked, Said, ScriptedHttp

SECRET = "7d1c0f2e-canary"


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def _beating(url: str, *, every: float = 60) -> Iterator[tuple[Heartbeat, Clock]]:
    clock = Clock()
    heart = Heartbeat(Pulse(url=url, every_seconds=every), clock)
    try:
        yield heart, clock
    finally:
        heart.stop()


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    """A server to which all is well."""
    with ScriptedHttp(lambda _: Said(body=b"OK")) as made:
        yield made


def _asked(server: ScriptedHttp, number: int) -> None:
    wait_for(lambda: len(server.asked) >= number, saying=f"request {number}")


def test_it_arrives_as_often_as_asked_for(server: ScriptedHttp) -> None:
    """However often the loop turns, there is one request in each minute, and none when it stops turning."""
    with _beating(f"http://{server.host}/{SECRET}") as (heart, clock):
        for minute in range(1, 4):
            for _ in range(12):
                heart.beat()
                _asked(server, minute)
                wait_for(lambda: not heart._is_busy, saying="the end of the request")
                clock.now += 5
        assert [one.path for one in server.asked] == [f"/{SECRET}"] * 3
        assert {one.method for one in server.asked} == {"GET"}
        clock.now += 3600  # nobody beats
    assert len(server.asked) == 3


def test_without_a_url_nothing_is_asked(server: ScriptedHttp) -> None:
    """No thread is made for it; a URL that is set later counts from the next beat on."""
    with _beating("") as (heart, _):
        heart.beat()
        assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
        heart.replace(Pulse(url=f"http://{server.host}/later", every_seconds=60))
        heart.beat()
        _asked(server, 1)


def test_a_server_that_hangs_delays_nothing() -> None:
    """The loop goes on at once, a thousand times; no second request is begun while one hangs."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/{SECRET}"
        with _beating(url, every=5) as (heart, clock):
            heart.beat()
            connected, _ = mute.accept()
            began = time.monotonic()
            for _ in range(1000):
                heart.beat()
                clock.now += 5
            assert time.monotonic() - began < 3
            began = time.monotonic()
            heart.stop()
            assert time.monotonic() - began < 3
            assert [one.name for one in threading.enumerate()].count("heartbeat") <= 1
            mute.settimeout(0.2)
            with pytest.raises(TimeoutError):
                mute.accept()
            connected.close()


def test_a_failure_is_logged_once_an_hour_and_without_the_secret() -> None:
    """Once, then once an hour while it lasts, and once when it is over."""
    status = [500]
    with ScriptedHttp(lambda _: Said(status=status[0])) as server, logged(level=30) as lines:
        with _beating(f"http://{server.host}/{SECRET}") as (heart, clock):
            for number in range(1, 122):
                heart.beat()
                _asked(server, number)
                wait_for(lambda: not heart._is_busy, saying="the end of the request")
                clock.now += 60
            assert len(lines) == 3
            assert "HTTP 500" in lines[0]
            status[0] = 200
            heart.beat()
            wait_for(lambda: len(lines) == 4, saying="the good news")
        assert "answers again" in lines[3]
    assert SECRET not in "".join(lines)


def test_nobody_listens() -> None:
    """A refused connection and a name that does not exist are failures like others; the secret is in no line."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with logged() as lines:
        for url in (f"http://127.0.0.1:{port}/{SECRET}", f"http://nowhere.invalid/{SECRET}"):
            with _beating(url) as (heart, _):
                before = len(lines)
                heart.beat()
                wait_for(lambda n=before: len(lines) > n, saying="the line")
    assert SECRET not in "".join(lines)
    assert SECRET not in repr(Pulse(url=f"http://127.0.0.1/{SECRET}", every_seconds=5))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_no_redirect_leads_to_another_kind_of_place(target: str) -> None:
    """A redirect to a file or to FTP is an error; one to HTTP is followed."""
    moved = Said(status=302, headers={"Location": target})
    with ScriptedHttp(lambda _: moved) as server, pytest.raises(OSError, match="302"):
        ask(f"http://{server.host}/")


def test_a_redirect_is_followed() -> None:
    """Where it is HTTP as before."""

    def answer(asked: Asked) -> Said:
        return Said() if asked.path == "/there" else Said(status=302, headers={"Location": "/there"})

    with ScriptedHttp(answer) as server:
        ask(f"http://{server.host}/here")
        assert [one.path for one in server.asked] == ["/here", "/there"]
