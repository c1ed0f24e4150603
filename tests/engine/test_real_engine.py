"""The engine over docker-py keeps the contract on a real daemon, and ends in time when the daemon dies or freezes."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import ByteStream, Engine, Volume
from bot.engine.real import DockerEngine
from bot.errors import EngineError, NotFound, StreamCut
from bot.reasons import Reason
from tests.contracts.bench import NewName
from tests.contracts.engine_contract import EngineContract
from tests.support.busybox import DockerBench
from tests.support.engine_available import require_private_engine
from tests.support.engine_script import dockerd_pid, environment_of, private_engine, run_script
from tests.support.process import until
from tests.support.tars import in_pieces, read_all, small_tar

pytestmark = pytest.mark.engine

STALL = timedelta(seconds=2)
BIG = 48 << 20


class TestDockerEngine(EngineContract):
    """The contract, on the engine that the environment names."""

    @pytest.fixture
    def engine(self, docker_engine: DockerEngine) -> Engine:
        """One connection for all."""
        return docker_engine

    @pytest.fixture
    def bench(self, docker_engine: DockerEngine) -> Iterator[DockerBench]:
        """Containers of busybox on the same daemon."""
        bench = DockerBench(docker_engine.info().address)
        yield bench
        bench.close()

    @pytest.fixture
    def new_name(self) -> NewName:
        """Names that nobody else on the daemon has."""
        prefix = uuid.uuid4().hex[:8]
        return lambda word: f"skt-{prefix}-{word}"


@pytest.fixture
def stubborn(docker_engine: DockerEngine) -> Iterator[tuple[DockerBench, str]]:
    """A running container that does not heed SIGTERM, so that stopping it takes its whole grace."""
    bench, name = DockerBench(docker_engine.info().address), f"skt-{uuid.uuid4().hex[:8]}-stubborn"
    bench.run(name, command=("/bin/busybox", "sleep", "600"))
    yield bench, name
    bench.close()


def test_a_stop_that_outlives_its_client_is_undone(
    docker_engine: DockerEngine, stubborn: tuple[DockerBench, str]
) -> None:
    """Who asked for the stop died, and the engine has not carried it out yet: starting waits for it."""
    bench, name = stubborn
    before = docker_engine.container(name)
    stopping = threading.Thread(target=bench.api.stop, args=(name,), kwargs={"timeout": 2})
    stopping.start()
    threading.Event().wait(0.5)
    assert docker_engine.container(name).state == "running"
    assert docker_engine.start(before) is True
    stopping.join()
    assert docker_engine.container(name).state == "running"
    assert docker_engine.container(name).started_at != before.started_at


def test_a_stop_that_was_never_asked_for_is_not_waited_for_without_end(
    docker_engine: DockerEngine, stubborn: tuple[DockerBench, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that simply goes on running is left as it is, once a stop would have had its time."""
    monkeypatch.setattr("bot.engine.containers.STOP_MAY_LAST_SECONDS", 0.5)
    before = docker_engine.container(stubborn[1])
    assert docker_engine.start(before) is False
    assert docker_engine.container(stubborn[1]) == before


@pytest.fixture
def directory() -> Iterator[Path]:
    """An engine of our own that may be killed."""
    require_private_engine()
    with private_engine() as made:
        yield made


def _engine(directory: Path) -> DockerEngine:
    url = environment_of(directory)["DOCKER_HOST"]
    return DockerEngine("private", base_url=url, stall=STALL, request_timeout=STALL)


def _fill(engine: DockerEngine) -> None:
    """A volume `big` with 48 MiB, and its helper `reader`: more than any buffer on the way holds."""
    engine.create_volume(Volume(name="big", driver="local"))
    engine.create_helper("writer", "big", run_id="r", read_only=False)
    engine.write_volume("writer", in_pieces(small_tar({"zeros": bytes(BIG), "last": b"last"}), 1 << 20))
    engine.remove_helper("writer")
    engine.create_helper("reader", "big", run_id="r", read_only=True)


def _answers(engine: DockerEngine) -> bool:
    try:
        engine.volumes()
    except EngineError:
        return False
    return True


def _drain(stream: ByteStream) -> None:
    while stream.read(1 << 20):
        pass


def test_killed_daemon_cuts_the_read_and_comes_back(directory: Path) -> None:
    """SIGKILL in mid-read is a StreamCut; the same engine object works again once the daemon is back."""
    engine = _engine(directory)
    _fill(engine)
    with engine.read_volume("reader") as stream:
        assert stream.read(1 << 16)
        os.kill(dockerd_pid(directory), signal.SIGKILL)
        with pytest.raises(StreamCut, match="broke off after"):
            _drain(stream)
    with pytest.raises(EngineError, match="could not list its volumes"):
        engine.volumes()
    up = run_script("up", str(directory))
    assert up.returncode == 0, up.stderr
    assert [volume.name for volume in engine.volumes()] == ["big"]
    assert read_all(engine, "reader").endswith(bytes(1024))
    engine.close()


def test_killed_daemon_fails_the_write(directory: Path) -> None:
    """SIGKILL in mid-write is an EngineError, not a success."""
    engine = _engine(directory)
    engine.create_volume(Volume(name="target", driver="local"))
    engine.create_helper("writer", "target", run_id="r", read_only=False)

    def source() -> Iterator[bytes]:
        for number, piece in enumerate(in_pieces(small_tar({"zeros": bytes(BIG)}), 1 << 20)):
            if number == 8:
                os.kill(dockerd_pid(directory), signal.SIGKILL)
            yield piece

    with pytest.raises(EngineError, match="connection failed"):
        engine.write_volume("writer", source())
    engine.close()


def test_frozen_daemon_raises_within_the_limit(directory: Path) -> None:
    """SIGSTOP in mid-read, mid-write and before a question raises EngineError after about the limit."""
    engine = _engine(directory)
    _fill(engine)
    engine.create_volume(Volume(name="target", driver="local"))
    engine.create_helper("writer", "target", run_id="r", read_only=False)
    pid = dockerd_pid(directory)

    def frozen_source() -> Iterator[bytes]:
        for number, piece in enumerate(in_pieces(small_tar({"zeros": bytes(BIG)}), 1 << 20)):
            if number == 8:
                os.kill(pid, signal.SIGSTOP)
            yield piece

    try:
        with engine.read_volume("reader") as stream:
            assert stream.read(1 << 16)
            os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(EngineError, match="sent nothing for 2 seconds") as caught:
                _drain(stream)
            assert caught.value.reason == Reason.STALLED
        assert time.monotonic() - began < 4 * STALL.total_seconds()
        began = time.monotonic()
        with pytest.raises(EngineError, match="did not answer in time"):
            engine.volumes()
        assert time.monotonic() - began < 4 * STALL.total_seconds()
        with pytest.raises(EngineError, match="has not answered since"):
            engine.volumes()
        os.kill(pid, signal.SIGCONT)
        until(lambda: _answers(engine), saying="an answer of the woken daemon")
        began = time.monotonic()
        with pytest.raises(EngineError, match="did not answer in time"):
            engine.write_volume("writer", frozen_source())
        assert time.monotonic() - began < 10 * STALL.total_seconds()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [volume.name for volume in engine.volumes()] == ["big", "target"]
    engine.close()


def test_waiting_streams_of_a_frozen_daemon_are_aborted_at_once(directory: Path) -> None:
    """A read and a program that wait for a stopped daemon end with StreamCut as soon as they are aborted."""
    patience = timedelta(seconds=60)
    url = environment_of(directory)["DOCKER_HOST"]
    engine = DockerEngine("private", base_url=url, stall=patience, request_timeout=patience)
    _fill(engine)
    bench = DockerBench(url)
    bench.run("worker")
    pid = dockerd_pid(directory)
    words = ("/bin/sh", "-c", "echo begun; sleep 30")
    try:
        with engine.read_volume("reader") as tar:
            assert tar.read(1 << 16)
            with engine.execute(engine.container("worker"), words, limit=patience) as program:
                assert program.read(100) == b"begun\n"
                os.kill(pid, signal.SIGSTOP)
                for stream in (tar, program):
                    _aborted_at_once(stream)
                os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)
        bench.close()
    assert read_all(engine, "reader").endswith(bytes(1024))
    engine.close()


def _aborted_at_once(stream: ByteStream) -> None:
    times: list[float] = []

    def abort() -> None:
        threading.Event().wait(0.5)
        times.append(time.monotonic())
        stream.abort()

    aborting = threading.Thread(target=abort)
    aborting.start()
    with pytest.raises(StreamCut):
        _drain(stream)
    assert times, "the read ended before it was aborted"
    assert time.monotonic() - times[0] < STALL.total_seconds()
    aborting.join()
    stream.abort()
    with pytest.raises(StreamCut):
        stream.read(1)


def test_killed_daemon_makes_no_program_succeed(directory: Path) -> None:
    """SIGKILL while a program runs ends its stream as if all were well (engine fact 5); it is an error all the same."""
    engine = _engine(directory)
    bench = DockerBench(environment_of(directory)["DOCKER_HOST"])
    bench.run("worker")
    worker = engine.container("worker")
    words = ("/bin/sh", "-c", "echo begun; sleep 30")

    def finish() -> int:
        with engine.execute(worker, words, limit=timedelta(seconds=60)) as program:
            assert program.read(100) == b"begun\n"
            os.kill(dockerd_pid(directory), signal.SIGKILL)
            return program.finish()

    with pytest.raises(EngineError):
        finish()
    up = run_script("up", str(directory))
    assert up.returncode == 0, up.stderr
    bench.close()
    engine.close()


def test_answer_to_a_write_may_take_longer_than_a_silence(directory: Path) -> None:
    """After the last byte the daemon has time to bring all of it to its disk: that is no stall."""
    engine = _engine(directory)
    engine.create_volume(Volume(name="target", driver="local"))
    engine.create_helper("writer", "target", run_id="r", read_only=False)
    pid = dockerd_pid(directory)
    waking = threading.Timer(2 * STALL.total_seconds(), os.kill, (pid, signal.SIGCONT))

    def source() -> Iterator[bytes]:
        yield small_tar({"a": b"alpha"})
        os.kill(pid, signal.SIGSTOP)
        waking.start()

    began = time.monotonic()
    try:
        engine.write_volume("writer", source())
    finally:
        waking.join()
    assert time.monotonic() - began > 2 * STALL.total_seconds() - 0.5
    assert b"alpha" in read_all(engine, "writer")
    engine.close()


def test_error_of_the_source_is_not_held_up_by_a_frozen_daemon(directory: Path) -> None:
    """What the tar's iterator raises comes out at once, although the daemon takes nothing any more."""
    engine = _engine(directory)
    engine.create_volume(Volume(name="target", driver="local"))
    engine.create_helper("writer", "target", run_id="r", read_only=False)
    pid, error = dockerd_pid(directory), ValueError("cancelled")
    began = 0.0

    def source() -> Iterator[bytes]:
        nonlocal began
        yield small_tar({"zeros": bytes(1 << 20)})[: 1 << 19]
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        raise error

    try:
        with pytest.raises(ValueError, match="cancelled") as caught:
            engine.write_volume("writer", source())
    finally:
        os.kill(pid, signal.SIGCONT)
    assert caught.value is error
    assert time.monotonic() - began < STALL.total_seconds()
    engine.close()


def test_tools_come_back_when_their_image_was_removed(directory: Path) -> None:
    """The image of the tools is made anew by the same engine object when somebody pruned it."""
    engine = _engine(directory)
    bench = DockerBench(environment_of(directory)["DOCKER_HOST"])
    engine.create_volume(Volume(name="looked", driver="local"))
    for name in ("first", "second"):
        engine.create_tool(name, "looked", run_id="r", read_only=True)
        with engine.inventory(name) as items:
            assert [item.path for item in items] == ["."]
        (image,) = {one.image for one in engine.helpers()}
        engine.remove_helper(name)
        bench.api.remove_image(image)
    bench.close()
    engine.close()


def test_two_reads_at_once_do_not_wait_for_each_other(docker_engine: DockerEngine) -> None:
    """While one helper's stream is open, other helpers read, and the lists answer (engine fact 8)."""
    prefix = f"skt-{uuid.uuid4().hex[:8]}"
    docker_engine.create_volume(Volume(name=prefix, driver="local"))
    names = [f"{prefix}-{number}" for number in range(4)]
    try:
        for name in names:
            docker_engine.create_helper(name, prefix, run_id="r", read_only=name != names[0])
        docker_engine.write_volume(names[0], in_pieces(small_tar({"zeros": bytes(8 << 20)}), 1 << 20))
        sizes: list[int] = []
        with docker_engine.read_volume(names[0]) as stream:
            assert stream.read(512)
            readers = [
                threading.Thread(target=lambda name=name: sizes.append(len(read_all(docker_engine, name))))
                for name in names[1:]
            ]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(60)
            assert set(names) <= {helper.name for helper in docker_engine.helpers()}
        assert len(sizes) == 3
        assert len(set(sizes)) == 1
    finally:
        for name in names:
            docker_engine.remove_helper(name)
        docker_engine.remove_volume(prefix)


def test_file_that_shrinks_while_read_leaves_no_end_marker(docker_engine: DockerEngine) -> None:
    """What engine fact 1 says holds on this daemon: no error is raised, only the end marker is missing."""
    name = f"skt-{uuid.uuid4().hex[:8]}"
    bench = DockerBench(docker_engine.info().address)
    docker_engine.create_volume(Volume(name=name, driver="local"))
    docker_engine.create_helper(f"{name}-r", name, run_id="r", read_only=True)
    docker_engine.create_helper(f"{name}-w", name, run_id="r", read_only=False)
    try:
        tar = small_tar({"a": os.urandom(BIG), "z": b"later"})
        docker_engine.write_volume(f"{name}-w", in_pieces(tar, 1 << 20))
        got = bytearray()
        with docker_engine.read_volume(f"{name}-r") as stream:
            got += stream.read(1 << 20)
            bench.run(f"{name}-c", name, command=("/bin/busybox", "truncate", "-s", "1000", "/v0/a"))
            assert bench.api.wait(f"{name}-c", timeout=30)["StatusCode"] == 0
            got += b"".join(iter(lambda: stream.read(1 << 20), b""))
        assert not bytes(got).endswith(bytes(1024))
        assert b"later" not in got
    finally:
        bench.close()
        docker_engine.remove_helper(f"{name}-r")
        docker_engine.remove_helper(f"{name}-w")
        docker_engine.remove_volume(name)


def test_odd_names_survive_the_round_trip(docker_engine: DockerEngine) -> None:
    """Names that are not UTF-8, hold a newline or are very long come back as they were."""
    name = f"skt-{uuid.uuid4().hex[:8]}"
    odd = [b"volume/\xff\xfe", b"volume/new\nline", b"volume/" + b"n" * 255, "volume/한글".encode()]
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for raw in odd:
            info = tarfile.TarInfo(raw.decode("utf-8", "surrogateescape"))
            tar.addfile(info)
    docker_engine.create_volume(Volume(name=name, driver="local"))
    docker_engine.create_helper(f"{name}-w", name, run_id="r", read_only=False)
    try:
        docker_engine.write_volume(f"{name}-w", in_pieces(held.getvalue()))
        back = io.BytesIO(read_all(docker_engine, f"{name}-w"))
        with tarfile.open(fileobj=back, errors="surrogateescape") as tar:
            names = {member.name.encode("utf-8", "surrogateescape") for member in tar}
        assert names == {b"volume", *odd}
    finally:
        docker_engine.remove_helper(f"{name}-w")
        docker_engine.remove_volume(name)


def test_path_is_never_taken_for_a_volume(docker_engine: DockerEngine) -> None:
    """A host path, an empty name or a name with odd signs is NotFound, and nothing is made of it."""
    before = docker_engine.volumes()
    for name in ("/etc", "", "../x", "a b", "x?force=1", "a"):
        with pytest.raises(NotFound):
            docker_engine.create_helper("skt-never", name, run_id="r", read_only=True)
        with pytest.raises(NotFound):
            docker_engine.container(name)
        docker_engine.remove_volume(name)
    with pytest.raises(EngineError, match="no name for a volume"):
        docker_engine.create_volume(Volume(name="", driver="local"))
    assert docker_engine.volumes() == before
