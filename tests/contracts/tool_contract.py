"""What every engine must do with tools that look: their life, and walks. It must not know which engine it has."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterator

import pytest

from bot.engine import RUN_LABEL, Engine, HostPath, Volume
from bot.entry import ROOT, Item
from bot.errors import Conflict, EngineError, NotFound
from tests.contracts.bench import Bench, Fixtures, NewName
from tests.support.tars import Member, in_pieces, member, tar_of

SECOND = 1_000_000_000
MTIME = "1600000000.123456789"
MTIME_NS = 1_600_000_000_123_456_789

# user: rw, the user 1000: r, group: r, mask: r, others: nothing, which is 0640 (Linux, posix_acl_xattr.h).
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)
ODD_NAMES = (
    " blank ",
    "-rf",
    "a\nb",
    "tab\tquote'\"",
    "back\\slash $(x) `y` *",
    "한글",
    "\udcff\udcfe raw",
    "n" * 255,
    ".wh.x",
)


def _records(**attributes: bytes) -> dict[str, str]:
    return {
        f"SCHILY.xattr.{name.replace('__', '.')}": value.decode("utf-8", "surrogateescape")
        for name, value in attributes.items()
    }


def _corpus() -> bytes:
    """One of each kind; links, devices, odd modes and owners, nanoseconds, attributes, an ACL, odd names."""
    rich = {"mtime": MTIME, **_records(user__note=b"hello \xff\x00\n=1", user__empty=b"x")}
    root = member("volume", tarfile.DIRTYPE, mode=0o2775, uid=70, gid=71, mtime=1_500_000_000)
    made: list[Member] = [
        root,
        member("volume/dir", tarfile.DIRTYPE, mode=0o1777, pax_headers=_records(user__on=b"dir")),
        (member("volume/dir/file", mode=0o4755, uid=3_000_000, gid=9, pax_headers=rich), b"x" * 1000),
        (member("volume/empty", mode=0o000), b""),
        (member("volume/acl", mode=0o640, pax_headers=_records(system__posix_acl_access=ACL)), b"acl"),
        (member("volume/first"), b"shared"),
        member("volume/dir/second", tarfile.LNKTYPE, linkname="volume/first"),
        member("volume/relative", tarfile.SYMTYPE, linkname="dir/file", mode=0o777, uid=5),
        member("volume/dangling", tarfile.SYMTYPE, linkname="/no/\udcff\nwhere " + "x" * 200, mode=0o777),
        member("volume/fifo", tarfile.FIFOTYPE, mode=0o600),
        member("volume/char", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("volume/block", tarfile.BLKTYPE, devmajor=7, devminor=300),
        *((member(f"volume/dir/{name}"), b"odd") for name in ODD_NAMES),
    ]
    return tar_of(made)


def walk(engine: Engine, tool: str, path: str = "/volume", *, attributes: bool = False) -> dict[str, Item]:
    """Every item of a walk, by path; a path that comes twice fails the test."""
    with engine.inventory(tool, path, attributes=attributes) as items:
        listed = list(items)
    found = {item.path: item for item in listed}
    assert len(found) == len(listed)
    return found


class ToolContract(Fixtures):
    """The contract's part on tools and walks."""

    @pytest.fixture
    def corpus(self, engine: Engine, empty: str, new_name: NewName) -> str:
        """A volume that holds one of each kind that a tar can hold."""
        helper = new_name("corpus")
        engine.create_helper(helper, empty, run_id="r", read_only=False)
        engine.write_volume(helper, in_pieces(_corpus()))
        engine.remove_helper(helper)
        return empty

    @pytest.fixture
    def looking(self, engine: Engine, corpus: str, new_name: NewName) -> Iterator[str]:
        """A read-only tool on it."""
        name = new_name("looking")
        engine.create_tool(name, corpus, run_id="r", read_only=True)
        yield name
        engine.remove_helper(name)

    def test_tool_is_a_helper_that_runs(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """A tool is listed with its run, running, uses nothing up, and is removed as it runs, any number of times."""
        name = new_name("tool")
        engine.create_tool(name, empty, run_id="run-9", read_only=True)
        try:
            (found,) = [one for one in engine.helpers() if one.name == name]
            assert (found.state, found.labels[RUN_LABEL]) == ("running", "run-9")
            assert engine.users_of(empty) == ()
            with pytest.raises(Conflict):
                engine.remove_volume(empty)
            with pytest.raises(Conflict):
                engine.create_tool(name, empty, run_id="run-9", read_only=True)
        finally:
            engine.remove_helper(name)
        engine.remove_helper(name)
        assert name not in {one.name for one in engine.helpers()}

    def test_tool_on_a_missing_volume_makes_none(self, engine: Engine, new_name: NewName) -> None:
        """An unknown volume is NotFound, and neither a volume nor a tool appears."""
        missing, name = new_name("missing"), new_name("tool")
        with pytest.raises(NotFound):
            engine.create_tool(name, missing, run_id="r", read_only=True)
        assert missing not in {volume.name for volume in engine.volumes()}
        assert name not in {one.name for one in engine.helpers()}

    def test_missing_tool_is_not_found(self, engine: Engine, new_name: NewName) -> None:
        """No verb makes up a tool."""
        with pytest.raises(NotFound), engine.inventory(new_name("none")):
            pass
        with pytest.raises(NotFound):
            engine.free_bytes(new_name("none"))
        with pytest.raises(NotFound):
            engine.remove_tree(new_name("none"), "x")

    def test_a_walk_finds_every_kind(self, engine: Engine, looking: str) -> None:
        """Each kind has its own word, and sizes, links and device numbers are those of the thing."""
        found = walk(engine, looking)
        expected = {
            ROOT: "directory", "dir": "directory", "dir/file": "file", "empty": "file", "acl": "file",
            "first": "file", "dir/second": "file", "relative": "symlink", "dangling": "symlink",
            "fifo": "fifo", "char": "char", "block": "block", **{f"dir/{name}": "file" for name in ODD_NAMES},
        }  # fmt: skip
        assert {path: item.kind for path, item in found.items()} == expected
        assert found["dir/file"].size == 1000
        assert found["relative"].link == "dir/file"
        assert found["dangling"].link == "/no/\udcff\nwhere " + "x" * 200
        assert found["relative"].size == len("dir/file")
        assert (found["char"].device, found["block"].device) == ((1, 3), (7, 300))
        assert {path for path, item in found.items() if item.device or item.link} == {
            "char", "block", "relative", "dangling",
        }  # fmt: skip

    def test_a_walk_tells_owners_modes_and_nanoseconds(self, engine: Engine, looking: str) -> None:
        """Modes with their high bits, large owners and fractions of seconds are told, the root's too."""
        found = walk(engine, looking)
        root, file = found[ROOT], found["dir/file"]
        assert (root.mode, root.uid, root.gid, root.mtime_ns) == (0o2775, 70, 71, 1_500_000_000 * SECOND)
        assert (file.mode, file.uid, file.gid, file.mtime_ns) == (0o4755, 3_000_000, 9, MTIME_NS)
        assert (found["dir"].mode, found["empty"].mode, found["fifo"].mode) == (0o1777, 0, 0o600)
        assert (found["relative"].uid, found["relative"].mtime_ns) == (5, 1_600_000_000 * SECOND)
        assert all(item.ctime_ns > MTIME_NS for item in found.values())

    def test_a_walk_shows_hard_links(self, engine: Engine, looking: str) -> None:
        """Names of one file have one inode and count each other; all else has its own."""
        found = walk(engine, looking)
        assert found["first"].inode == found["dir/second"].inode
        assert (found["first"].links, found["dir/second"].links, found["empty"].links) == (2, 2, 1)
        assert len({item.inode for item in found.values()}) == len(found) - 1

    def test_attributes_are_told_when_asked(self, engine: Engine, looking: str) -> None:
        """Extended attributes and ACLs come as hex, byte for byte, and not at all unless asked for."""
        found = walk(engine, looking, attributes=True)
        assert found["dir/file"].attributes == {
            "user.note": b"hello \xff\x00\n=1".hex(),
            "user.empty": b"x".hex(),
        }
        assert found["dir"].attributes == {"user.on": b"dir".hex()}
        assert found["acl"].attributes == {"system.posix_acl_access": ACL.hex()}
        assert {path for path, item in found.items() if item.attributes} == {"dir/file", "dir", "acl"}
        assert all(item.attributes == {} for item in walk(engine, looking).values())

    def test_a_quiet_volume_looks_the_same_twice(self, engine: Engine, looking: str) -> None:
        """Two walks over what nobody touches are equal to the last nanosecond."""
        first = walk(engine, looking, attributes=True)
        assert walk(engine, looking, attributes=True) == first

    def test_a_change_moves_the_ctime(
        self, engine: Engine, corpus: str, looking: str, new_name: NewName
    ) -> None:
        """A file that is written again with the same size and mtime betrays it; what was not touched does not move."""
        before = walk(engine, looking)
        helper = new_name("again")
        engine.create_helper(helper, corpus, run_id="r", read_only=False)
        again = member("volume/dir/file", mode=0o4755, uid=3_000_000, gid=9, pax_headers={"mtime": MTIME})
        engine.write_volume(helper, in_pieces(tar_of([(again, b"y" * 1000)])))
        engine.remove_helper(helper)
        after = walk(engine, looking)
        assert after["dir/file"].mtime_ns == before["dir/file"].mtime_ns
        assert after["dir/file"].ctime_ns > before["dir/file"].ctime_ns
        assert after["first"] == before["first"]

    def test_a_walk_may_begin_anywhere(self, engine: Engine, looking: str) -> None:
        """Below a path, names are relative to it; a single file is the root of its own walk; NotFound otherwise."""
        whole = walk(engine, looking)
        part = walk(engine, looking, "/volume/dir")
        assert set(part) == {ROOT, "file", "second", *ODD_NAMES}
        assert part["file"].inode == whole["dir/file"].inode
        (alone,) = walk(engine, looking, "/volume/dir/file").values()
        assert (alone.path, alone.kind, alone.size) == (ROOT, "file", 1000)
        (link,) = walk(engine, looking, "/volume/relative").values()
        assert (link.path, link.kind) == (ROOT, "symlink")
        with pytest.raises(NotFound), engine.inventory(looking, "/volume/none"):
            pass

    def test_a_walk_may_be_left_early(self, engine: Engine, looking: str) -> None:
        """Who leaves a walk before its end leaves nothing behind: the tool walks again."""
        with engine.inventory(looking) as items:
            next(items)
        assert ROOT in walk(engine, looking)

    def test_a_walk_through_nothing(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """An empty volume is its root alone, with room in it."""
        name = new_name("tool")
        engine.create_tool(name, empty, run_id="r", read_only=True)
        try:
            assert {path: item.kind for path, item in walk(engine, name).items()} == {ROOT: "directory"}
            assert engine.free_bytes(name) > 0
        finally:
            engine.remove_helper(name)

    def test_a_walk_sees_sockets(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """A socket, which no tar can hold, is in the walk."""
        place, name = bench.directory({"f": b"1"}), new_name("tool")
        bench.socket(place, "live.sock")
        engine.create_tool(name, HostPath(place), run_id="r", read_only=True)
        try:
            kinds = {path: item.kind for path, item in walk(engine, name).items()}
            assert kinds == {ROOT: "directory", "f": "file", "live.sock": "socket"}
        finally:
            engine.remove_helper(name)

    def test_a_helper_cannot_walk(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """What never runs cannot look."""
        name = new_name("helper")
        engine.create_helper(name, empty, run_id="r", read_only=True)
        try:
            with pytest.raises((EngineError, Conflict)), engine.inventory(name) as items:
                list(items)
        finally:
            engine.remove_helper(name)

    def test_a_walk_is_of_the_volume_that_is_there(self, engine: Engine, new_name: NewName) -> None:
        """Two tools on two volumes see each their own."""
        made = [new_name("one"), new_name("two")]
        try:
            for name in made:
                engine.create_volume(Volume(name=name, driver="local"))
                engine.create_helper(f"{name}-w", name, run_id="r", read_only=False)
                engine.write_volume(f"{name}-w", in_pieces(tar_of([(member(f"volume/{name}"), b"")])))
                engine.create_tool(f"{name}-t", name, run_id="r", read_only=True)
            for name in made:
                assert set(walk(engine, f"{name}-t")) == {ROOT, name}
        finally:
            for name in made:
                engine.remove_helper(f"{name}-w")
                engine.remove_helper(f"{name}-t")
                engine.remove_volume(name)
