"""Two real engines: one that is stopped costs its own commands a time limit and others nothing; TLS and SSH lead there.

Whoever stands at the door is real as well: dockerd's own TLS, and a real sshd on loopback.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import Volume
from bot.engine.address import Access
from bot.engine.real import DockerEngine
from bot.errors import EngineError, StreamCut
from bot.model import Status
from tests.support.authority import Authority
from tests.support.engine_available import require_engine, require_private_engine
from tests.support.engine_script import dockerd_pid, environment_of, private_engine
from tests.support.house import House, at_work, settings, wait_for
from tests.support.process import until
from tests.support.tars import in_pieces, small_tar

pytestmark = pytest.mark.engine

LIMIT = 2
TWO_SECONDS = timedelta(seconds=LIMIT)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    """A private engine that may be stopped, reached by its socket, by TLS and by SSH."""
    require_private_engine()
    authority = Authority(tmp_path_factory.mktemp("tls"))
    with private_engine(listen=authority.serve("127.0.0.1")) as directory:
        yield Other(directory, authority)


class Other:
    """The second engine."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.directory = directory
        self.authority = authority
        self.url = environment_of(directory)["DOCKER_HOST"]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Within it the daemon is there and says nothing."""
        pid = dockerd_pid(self.directory)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def volume(other: Other) -> Iterator[str]:
    """A volume of that name on both engines."""
    name = f"skt-{uuid.uuid4().hex[:8]}"
    engines = [DockerEngine("here", base_url=require_engine()), DockerEngine("there", base_url=other.url)]
    for engine in engines:
        engine.create_volume(Volume(name=name, driver="local"))
    yield name
    for engine in engines:
        engine.remove_volume(name)
        engine.close()


@pytest.fixture
def house(other: Other, tmp_path: Path) -> Iterator[House]:
    """The road over both, with a short limit."""
    toml = f'[hosts.here]\naddress = "{require_engine()}"\n[hosts.there]\naddress = "{other.url}"\nseconds = {LIMIT}\n'
    with at_work(settings(tmp_path / "state", toml=toml), {}) as made:
        yield made


def test_a_stopped_host_costs_nobody_else_anything(house: House, other: Other, volume: str) -> None:
    """While one host is stopped, the other's commands take as long as before and its own end within the limit."""
    here, there = f"backup {volume} --host here", f"backup {volume} --host there"
    assert house.say(there).status is Status.SUCCEEDED
    before = min(_seconds(house, here) for _ in range(3))
    with other.stopped():
        waiting = [house.accept(there + " --wait"), *(house.accept(there) for _ in range(9))]
        during = min(_seconds(house, here) for _ in range(3))
        ended = [house.ending(run_id, seconds=20) for run_id in waiting]
        took = max((one.ended_at - house.run(one.run_id).created_at).total_seconds() for one in ended)
        assert {one.status for one in ended} <= {Status.FAILED, Status.REJECTED}
        assert "did not answer in time" in ended[0].reply.text
        at_once = [_told(house, there) for _ in range(3)]
    print(
        f"\nhere: {before:.2f} s before, {during:.2f} s beside a stopped host; 10 commands there: at most {took:.2f} s"
    )
    assert during < before * 2 + 0.5
    assert took < 2 * LIMIT + 6
    assert any("has not answered since" in text for text in at_once)
    wait_for(
        lambda: house.say(there).status is Status.SUCCEEDED, seconds=20, saying="a backup of the woken host"
    )


def _seconds(house: House, line: str) -> float:
    began = time.monotonic()
    assert house.say(line).status is Status.SUCCEEDED
    return time.monotonic() - began


def _told(house: House, line: str) -> str:
    began = time.monotonic()
    ended = house.say(line)
    assert ended.status is Status.FAILED
    assert time.monotonic() - began < LIMIT + 4
    return ended.reply.text


# ---- TLS ----------------------------------------------------------------------------------------


def _over_tls(other: Other, access: Access) -> DockerEngine:
    url = f"tcp://127.0.0.1:{other.authority.port}"
    return DockerEngine("tls", base_url=url, stall=TWO_SECONDS, request_timeout=TWO_SECONDS, access=access)


def test_tls_reaches_the_engine_and_trusts_only_its_own_authority(
    other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA of the settings decides, whatever the environment says of others (engine fact 28)."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.authority.strange_ca))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other.authority.strange_ca))
    monkeypatch.setenv("DOCKER_CERT_PATH", "/nowhere")
    engine = _over_tls(other, other.authority.access())
    assert engine.info().address == f"tcp://127.0.0.1:{other.authority.port}"
    by_socket = DockerEngine("socket", base_url=other.url, access=Access())
    assert engine.info().name == by_socket.info().name
    by_socket.close()
    engine.close()


def test_wrong_papers_are_told_at_the_first_use(other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong CA, no certificate of ours, one that somebody else signed, or a missing file: a sentence each."""
    authority = other.authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    for access, words in (
        (authority.access(ca=authority.strange_ca), "certificate verify failed"),
        (Access(ca_file=str(authority.ca)), "certificate required|bad certificate|alert|SSLError"),
        (
            authority.access(client=authority.strange_client),
            "unknown ca|bad certificate|alert|SSLError",
        ),
        (authority.access(ca=Path("/nowhere/ca.pem")), "Invalid CA certificate"),
    ):
        engine = _over_tls(other, access)
        with pytest.raises(EngineError, match=f"(?s)host “tls”.*(?:{words}).*Nothing was changed"):
            engine.volumes()
        engine.close()


# ---- SSH ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door(other: Other) -> Iterator[Path]:
    """An sshd of our own on loopback before the second engine; gives the directory of ssh's configuration."""
    missing = [name for name in ("ssh", "ssh-keygen", "docker") if shutil.which(name) is None]
    sshd = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if missing or sshd is None:
        pytest.skip(f"SSH needs programs that are not here: {', '.join(missing) or 'sshd'}.")
    directory = other.directory / "ssh"
    directory.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/client.pub\n"
        f"PidFile {directory}/sshd.pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"SetEnv DOCKER_HOST={other.url} PATH={os.environ['PATH']}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([sshd, "-D", "-e", "-f", directory / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None, saying="the start of sshd")
        key = (directory / "host.pub").read_text()
        (directory / "known").write_text(f"[127.0.0.1]:{port} {key}")
        (directory / "config").write_text(
            f"Port {port}\nIdentityFile {directory}/client\nIdentitiesOnly yes\nUserKnownHostsFile {directory}/known\n"
        )
        (directory / "strange").write_text(
            f"Port {port}\nIdentityFile {directory}/client\nUserKnownHostsFile /dev/null\n"
        )
        yield directory
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _over_ssh(config: Path, *, limit: timedelta = timedelta(seconds=30)) -> DockerEngine:
    url, access = f"ssh://{getpass.getuser()}@127.0.0.1", Access(ssh_config=str(config), contact=limit)
    return DockerEngine("ssh", base_url=url, stall=limit, request_timeout=limit, access=access)


def test_ssh_carries_volumes_and_leaves_no_process(door: Path, volume: str) -> None:
    """Short requests and streams go both ways over ssh; what was read is what was written, and ssh is gone then."""
    engine, tar = _over_ssh(door / "config"), small_tar({"zeros": bytes(8 << 20), "last": b"last"})
    helper = f"{volume}-h"
    engine.create_helper(helper, volume, run_id="test", read_only=False)
    try:
        engine.write_volume(helper, in_pieces(tar, 1 << 20))
        with engine.read_volume(helper) as stream:
            count = 0
            while piece := stream.read(1 << 20):
                count += len(piece)
        assert count > 8 << 20
        with engine.read_volume(helper) as stream:
            stream.read(1)
            stream.abort()
            with pytest.raises(StreamCut):
                stream.read(1)
    finally:
        engine.remove_helper(helper)
    engine.close()
    assert not _children_of_ours("ssh"), "ssh still runs"


def test_a_stopped_engine_behind_ssh_ends_in_time(door: Path, other: Other) -> None:
    """The far machine answers and its Docker does not: the limit holds, and afterwards it works again."""
    engine = _over_ssh(door / "config", limit=timedelta(seconds=6))
    until(lambda: _works(engine), seconds=30, saying="the first answer over ssh")
    with other.stopped():
        began = time.monotonic()
        with pytest.raises(EngineError, match="did not answer in time"):
            engine.volumes()
        assert time.monotonic() - began < 9
    until(lambda: _works(engine), seconds=20, saying="an answer of the woken engine")
    engine.close()


def test_a_machine_that_is_not_known_is_told_in_the_words_of_ssh(door: Path) -> None:
    """Nobody is asked whether to trust a key: what ssh says is in the sentence."""
    engine = _over_ssh(door / "strange")
    with pytest.raises(EngineError, match=r"ssh says: .*Host key verification failed.*Nothing was changed"):
        engine.volumes()
    engine.close()


def _works(engine: DockerEngine) -> bool:
    try:
        engine.volumes()
    except EngineError:
        return False
    return True


def _children_of_ours(name: str) -> list[int]:
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").exists() and Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(int(pid))
    return found
