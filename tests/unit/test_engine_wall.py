"""The wall to Docker without a Docker: which engine is chosen, what is refused, how errors read."""

from __future__ import annotations

import io
import json
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from bot.engine import HostPath
from bot.engine.address import resolve
from bot.engine.connection import Connection, Limits
from bot.engine.mounts import touches
from bot.engine.names import did_you_mean, nearest
from bot.engine.real import DockerEngine
from bot.engine.streams import Frames, Reader, Source, Wire
from bot.engine.tool_scripts import below_mount
from bot.engine.tools_image import libraries_in, tools_tar
from bot.engine.translate import MAX_RAW_CHARACTERS, Attempt, our_errors, scrub
from bot.engine.walk import Complaints, Walk, nanoseconds
from bot.errors import Conflict, EngineError, NotFound, StreamCut
from tests.support.tars import in_pieces

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


# ---- frames and pieces on the wire --------------------------------------------------------------


def _frame(channel: int, data: bytes) -> bytes:
    return bytes((channel, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_frames_are_taken_apart_in_pieces_of_any_size(size: int) -> None:
    """Each channel gets its own bytes in order, empty frames too, and only between frames is it whole."""
    raw = _frame(1, b"out1") + _frame(2, b"") + _frame(2, b"err") + _frame(1, b"x" * 300)
    held = {1: b"", 2: b""}

    def take(channel: int, part: bytes) -> None:
        held[channel] += part

    frames = Frames(take)
    for piece in in_pieces(raw, size):
        frames.feed(piece)
    assert held == {1: b"out1" + b"x" * 300, 2: b"err"}
    assert frames.is_whole
    frames.feed(raw[:5])
    assert not frames.is_whole


def test_large_pieces_are_sent_in_small_ones() -> None:
    """No call to send has more to do than the time limit of one allows; nothing is empty, nothing is lost."""
    pieces = list(Source(iter([b"", b"a" * 200_000, b"", b"b"])))
    assert b"".join(pieces) == b"a" * 200_000 + b"b"
    assert all(0 < len(piece) <= 65_536 for piece in pieces)


class _Stalling(BaseHTTPRequestHandler):
    """Begins an answer, and never goes on."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n")
        self.go_on.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _certificate(directory: Path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("a certificate needs the program openssl")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    words += ["-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_waiting_read_is_cut_from_another_thread(scheme: str, tmp_path: Path) -> None:
    """Over TCP and over TLS, a read that waits ends at once when the wire is cut, and so does every later one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stalling)
    server.daemon_threads = True
    if scheme == "https":
        server.socket = _certificate(tmp_path).wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    connection = Connection(
        "test", "tcp://none:1", Limits(stall=timedelta(seconds=30), request=timedelta(seconds=30))
    )
    try:
        url = f"{scheme}://127.0.0.1:{server.server_address[1]}/"
        response = requests.get(url, stream=True, verify=False, timeout=30)
        reader = Reader(Wire(response), connection, "it")
        assert reader.read(3) == b"abc"
        cutting = threading.Timer(0.3, reader.abort)
        began = time.monotonic()
        cutting.start()
        for _ in range(2):
            with pytest.raises(StreamCut, match="was ended after 3 B"):
                reader.read(1)
        assert time.monotonic() - began < 5
        response.close()
        reader.abort()
    finally:
        _Stalling.go_on.set()
        server.shutdown()
        serving.join()
        server.server_close()
        _Stalling.go_on.clear()


# ---- walks --------------------------------------------------------------------------------------


def _record(path: str, kind: str = "f", *, device: int = 5, link: str = "") -> str:
    return f"I{kind} 3 4755 7 8 1.5000000000 2.0000000010 99 1 8 {device}\0{path}\0{link}\0"


@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
def test_a_walk_is_understood_in_pieces_of_any_size(size: int) -> None:
    """Records, attributes and device numbers that come in between find their items, whatever the names hold."""
    odd = "new\nline \udcff"
    raw = (
        _record("", "d")
        + _record(odd)
        + "A# file: /volume/new\\012line \udcff\nuser.a=0x00ff\nuser.b\\075=0x\nsecurity.selinux=0x41\n\n\0"
        + "2 0\0"
        + _record("null", "c")
        + _record("l", "l", link="/no/\nwhere")
        + "D103 11170\0/volume/null\0A\0"
        + "2 0\0E0\0"
    ).encode("utf-8", "surrogateescape")
    walk, found = Walk("/volume", attributes=True), []
    for piece in in_pieces(raw, size):
        found += walk.feed(piece)
    found += walk.close()
    items = {item.path: item for item in found}
    assert list(items) == [".", odd, "l", "null"]
    assert items[odd].attributes == {"user.a": "00ff", "user.b=": ""}
    assert items["null"].device == (259, 70000)
    assert (items["l"].link, items[odd].link) == ("/no/\nwhere", None)
    file = items[odd]
    assert (file.mode, file.uid, file.gid, file.links, file.used_bytes) == (0o4755, 7, 8, 1, 4096)
    assert (file.mtime_ns, file.ctime_ns) == (1_500_000_000, 2_000_000_001)


def test_a_walk_that_was_cut_anywhere_does_not_count() -> None:
    """Without its end, with half a record, or with names whose attributes never came, it is a StreamCut."""
    raw = (_record("", "d") + _record("a") + "A\0002 0\0E0\0").encode()
    for end in range(len(raw)):
        walk = Walk("/volume", attributes=True)
        walk.feed(raw[:end])
        with pytest.raises(StreamCut):
            walk.close()
    for missing in ("A\0001 0\0", ""):
        walk = Walk("/volume", attributes=True)
        walk.feed((_record("", "d") + _record("a") + missing + "E0\0").encode())
        with pytest.raises(StreamCut):
            walk.close()


@pytest.mark.parametrize(
    "raw", ["X\0\0", "A\0001 137\0", "A\0009 0\0", _record("a", "D"), "E0\0E0\0", "If\0a\0\0"]
)
def test_what_no_walk_writes_is_refused(raw: str) -> None:
    """Unknown kinds, a killed getfattr, counts that cannot be and data behind the end are an EngineError."""
    walk = Walk("/volume", attributes=True)
    walk.feed(_record("", "d").encode())
    with pytest.raises(EngineError, match="nobody understands"):
        walk.feed(raw.encode())


def test_things_on_other_file_systems_keep_an_inode_of_their_own() -> None:
    """The same inode number on two file systems below a root is not taken for a hard link."""
    walk = Walk("/volume", attributes=False)
    items = walk.feed((_record("", "d") + _record("a") + _record("m", "d", device=6) + "E0\0").encode())
    assert items[0].inode == items[1].inode == 99
    assert items[2].inode == 99 + (6 << 64)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.0000000000", 0),
        ("1600000000.1234567890", 1_600_000_000_123_456_789),
        ("-1.5000000000", -500_000_000),
        ("-1000000001.8765432110", -1_000_000_000_123_456_789),
        ("7", 7_000_000_000),
    ],
)
def test_times_of_find_are_whole_nanoseconds(text: str, wanted: int) -> None:
    """No fraction is rounded, and before 1970 it counts forwards from the second below, as find prints it."""
    assert nanoseconds(text) == wanted


def test_only_what_vanished_is_no_complaint() -> None:
    """Files that went away under the walk are fine with exit code 1; anything else a program said is not."""
    gone = b"find: '/volume/a': No such file or directory\ngetfattr: /volume/b: No such file or directory\n"
    for size in (1, 1000):
        complaints = Complaints()
        for piece in in_pieces(gone, size):
            complaints.feed(piece)
        complaints.refuse(1)
        assert complaints.vanished == 2
    for said, code in (
        (b"find: '/volume/a': Permission denied\n", 1),
        (b"find: failed to read file names from file system: No such file or directory\n", 1),
        (b"find: '/volume/a': Input/output error", 1),
        (b"", 1),
        (b"", 137),
        (gone, 137),
    ):
        complaints = Complaints()
        complaints.feed(said)
        with pytest.raises(EngineError, match="not whole"):
            complaints.refuse(code)


def test_a_file_system_without_attributes_is_no_complaint() -> None:
    """Where none can be listed there are none; one that is listed and cannot be read is a complaint."""
    complaints = Complaints()
    complaints.feed(b"getfattr: /volume/a: Operation not supported\n")
    complaints.refuse(1)
    assert complaints.bare == 1
    complaints.feed(b"/volume/a: user.why: Operation not supported\n")
    with pytest.raises(EngineError, match=r"user\.why"):
        complaints.refuse(1)


# ---- tools --------------------------------------------------------------------------------------


def test_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a program, or with busybox under its name, is told what to install."""
    with pytest.raises(EngineError, match=r"program no-such-one .*package some-package"):
        tools_tar({"no-such-one": "some-package"})
    (tmp_path / "busybox").write_text("")
    (tmp_path / "busybox").chmod(0o755)
    (tmp_path / "find").symlink_to("busybox")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="package findutils"):
        tools_tar({"find": "findutils"})


def test_ldd_is_understood() -> None:
    """Libraries, the loader and the kernel's own part are told apart, in glibc's words and in musl's."""
    glibc = (
        "\tlinux-vdso.so.1 (0x00007fc1d4900000)\n"
        "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fc1d45c7000)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007fc1d4902000)\n"
    )
    assert libraries_in(glibc) == [
        (Path("/lib/x86_64-linux-gnu/libc.so.6"), False),
        (Path("/lib64/ld-linux-x86-64.so.2"), True),
    ]
    assert libraries_in("\t/lib/ld-musl-x86_64.so.1 (0x7f)\n") == [(Path("/lib/ld-musl-x86_64.so.1"), True)]
    assert libraries_in("\tnot a dynamic executable\n") == []


def test_same_programs_make_the_same_tools() -> None:
    """The tools' image is named after its bytes, so they must not depend on when it was made."""
    made = tools_tar({"sh": "dash", "sleep": "coreutils"})
    assert made == tools_tar({"sleep": "coreutils", "sh": "dash"})
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert {"bin/sh", "bin/sleep"} <= set(tar.getnames())


@pytest.mark.parametrize("path", ["", ".", "..", "/", "/etc", "a/../b", "a/..", "a//b", "a/", "./a", "a\0b"])
def test_paths_that_could_leave_the_mount_are_refused(path: str) -> None:
    """Absolute paths, the mount itself and anything with dots or without a name is no path of a tool's."""
    with pytest.raises(EngineError, match="does not name anything below"):
        below_mount(path)


@pytest.mark.parametrize(
    ("mine", "its", "wanted"),
    [
        ("/srv/a", "/srv/a", True),
        ("/srv/a/", "/srv/a", True),
        ("/srv/a", "/srv", True),
        ("/srv/a", "/", True),
        ("/srv/a", "/srv/a/b", True),
        ("/srv/a", "/srv/ab", False),
        ("/srv/ab", "/srv/a", False),
    ],
)
def test_binds_touch_a_path_above_and_below(mine: str, its: str, wanted: bool) -> None:
    """A bind uses the path itself, what is above it and what is below it, but not a longer name."""
    bind = {"Mounts": [{"Type": "bind", "Source": its, "Destination": "/x"}]}
    assert touches(bind, HostPath(mine), "") is wanted
    assert not touches(bind, "v", "")
    assert not touches(bind, "v", "/elsewhere")


def test_a_volume_is_also_touched_by_the_path_of_its_files() -> None:
    """Binding them, or what is in them, is using the volume; mounting the volume is using the path."""
    place = "/docker/volumes/v/_data"
    mounted = {"Mounts": [{"Type": "volume", "Name": "v", "Source": place, "Destination": "/x"}]}
    assert touches(mounted, "v", place)
    assert touches(mounted, HostPath(place), "")
    assert touches(mounted, HostPath(f"{place}/deep"), "")
    assert not touches(mounted, "w", "/docker/volumes/w/_data")
    assert not touches(mounted, HostPath("/docker/volumes/w/_data"), "")
    for source, wanted in (
        (place, True),
        (f"{place}/deep", True),
        ("/docker/volumes", False),
        (f"{place}2", False),
    ):
        bind = {"Mounts": [{"Type": "bind", "Source": source, "Destination": "/x"}]}
        assert touches(bind, "v", place) is wanted
