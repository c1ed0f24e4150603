"""The fake engine keeps the engine's contract, and each of its faults does what it says."""

from __future__ import annotations

import io
import itertools
import tarfile
import threading
from datetime import timedelta

import pytest

from bot.engine import Engine
from bot.errors import EngineError, StreamCut
from tests.contracts.bench import NewName
from tests.contracts.engine_contract import EngineContract
from tests.fakes import FakeEngine
from tests.support.tars import in_pieces, read_all, small_tar


class FakeBench:
    """The contract's bench for the fake engine."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    def run(self, name: str, *volumes: str) -> None:
        """Make a running container."""
        self._engine.add_container(name, volumes)

    def restart(self, name: str) -> None:
        """Give it a new life."""
        self._engine.restart_container(name)

    def remove(self, name: str) -> None:
        """Take it away."""
        self._engine.remove_container(name)


class TestFakeEngine(EngineContract):
    """The contract, on the fake engine."""

    @pytest.fixture
    def engine(self) -> Engine:
        """A new engine for every test."""
        return FakeEngine()

    @pytest.fixture
    def bench(self, engine: FakeEngine) -> FakeBench:
        """Its bench."""
        return FakeBench(engine)

    @pytest.fixture
    def new_name(self) -> NewName:
        """Names that count up."""
        numbers = itertools.count(1)
        return lambda word: f"{word}-{next(numbers)}"


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with one volume of three files, a helper to read it and one to write it."""
    made = FakeEngine(stall=timedelta(seconds=0.05))
    made.add_volume("data", {"a": b"a" * 700, "b": b"b" * 700, "c": b"c" * 700})
    made.create_helper("read", "data", run_id="r", read_only=True)
    made.create_helper("write", "data", run_id="r", read_only=False)
    return made


def _read_into(engine: FakeEngine, got: bytearray) -> None:
    with engine.read_volume("read") as stream:
        for piece in iter(lambda: stream.read(100), b""):
            got += piece


def test_engine_down_fails_every_call_and_open_stream(engine: FakeEngine) -> None:
    """A dead engine breaks the stream that is open and refuses new calls, until it is up again."""
    with engine.read_volume("read") as stream:
        assert stream.read(10)
        engine.faults.down = True
        with pytest.raises(StreamCut):
            stream.read(10)
    with pytest.raises(EngineError):
        engine.volumes()
    engine.faults.down = False
    assert engine.volumes()


def test_one_verb_fails(engine: FakeEngine) -> None:
    """A failing verb raises what the test gave, and has changed nothing."""
    engine.faults.failing["remove_helper"] = EngineError("no")
    with pytest.raises(EngineError, match="no"):
        engine.remove_helper("read")
    assert "read" in [helper.name for helper in engine.helpers()]


def test_cut_at_a_byte_raises(engine: FakeEngine) -> None:
    """A cut stream gives exactly that many bytes and then raises."""
    engine.faults.cut_at_byte = 1234
    got = bytearray()
    with pytest.raises(StreamCut):
        _read_into(engine, got)
    assert len(got) == 1234


def test_silent_cut_between_entries_lacks_only_the_end(engine: FakeEngine) -> None:
    """A silent cut between entries is a tar that Python's own reader takes for whole, but without end marker."""
    engine.faults.cut_after_entries = 3
    engine.faults.cut_silently = True
    tar = read_all(engine, "read")
    with tarfile.open(fileobj=io.BytesIO(tar)) as held:
        assert held.getnames() == ["volume", "volume/a", "volume/b"]
    assert not tar.endswith(bytes(1024))


def test_loud_cut_between_entries_raises(engine: FakeEngine) -> None:
    """The same cut raises when it is not silent."""
    engine.faults.cut_after_entries = 2
    with pytest.raises(StreamCut):
        read_all(engine, "read")


def test_shrinking_file_loses_what_follows(engine: FakeEngine) -> None:
    """A shrinking file cuts its entry, drops later files and the end marker, and nothing is raised."""
    whole = read_all(engine, "read")
    engine.faults.shrinking_file = "b"
    cut = read_all(engine, "read")
    assert whole.startswith(cut)
    assert cut.endswith(b"b" * 350)
    assert b"c" * 10 not in cut


def test_stalled_read_ends_at_the_limit(engine: FakeEngine) -> None:
    """A read that stalls raises when the stall limit has passed."""
    engine.faults.stall_at_byte = 600
    with pytest.raises(EngineError, match="sent nothing"):
        read_all(engine, "read")


def test_stalled_read_goes_on_when_let() -> None:
    """A read that stalls says so, waits, and then gives every byte."""
    engine = FakeEngine(stall=timedelta(seconds=30))
    engine.add_volume("data", {"a": b"a" * 700})
    engine.create_helper("read", "data", run_id="r", read_only=True)
    whole = read_all(engine, "read")
    engine.faults.stall_at_byte = 600
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read_all(engine, "read")))
    reader.start()
    assert engine.faults.stalled.wait(10)
    assert got == []
    engine.faults.go_on.set()
    reader.join(10)
    assert got == [whole]


def test_failing_write_keeps_what_came_before(engine: FakeEngine) -> None:
    """A write that fails in the middle leaves the entries that were whole, as Docker does."""
    tar = small_tar({"one": b"1" * 600, "two": b"2" * 9000})
    engine.faults.write_fails_at_byte = 4096
    with pytest.raises(EngineError, match="failed after 4096"):
        engine.write_volume("write", in_pieces(tar, 512))
    assert engine.files("data")["one"] == b"1" * 600
    assert "two" not in engine.files("data")
