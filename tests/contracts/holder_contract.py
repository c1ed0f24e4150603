"""What every engine must do with places other than whole volumes: parts, paths of the host, containers' own files.

It must not know which engine it has.
"""

from __future__ import annotations

import io
import tarfile

import pytest

from bot.engine import Engine, HostPath, Mount
from bot.errors import EngineError, NotFound, StreamCut
from tests.contracts.bench import Bench, Fixtures, NewName, Wanted
from tests.support.house import wait_for
from tests.support.tars import contents, in_pieces, member, names, read_all, small_tar, tar_of

BINARY = bytes(range(256)) * 400


class HolderContract(Fixtures):
    """The contract's part on what can be read and written, and where."""

    def test_a_part_of_a_volume_is_read_under_its_last_name(
        self, engine: Engine, filled: str, new_name: NewName
    ) -> None:
        """A directory, a file and an empty directory below the mount each make a whole tar of their own."""
        helper = new_name("part")
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            part = read_all(engine, helper, path="/volume/sub")
            assert part.endswith(bytes(1024))
            assert names(part) == ["sub", "sub/b.bin"]
            assert contents(part) == {"sub/b.bin": BINARY}
            assert contents(read_all(engine, helper, path="/volume/a.txt")) == {"a.txt": b"alpha"}
            assert names(read_all(engine, helper, path="/volume/empty")) == ["empty"]
            with pytest.raises(NotFound), engine.read_volume(helper, "/volume/none"):
                pass
        finally:
            engine.remove_helper(helper)

    def test_links_on_the_way_are_followed_and_the_last_is_not(
        self, engine: Engine, filled: str, new_name: NewName
    ) -> None:
        """A path may lead over links, which stay within the container; a link at its end is read as a link."""
        helper = new_name("links")
        engine.create_helper(helper, filled, run_id="r", read_only=False)
        links = [
            member("volume/to-sub", tarfile.SYMTYPE, linkname="sub"),
            member("volume/to-root", tarfile.SYMTYPE, linkname="/volume/sub"),
            member("volume/out", tarfile.SYMTYPE, linkname="../../../volume"),
        ]
        try:
            engine.write_volume(helper, in_pieces(tar_of(links)))
            for way in ("to-sub", "to-root", "out/sub"):
                assert contents(read_all(engine, helper, path=f"/volume/{way}/b.bin")) == {"b.bin": BINARY}
            with tarfile.open(fileobj=io.BytesIO(read_all(engine, helper, path="/volume/to-sub"))) as tar:
                (only,) = tar.getmembers()
            assert (only.name, only.issym(), only.linkname) == ("to-sub", True, "sub")
        finally:
            engine.remove_helper(helper)

    def test_it_is_told_where_a_link_leads(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """To the very end, as an absolute path in the container, there or not; what is no link leads nowhere."""
        name, helper = new_name("lead"), new_name("links")
        links = {
            "root": "/",
            "up": "../../data/./sub",
            "chain": "root/data/up",
            "gone": "none/../more",
            "ü": "sub/é",
            "circle": "circle",
        }
        engine.create_helper(helper, filled, run_id="r", read_only=False)
        made = [member(f"volume/{word}", tarfile.SYMTYPE, linkname=to) for word, to in links.items()]
        engine.write_volume(helper, in_pieces(tar_of(made)))
        engine.remove_helper(helper)
        bench.make(name, Wanted(volumes={filled: "/data"}))
        leads: dict[str, str | None] = {
            "/data/root": "/",
            "/data/up": "/data/sub",
            "/data/chain": "/data/sub",
            "/data/root/data/up": "/data/sub",
            "/data/gone": "/data/more",
            "/data/ü": "/data/sub/é",
        }
        leads |= dict.fromkeys(("/", "/data", "/data/a.txt", "/data/up/b.bin", "/none", "/none/x"))
        try:
            assert {path: engine.link_at(name, path) for path in leads} == leads
            with pytest.raises(EngineError):
                engine.link_at(name, "/data/circle")
            engine.stop(engine.container(name), 0)
            assert engine.link_at(name, "/data/up") == "/data/sub"
        finally:
            bench.remove(name)

    def test_a_helper_may_mount_elsewhere(
        self, engine: Engine, filled: str, empty: str, new_name: NewName
    ) -> None:
        """What is mounted at another name is read, and filled, under that name."""
        reader, writer = new_name("base-reader"), new_name("base-writer")
        engine.create_helper(reader, filled, run_id="r", read_only=True, at="base")
        engine.create_helper(writer, empty, run_id="r", read_only=False, at="base")
        try:
            tar = read_all(engine, reader, path="/base")
            assert contents(tar) == {"base/a.txt": b"alpha", "base/sub/b.bin": BINARY}
            engine.write_volume(writer, in_pieces(tar))
            assert contents(read_all(engine, writer, path="/base")) == contents(tar)
        finally:
            engine.remove_helper(reader)
            engine.remove_helper(writer)

    def test_a_tar_may_be_unpacked_below_the_mount(
        self, engine: Engine, filled: str, new_name: NewName
    ) -> None:
        """Entries land below the path that is named; a path that is not there is NotFound."""
        helper = new_name("below")
        engine.create_helper(helper, filled, run_id="r", read_only=False)
        tar = tar_of([(member("new.txt"), b"new")])
        try:
            engine.write_volume(helper, in_pieces(tar), "/volume/empty")
            found = contents(read_all(engine, helper))
            assert found["volume/empty/new.txt"] == b"new"
            assert found["volume/a.txt"] == b"alpha"
            with pytest.raises(NotFound):
                engine.write_volume(helper, in_pieces(tar), "/volume/none")
        finally:
            engine.remove_helper(helper)

    def test_unpacking_merges_and_replaces(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """What the tar does not name stays, a file replaces a file, and a link in the way is not followed."""
        helper = new_name("merge")
        engine.create_helper(helper, filled, run_id="r", read_only=False)
        link = member("volume/link", tarfile.SYMTYPE, linkname="a.txt")
        try:
            engine.write_volume(helper, in_pieces(tar_of([link])))
            engine.write_volume(helper, in_pieces(tar_of([(member("volume/link"), b"file now")])))
            found = contents(read_all(engine, helper))
            assert (found["volume/link"], found["volume/a.txt"]) == (b"file now", b"alpha")
            assert found["volume/sub/b.bin"] == BINARY
        finally:
            engine.remove_helper(helper)

    def test_a_directory_of_the_host_is_read_and_filled(
        self, engine: Engine, bench: Bench, new_name: NewName
    ) -> None:
        """A helper mounts a path of the engine's machine as it mounts a volume, read-only if asked."""
        place = bench.directory({"conf": b"old", "deep/er": b"1"})
        reader, writer = new_name("bind-reader"), new_name("bind-writer")
        engine.create_helper(reader, HostPath(place), run_id="r", read_only=True)
        engine.create_helper(writer, HostPath(f"{place}/deep"), run_id="r", read_only=False)
        try:
            assert contents(read_all(engine, reader)) == {"volume/conf": b"old", "volume/deep/er": b"1"}
            engine.write_volume(writer, in_pieces(small_tar({"new": b"2"})))
            assert contents(read_all(engine, reader))["volume/deep/new"] == b"2"
            with pytest.raises(EngineError):
                engine.write_volume(reader, in_pieces(small_tar({"no": b"3"})))
        finally:
            engine.remove_helper(reader)
            engine.remove_helper(writer)

    def test_a_path_of_the_host_that_is_not_there_is_not_made(
        self, engine: Engine, bench: Bench, new_name: NewName
    ) -> None:
        """A missing or relative path is NotFound, for helpers and tools, and nothing comes into being."""
        place = bench.directory({})
        reader = new_name("look")
        for path in (f"{place}/none", "relative/none"):
            with pytest.raises(NotFound):
                engine.create_helper(new_name("none"), HostPath(path), run_id="r", read_only=False)
            with pytest.raises(NotFound):
                engine.create_tool(new_name("none"), HostPath(path), run_id="r", read_only=True)
        engine.create_helper(reader, HostPath(place), run_id="r", read_only=True)
        try:
            assert names(read_all(engine, reader)) == ["volume"]
        finally:
            engine.remove_helper(reader)

    def test_a_containers_own_files_are_read(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """Of a container of the company's, running or stopped, any path is read: its layer and what it mounts."""
        name = new_name("app")
        bench.make(name, Wanted(volumes={filled: "/data"}, files={"/etc/app/app.conf": b"port=1"}))
        try:
            for _ in range(2):
                assert contents(read_all(engine, name, path="/etc/app")) == {"app/app.conf": b"port=1"}
                assert contents(read_all(engine, name, path="/etc/app/app.conf")) == {"app.conf": b"port=1"}
                assert contents(read_all(engine, name, path="/data"))["data/a.txt"] == b"alpha"
                with pytest.raises(NotFound), engine.read_volume(name, "/etc/none"):
                    pass
                if engine.container(name).state == "running":
                    engine.stop(engine.container(name), 0)
        finally:
            bench.remove(name)

    def test_a_container_says_what_it_is(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """Its image, its labels and whatever it mounts are told, by each way of asking."""
        place, name = bench.directory({"f": b""}), new_name("told")
        wanted = Wanted(volumes={filled: "/data"}, binds={place: "/srv/conf"}, labels={"team": "ops"})
        bench.make(name, wanted)
        try:
            found = engine.container(name)
            assert found.image == bench.image
            assert found.labels["team"] == "ops"
            assert found.health == ""
            assert set(found.mounts) == {
                Mount(kind="volume", source=filled, destination="/data"),
                Mount(kind="bind", source=place, destination="/srv/conf"),
            }
            assert {mount.storage for mount in found.mounts} == {filled, HostPath(place)}
            assert engine.users_of(filled) == (found,)
            assert engine.users_of(HostPath(place)) == (found,)
        finally:
            bench.remove(name)

    @pytest.mark.parametrize("health", ["healthy", "unhealthy"])
    def test_health_is_told(self, engine: Engine, bench: Bench, new_name: NewName, health: str) -> None:
        """A container with a health check starts, and then is what its check finds."""
        name = new_name("health")
        bench.make(name, Wanted(health=health))
        try:
            seen: list[str] = []

            def is_decided() -> bool:
                seen.append(engine.container(name).health)
                return seen[-1] == health

            wait_for(is_decided, seconds=30)
            assert set(seen) <= {"starting", health}
        finally:
            bench.remove(name)

    def test_users_of_a_path_of_the_host(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """Whoever binds the path, something above or something below it uses it; a neighbour does not."""
        place = bench.directory({"data/sub/f": b"", "data2/f": b""})
        binds = {
            "above": place,
            "below": f"{place}/data/sub",
            "same": f"{place}/data",
            "near": f"{place}/data2",
        }
        made = {word: new_name(word) for word in binds}
        helper = new_name("helper")
        for word, name in made.items():
            bench.make(name, Wanted(binds={binds[word]: "/mnt"}))
        engine.create_helper(helper, HostPath(place), run_id="r", read_only=True)
        try:
            users = [user.name for user in engine.users_of(HostPath(f"{place}/data"))]
            assert users == sorted(made[word] for word in ("above", "below", "same"))
            assert [user.name for user in engine.users_of(HostPath(f"{place}/data2/deep"))] == sorted(
                (made["above"], made["near"])
            )
        finally:
            engine.remove_helper(helper)
            for name in made.values():
                bench.remove(name)

    def test_users_of_a_volume_by_its_path(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """Whoever binds a volume's files uses the volume, and whoever mounts the volume uses the path of its files."""
        place, by_name, by_path = engine.volume(filled).mountpoint, new_name("by-name"), new_name("by-path")
        bench.make(by_name, Wanted(volumes={filled: "/mnt"}))
        bench.make(by_path, Wanted(binds={place: "/mnt"}))
        try:
            for storage in (filled, HostPath(place)):
                assert [user.name for user in engine.users_of(storage)] == sorted((by_name, by_path))
        finally:
            bench.remove(by_name)
            bench.remove(by_path)

    def test_a_stream_can_be_aborted(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """After an abort, which may come twice, no read gives anything."""
        helper = new_name("abort")
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            with engine.read_volume(helper) as stream:
                assert stream.read(512)
                stream.abort()
                stream.abort()
                for _ in range(2):
                    with pytest.raises(StreamCut):
                        stream.read(512)
            assert contents(read_all(engine, helper))["volume/a.txt"] == b"alpha"
        finally:
            engine.remove_helper(helper)
