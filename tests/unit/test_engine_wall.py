"""The wall to Docker without a Docker: which engine is chosen, what is refused, how errors read."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from bot.engine.connection import resolve
from bot.engine.names import did_you_mean, nearest
from bot.engine.real import DockerEngine
from bot.engine.translate import MAX_RAW_CHARACTERS, Attempt, our_errors, scrub
from bot.errors import Conflict, EngineError, NotFound

DOCKER = {"ApiVersion": "1.41", "Version": "20.10.24", "Components": [{"Name": "Engine"}]}
PODMAN = {"ApiVersion": "1.44", "Version": "5.8.6", "Components": [{"Name": "Podman Engine"}]}

Answer = Callable[[str], tuple[int, Any]]


@contextmanager
def daemon(answer: Answer) -> Iterator[str]:
    """A daemon on loopback that answers JSON: path -> (status, body); gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer(self.path)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _engine(url: str) -> DockerEngine:
    limit = timedelta(seconds=5)
    return DockerEngine("test", base_url=url, stall=limit, request_timeout=limit)


def test_nothing_is_connected_before_the_first_call(tmp_path: Path) -> None:
    """An engine whose daemon is down can be made; the first call says where it looked and what to do."""
    engine = _engine(f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError, match=r"host “test” \(unix:///.*Check that Docker runs there"):
        engine.volumes()
    engine.close()


def test_daemon_that_comes_up_later_is_found() -> None:
    """The same engine object works as soon as its daemon answers."""
    up = threading.Event()

    def answer(path: str) -> tuple[int, Any]:
        if not up.is_set():
            return 500, {"message": "starting"}
        return 200, DOCKER if path.endswith("/version") else {"Volumes": None}

    with daemon(answer) as url:
        engine = _engine(url)
        with pytest.raises(EngineError):
            engine.volumes()
        up.set()
        assert engine.volumes() == ()
        engine.close()


def test_podman_is_refused() -> None:
    """Podman's imitation is no engine, whatever is asked."""
    with daemon(lambda _: (200, PODMAN)) as url:
        engine = _engine(url)
        for ask in (engine.info, engine.volumes, engine.helpers):
            with pytest.raises(EngineError, match="Podman"):
                ask()
        engine.close()


def test_mute_daemon_raises_in_time() -> None:
    """A daemon that takes the connection and says nothing is given up after the limit."""
    release = threading.Event()

    def answer(_: str) -> tuple[int, Any]:
        release.wait(30)
        return 200, DOCKER

    limit = timedelta(seconds=0.3)
    with daemon(answer) as url:
        engine = DockerEngine("test", base_url=url, stall=limit, request_timeout=limit)
        with pytest.raises(EngineError, match="did not answer in time"):
            engine.volumes()
        release.set()
        engine.close()


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (500, EngineError), (400, EngineError)]
)
def test_status_decides_the_error(status: int, kind: type[Exception]) -> None:
    """404 is NotFound, 409 Conflict, all else EngineError; the daemon's words are in it, on one line."""

    def answer(path: str) -> tuple[int, Any]:
        if path.endswith("/version"):
            return 200, DOCKER
        return status, {"message": "odd\nthing at http://me:secret@there/"}

    with daemon(answer) as url:
        engine = _engine(url)
        with pytest.raises(kind, match="odd thing at http://there/") as caught:
            engine.volumes()
        assert type(caught.value) is kind
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
        engine.close()


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ChunkedEncodingError("broken"),
        urllib3.exceptions.ProtocolError("broken"),
        ConnectionResetError(104, "broken"),
    ],
)
def test_broken_connection_after_a_change_promises_nothing(error: Exception) -> None:
    """When no answer came to a change, the message says that it may still happen (engine fact 8)."""
    attempt = Attempt(host="h", address="unix:///s", doing="stop it", changes=True)
    with pytest.raises(EngineError, match=r"broken.*may still carry it out"), our_errors(attempt):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ReadTimeout("slow"),
        requests.ConnectionError(urllib3.exceptions.ProtocolError("aborted", TimeoutError("timed out"))),
        urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("h"), "/", "slow"),
    ],
)
def test_timeouts_are_known_under_every_disguise(error: Exception) -> None:
    """A timeout is called one even when the libraries wrap it."""
    attempt = Attempt(host="h", address="unix:///s", doing="list")
    with (
        pytest.raises(EngineError, match=r"did not answer in time.*Nothing was changed"),
        our_errors(attempt),
    ):
        raise error


def test_a_refused_connection_is_no_silence() -> None:
    """Where nobody listens, people read that the connection was refused, not that an answer was late."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = _engine(f"tcp://127.0.0.1:{port}")
    with pytest.raises(EngineError, match=r"the connection failed:.*refused.*Nothing was changed"):
        engine.volumes()
    engine.close()


def test_faults_of_ours_are_not_disguised() -> None:
    """A programming error is no EngineError."""
    with pytest.raises(KeyError), our_errors(Attempt(host="h", address="a", doing="b")):
        raise KeyError("x")


def test_scrub_gives_one_short_line() -> None:
    """Raw text loses line breaks, control signs and credentials, and is cut."""
    assert scrub("a\r\n\tb\x1b[31m\u202ec") == "a b [31m c"
    assert scrub("Authorization: Bearer abcdefghijkl") == "Authorization: Bearer …"
    assert len(scrub("x" * 1000)) == MAX_RAW_CHARACTERS


def test_docker_host_wins_then_the_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A given address wins over DOCKER_HOST, which wins over the local socket."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    environment = {"DOCKER_HOST": "tcp://h:1"}
    assert resolve("unix:///x", environment).text == "unix:///x"
    assert resolve(None, environment).text == "tcp://h:1"
    assert resolve(None, {"PATH": "/bin"}).text.endswith("/var/run/docker.sock")


def test_unknown_context_is_not_the_local_socket() -> None:
    """A DOCKER_CONTEXT that names nothing is refused instead of falling back (engine fact 29)."""
    with pytest.raises(EngineError, match="no such context"):
        resolve(None, {"DOCKER_CONTEXT": "skt-no-such-context"})


def test_nearest_names_are_offered() -> None:
    """Near names come likeliest first, whatever their case; far ones not at all."""
    assert nearest("pgdat", ["pgdata", "PGDATA2", "redis"])[0] == "pgdata"
    assert nearest("zzz", ["pgdata"]) == ()
    assert did_you_mean("pgdat", ["pgdata"]) == " Did you mean “pgdata”?"
    assert did_you_mean("zzz", ["pgdata"]) == ""
    assert " or “" in did_you_mean("web1", ["web2", "web3"])
