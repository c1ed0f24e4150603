"""The fake engine keeps the engine's contract, and each of its faults does what it says."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pytest

from bot.engine import ByteStream, Check, Engine, Exchange, HostPath
from bot.entry import Item
from bot.errors import EngineError, StreamCut
from bot.reasons import Reason
from tests.contracts.bench import NewName, Wanted
from tests.contracts.engine_contract import EngineContract
from tests.fakes import FakeEngine
from tests.support.fake_files import Tree
from tests.support.tars import contents, in_pieces, read_all, small_tar


class FakeBench:
    """The contract's bench for the fake engine."""

    image = "bench:1"

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)

    def run(self, name: str, *volumes: str) -> None:
        """Make a running container."""
        self._engine.add_container(name, volumes)
        self._engine.programs[name] = _spoken

    def make(self, name: str, wanted: Wanted) -> None:
        """Make a running container of that kind; it needs some looks to become healthy."""
        self._engine.add_container(
            name,
            wanted.volumes,
            binds=wanted.binds,
            labels=wanted.labels,
            files=wanted.files,
            image=self.image,
            health=wanted.health,
            healthy_after=3,
        )
        self._engine.programs[name] = _spoken

    def restart(self, name: str) -> None:
        """Give it a new life."""
        self._engine.restart_container(name)

    def remove(self, name: str) -> None:
        """Take it away."""
        self._engine.remove_container(name)

    def directory(self, files: Mapping[str, bytes]) -> str:
        """A directory of the host."""
        return self._engine.add_directory(f"/srv/bench/{next(self._numbers)}", files).path

    def socket(self, directory: str, name: str) -> None:
        """A socket in it."""
        self._engine.tree(HostPath(directory)).special(name, "socket")

    def words(self, out: bytes = b"", errors: str = "", code: int | None = 0) -> Sequence[str]:
        """What `_spoken` does."""
        return ("speak", out.hex(), errors, json.dumps(code))

    def check(self, shown: str, code: int | None = 0) -> Check:
        """An image of its own for every check."""
        image = f"check:{next(self._numbers)}"
        self._engine.checks[image] = lambda files: (code, files[shown].decode())
        return Check(image=image, words=("check",), limit=timedelta(minutes=1))


def _spoken(words: Sequence[str]) -> tuple[bytes, str, int | None]:
    """The program of the bench's containers: it says what its words say."""
    if words[0] != "speak":
        return b"", f"{words[0]}: not found\n", 127
    return bytes.fromhex(words[1]), words[2], json.loads(words[3])


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


# ---- what happens while a stream runs ----


def _walk(engine: FakeEngine) -> dict[str, Item]:
    with engine.inventory("look") as items:
        return {item.path: item for item in items}


def _read_while(engine: FakeEngine, act: Callable[[Tree], object], at: int = 600) -> bytes:
    """The tar of a reading in which somebody does that to the volume after that many bytes."""
    engine.faults.during.append((at, lambda other: act(other.tree("data"))))
    tar = read_all(engine, "read", size=333)
    assert engine.faults.during == []
    return tar


@pytest.fixture
def watched(engine: FakeEngine) -> FakeEngine:
    """The engine with a tool that looks at the volume."""
    engine.create_tool("look", "data", run_id="r", read_only=True)
    return engine


def test_a_file_that_vanishes_before_its_turn_is_left_out_silently(watched: FakeEngine) -> None:
    """The tar is whole and lacks the file, as a daemon's does; only the second walk tells."""
    before = _walk(watched)
    tar = _read_while(watched, lambda tree: tree.remove("c"))
    assert tar.endswith(bytes(1024))
    assert set(contents(tar)) == {"volume/a", "volume/b"}
    assert before.keys() - _walk(watched).keys() == {"c"}


def test_a_file_that_grows_is_cut_at_its_announced_size(watched: FakeEngine) -> None:
    """The tar is whole and holds what the header promised; the second walk shows another size."""
    tar = _read_while(watched, lambda tree: tree.resize("a", 5000), at=1024 + 100)
    assert contents(tar)["volume/a"] == b"a" * 700
    assert set(contents(tar)) == {"volume/a", "volume/b", "volume/c"}
    assert tar.endswith(bytes(1024))
    assert _walk(watched)["a"].size == 5000


def test_a_file_that_shrinks_under_its_reader_ends_the_stream(watched: FakeEngine) -> None:
    """Its rest, all later files and the end marker are missing, and nothing is raised."""
    tar = _read_while(watched, lambda tree: tree.resize("a", 50), at=1024 + 100)
    assert tar.endswith(b"a" * 100)
    assert b"b" * 10 not in tar


def test_a_file_that_shrinks_before_its_turn_is_whole(watched: FakeEngine) -> None:
    """It is sent as it is when the stream reaches it."""
    tar = _read_while(watched, lambda tree: tree.resize("c", 50))
    assert contents(tar)["volume/c"] == b"c" * 50


def test_a_file_rewritten_in_place_is_torn(watched: FakeEngine) -> None:
    """What was sent is old, what follows is new, and only ctime and mtime betray it."""
    before = _walk(watched)
    tar = _read_while(watched, lambda tree: tree.rewrite("a", b"A" * 700), at=1024 + 100)
    assert contents(tar)["volume/a"] == b"a" * 100 + b"A" * 600
    after = _walk(watched)
    assert (before["a"].size, before["a"].inode) == (after["a"].size, after["a"].inode)
    assert before["a"].ctime_ns < after["a"].ctime_ns
    assert before["b"] == after["b"]


def test_an_open_file_that_is_removed_is_complete(watched: FakeEngine) -> None:
    """Who has begun to send it goes on to its end."""
    tar = _read_while(watched, lambda tree: tree.remove("a"), at=1024 + 100)
    assert contents(tar)["volume/a"] == b"a" * 700
    assert "a" not in _walk(watched)


def test_a_directory_renamed_under_the_walk_loses_what_was_not_sent(watched: FakeEngine) -> None:
    """Its remaining files are looked for under the old name; the new name was in no list that was taken before."""
    for name in ("d/1", "d/2", "d/3"):
        watched.put_file("data", name, b"d" * 100)
    up_to = read_all(watched, "read").index(b"volume/d/2") - 10
    tar = _read_while(watched, lambda tree: tree.rename("d", "moved"), at=up_to)
    assert {name for name in contents(tar) if "/d/" in name or "moved" in name} == {"volume/d/1"}
    assert tar.endswith(bytes(1024))


def test_a_file_that_appears_is_sent_only_where_the_walk_has_not_been(watched: FakeEngine) -> None:
    """A directory's list is taken when it is entered: a new file beside is not in the tar, one further down is."""
    watched.put_file("data", "d/1", b"1")
    tar = _read_while(watched, lambda tree: (tree.file("bb", b"late"), tree.file("d/0", b"late")), at=1024)
    assert {name for name, data in contents(tar).items() if data == b"late"} == {"volume/d/0"}
    assert {"bb", "d/0"} <= _walk(watched).keys()


def test_what_happens_during_a_read_happens_once(watched: FakeEngine) -> None:
    """The next reading is of a quiet volume."""
    _read_while(watched, lambda tree: tree.remove("c"))
    first = read_all(watched, "read")
    assert read_all(watched, "read") == first


def test_somebody_may_act_before_a_verb(watched: FakeEngine) -> None:
    """What is to happen before a verb's second use happens just then."""
    watched.faults.before["inventory"] = [
        lambda _: None,
        lambda other: other.put_file("data", "late", b""),
    ]
    assert "late" not in _walk(watched)
    assert "late" in _walk(watched)
    assert watched.faults.before["inventory"] == []


def test_a_stalled_read_is_aborted() -> None:
    """An abort from another thread ends the waiting long before the stall limit."""
    engine = FakeEngine(stall=timedelta(seconds=30))
    engine.add_volume("data", {"a": b"a" * 700})
    engine.create_helper("read", "data", run_id="r", read_only=True)
    engine.faults.stall_at_byte = 600
    raised: list[BaseException] = []

    def drain() -> None:
        with engine.read_volume("read") as stream:
            streams.append(stream)
            try:
                while stream.read(100):
                    pass
            except StreamCut as error:
                raised.append(error)

    streams: list[ByteStream] = []
    reader = threading.Thread(target=drain)
    reader.start()
    assert engine.faults.stalled.wait(10)
    streams[0].abort()
    reader.join(5)
    assert len(raised) == 1
    assert not reader.is_alive()


def test_a_stalled_write_ends_at_the_limit(engine: FakeEngine) -> None:
    """A write that stalls raises the reason `stalled`, and what came before stays."""
    engine.faults.stall_write_at_byte = 10_240
    tar = small_tar({"one": b"1" * 600, "two": b"2" * 90_000})
    with pytest.raises(EngineError, match="took nothing") as caught:
        engine.write_volume("write", in_pieces(tar, 512))
    assert caught.value.reason is Reason.STALLED
    assert engine.files("data")["one"] == b"1" * 600
    assert "two" not in engine.files("data")


# ---- tools and programs ----


def test_a_walk_that_breaks_off_raises_at_its_end(watched: FakeEngine) -> None:
    """Some items come, and then it is said that they do not count."""
    watched.faults.inventory_ends_after = 2
    seen: list[Item] = []
    with pytest.raises(EngineError, match="nothing of it counts"), watched.inventory("look") as items:
        seen += iter(lambda: next(items), None)
    assert len(seen) == 2


def test_a_tool_whose_program_ended_is_of_no_use(watched: FakeEngine) -> None:
    """It is still listed and can be removed, but looks no more."""
    watched.end_container("look")
    with pytest.raises(EngineError, match="does not run"), watched.inventory("look"):
        pass
    watched.remove_helper("look")


def test_an_exchange_that_stops_half_way_leaves_the_place_empty(engine: FakeEngine) -> None:
    """The old content is aside, the new one is still beside it, and taking back works."""
    engine.create_tool("tool", HostPath("/fake/volumes/data"), run_id="r", read_only=False)
    engine.put_file(HostPath("/fake/volumes/data"), "new/n", b"new")
    engine.faults.exchange_stops_half_way = True
    swap = Exchange(place="_data", new="new", aside="old")
    with pytest.raises(EngineError, match="between"):
        engine.exchange("tool", swap)
    with pytest.raises(EngineError, match="not there"):
        read_all(engine, "read")
    engine.exchange_back("tool", swap)
    assert set(engine.files("data")) == {"a", "b", "c"}


def test_a_running_container_keeps_what_it_has_mounted(engine: FakeEngine) -> None:
    """After an exchange its processes still see the old directory, until it is started anew."""
    engine.add_container("db", {"data": "/data"}, files={"/etc/db.conf": b""})
    engine.create_tool("tool", HostPath("/fake/volumes/data"), run_id="r", read_only=False)
    engine.put_file(HostPath("/fake/volumes/data"), "new/n", b"new")
    engine.exchange("tool", Exchange(place="_data", new="new", aside="old"))
    assert engine.files("data") == {"n": b"new"}
    assert set(engine.seen_by("db").files()) == {"etc/db.conf", "data/a", "data/b", "data/c"}
    engine.restart_container("db")
    assert set(engine.seen_by("db").files()) == {"etc/db.conf", "data/n"}


def test_health_takes_its_time_after_each_start(engine: FakeEngine) -> None:
    """A container is `starting` for as many looks as it was told, then what its check finds, and anew after a start."""
    engine.add_container("db", ["data"], health="healthy", healthy_after=2)
    assert [engine.container("db").health for _ in range(3)] == ["starting", "starting", "healthy"]
    engine.set_health("db", "unhealthy")
    assert engine.container("db").health == "unhealthy"
    engine.set_health("db", "healthy")
    now = engine.container("db")
    engine.stop(now, 1)
    assert engine.container("db").health == ""
    engine.start(now)
    assert [user.health for _ in range(3) for user in engine.users_of("data")] == [
        "starting", "starting", "healthy",
    ]  # fmt: skip


def test_a_program_nobody_can_know_the_end_of(engine: FakeEngine) -> None:
    """When the daemon dies its output ends like any other, and its exit code is not to be had (engine fact 5)."""
    engine.programs["db"] = lambda words: (b"dump of " + words[0].encode(), "", 0)
    db = engine.add_container("db", ["data"])
    engine.faults.execution_lost_at_byte = 4
    with engine.execute(db, ["base"], limit=timedelta(seconds=5)) as program:
        assert program.read(100) == b"dump"
        assert program.read(100) == b""
        with pytest.raises(EngineError, match="Nobody can know"):
            program.finish()


def test_programs_are_noted_and_may_write_piecemeal(engine: FakeEngine) -> None:
    """What was run, as whom and for how long at most can be asked, and which programs had to be killed."""
    engine.programs["db"] = lambda _: (iter((b"one", b"two")), "", None)
    db = engine.add_container("db", ["data"])
    with engine.execute(db, ["pg_dump", "-v"], limit=timedelta(seconds=5), user="postgres") as program:
        assert (program.read(10), program.read(10)) == (b"one", b"two")
    (noted,) = engine.executed
    assert (noted.container, noted.words, noted.user) == ("db", ("pg_dump", "-v"), "postgres")
    assert engine.killed == engine.executed
