"""What every engine must do to exchange and to remove things. It must not know which engine it has."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot.engine import Engine, Exchange, HostPath
from bot.errors import Conflict, EngineError, NotFound
from tests.contracts.bench import Bench, Fixtures, NewName
from tests.support.tars import in_pieces, member, names, read_all, tar_of

SWAP = Exchange(place="live", new="stage/new", aside="stage/old")
BEFORE = {"live/data": b"old", "stage/new/data": b"new", "keep": b"kept"}
AFTER = {"stage/old/data": b"old", "live/data": b"new", "keep": b"kept"}
HALF = {"stage/old/data": b"old", "stage/new/data": b"new", "keep": b"kept"}
OUTSIDE = (
    "..",
    "../live",
    "/live",
    "live/../../x",
    "stage/../live",
    "",
    ".",
    "live/",
    "stage//new",
    "./live",
)
NOTES = ("volume/stage/old.", "volume/stage/half.")

Look = Callable[[], dict[str, bytes]]


class ExchangeContract(Fixtures):
    """The contract's part on renaming and removing."""

    @pytest.fixture
    def staged(self, engine: Engine, empty: str, new_name: NewName) -> str:
        """A volume with something at its place and something beside it that is to come there."""
        helper = new_name("stage")
        engine.create_helper(helper, empty, run_id="r", read_only=False)
        directories = [member(f"volume/{path}", tarfile.DIRTYPE) for path in ("live", "stage", "stage/new")]
        files = [(member(f"volume/{path}"), data) for path, data in BEFORE.items()]
        engine.write_volume(helper, in_pieces(tar_of([*directories, *files])))
        engine.remove_helper(helper)
        return empty

    @pytest.fixture
    def tool(self, engine: Engine, staged: str, new_name: NewName) -> Iterator[str]:
        """A tool on it that may rename."""
        name = new_name("tool")
        engine.create_tool(name, staged, run_id="r", read_only=False)
        yield name
        engine.remove_helper(name)

    @pytest.fixture
    def add(
        self, engine: Engine, staged: str, new_name: NewName
    ) -> Iterator[Callable[[tarfile.TarInfo], None]]:
        """Puts more into the volume."""
        name = new_name("adding")
        engine.create_helper(name, staged, run_id="r", read_only=False)
        yield lambda info: engine.write_volume(name, in_pieces(tar_of([info])))
        engine.remove_helper(name)

    @pytest.fixture
    def look(self, engine: Engine, staged: str, new_name: NewName) -> Iterator[Look]:
        """Says which files the volume holds, and what is in them; what the engine notes beside `aside` is its own."""
        name = new_name("eye")
        engine.create_helper(name, staged, run_id="r", read_only=True)

        def found() -> dict[str, bytes]:
            tar = read_all(engine, name)
            with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as held:
                return {
                    one.name.removeprefix("volume/"): _body(held, one)
                    for one in held
                    if (one.isreg() or one.issym()) and not one.name.startswith(NOTES)
                }

        yield found
        engine.remove_helper(name)

    def test_an_exchange_swaps_and_is_taken_back(self, engine: Engine, tool: str, look: Look) -> None:
        """What is new stands at its place, what was there stands aside, and all of it can be taken back, twice too."""
        engine.exchange(tool, SWAP)
        assert look() == AFTER
        engine.exchange_back(tool, SWAP)
        assert look() == BEFORE
        engine.exchange_back(tool, SWAP)
        assert look() == BEFORE
        engine.exchange(tool, SWAP)
        assert look() == AFTER

    def test_an_exchange_that_never_began_is_left_alone(self, engine: Engine, tool: str, look: Look) -> None:
        """Taking back what was not done changes nothing."""
        engine.exchange_back(tool, SWAP)
        assert look() == BEFORE

    def test_an_exchange_that_stopped_half_way_is_taken_back(
        self, engine: Engine, tool: str, look: Look
    ) -> None:
        """After the first renaming alone, the old thing returns to its place and the new one stays beside it."""
        engine.exchange(tool, Exchange(place="stage/old", new="live", aside="stage/half"))
        assert look() == HALF
        engine.exchange_back(tool, SWAP)
        assert look() == BEFORE
        engine.exchange_back(tool, SWAP)
        assert look() == BEFORE

    def test_a_place_that_was_made_anew_half_way_is_not_overwritten(
        self, engine: Engine, tool: str, look: Look, add: Callable[[tarfile.TarInfo], None]
    ) -> None:
        """When old, new and something third exist, nobody can know what belongs there: nothing is moved."""
        engine.exchange(tool, Exchange(place="stage/old", new="live", aside="stage/half"))
        add(member("volume/live"))
        with pytest.raises(EngineError):
            engine.exchange_back(tool, SWAP)
        assert look() == {**HALF, "live": b""}

    def test_a_place_may_have_been_empty(self, engine: Engine, tool: str, look: Look) -> None:
        """Where nothing stood the new thing comes, nothing goes aside, and taking back leaves nothing there."""
        into = replace(SWAP, place="fresh")
        engine.exchange(tool, into)
        assert look() == {"fresh/data": b"new", "live/data": b"old", "keep": b"kept"}
        engine.exchange_back(tool, into)
        assert look() == BEFORE
        engine.exchange_back(tool, into)
        assert look() == BEFORE

    def test_taking_back_after_clearing_loses_nothing(self, engine: Engine, tool: str, look: Look) -> None:
        """Once the stage is gone there is nothing to take back, and what stands at its place stays there."""
        engine.exchange(tool, SWAP)
        engine.remove_tree(tool, "stage")
        engine.exchange_back(tool, SWAP)
        assert look() == {"live/data": b"new", "keep": b"kept"}

    def test_taking_back_when_all_was_cleared_before_it_began_loses_nothing(
        self, engine: Engine, tool: str, look: Look
    ) -> None:
        """Without a stage the old content is what stands at its place: it is not moved."""
        engine.exchange_back(tool, SWAP)
        engine.remove_tree(tool, "stage")
        engine.exchange_back(tool, SWAP)
        assert look() == {"live/data": b"old", "keep": b"kept"}

    def test_files_and_links_are_exchanged_as_they_are(
        self, engine: Engine, tool: str, look: Look, add: Callable[[tarfile.TarInfo], None]
    ) -> None:
        """A file may take the place of a dangling link; neither link nor directory is followed or entered."""
        add(member("volume/broken", tarfile.SYMTYPE, linkname="nowhere"))
        add(member("volume/stage/file"))
        swap = Exchange(place="broken", new="stage/file", aside="stage/link")
        engine.exchange(tool, swap)
        assert look() == {**BEFORE, "broken": b"", "stage/link": b"-> nowhere"}
        with pytest.raises(Conflict):
            engine.exchange(tool, Exchange(place="keep", new="broken", aside="stage/link"))
        engine.exchange_back(tool, swap)
        assert look() == {**BEFORE, "broken": b"-> nowhere", "stage/file": b""}

    def test_odd_names_are_exchanged(
        self, engine: Engine, tool: str, look: Look, add: Callable[[tarfile.TarInfo], None]
    ) -> None:
        """Names that look like options, hold line feeds or are not text are names like any other."""
        for name in ("-rf", "--", "a\n b", "\udcff", "$(x)"):
            add(member(f"volume/{name}"))
            swap = Exchange(place=name, new="stage/new", aside=f"stage/{name}.old")
            engine.exchange(tool, swap)
            assert look()[f"{name}/data"] == b"new"
            engine.exchange_back(tool, swap)
            assert look() == {**BEFORE, name: b""}
            engine.remove_tree(tool, name)
            assert look() == BEFORE

    def test_without_new_nothing_is_renamed(self, engine: Engine, tool: str, look: Look) -> None:
        """What is not there cannot come; what is at its place stays."""
        with pytest.raises(NotFound):
            engine.exchange(tool, replace(SWAP, new="stage/none"))
        assert look() == BEFORE

    def test_what_stands_aside_is_not_overwritten(self, engine: Engine, tool: str, look: Look) -> None:
        """A taken place aside is a conflict, and nothing is renamed."""
        with pytest.raises(Conflict):
            engine.exchange(tool, replace(SWAP, aside="keep"))
        assert look() == BEFORE

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_paths_that_leave_the_mount_are_refused(
        self, engine: Engine, tool: str, look: Look, path: str
    ) -> None:
        """Only plain relative paths are taken, by every verb that changes."""
        for field in ("place", "new", "aside"):
            for verb in (engine.exchange, engine.exchange_back):
                with pytest.raises(EngineError):
                    verb(tool, replace(SWAP, **{field: path}))
        with pytest.raises(EngineError):
            engine.remove_tree(tool, path)
        assert look() == BEFORE

    def test_a_tree_is_removed(
        self, engine: Engine, tool: str, look: Look, add: Callable[[tarfile.TarInfo], None]
    ) -> None:
        """All below goes with it, what links lead to stays, and removing twice or a file is no error."""
        add(member("volume/stage/link", tarfile.SYMTYPE, linkname="../live"))
        for path in ("stage", "stage", "keep", "none/at/all"):
            engine.remove_tree(tool, path)
        assert look() == {"live/data": b"old"}

    def test_a_read_only_tool_changes_nothing(
        self, engine: Engine, staged: str, look: Look, new_name: NewName
    ) -> None:
        """A tool that was made to look cannot rename or remove."""
        name = new_name("looker")
        engine.create_tool(name, staged, run_id="r", read_only=True)
        try:
            with pytest.raises(EngineError):
                engine.exchange(name, SWAP)
            with pytest.raises(EngineError):
                engine.remove_tree(name, "live")
            assert look() == BEFORE
        finally:
            engine.remove_helper(name)

    def test_a_whole_directory_of_the_host_is_exchanged(
        self, engine: Engine, bench: Bench, new_name: NewName
    ) -> None:
        """A tool above a directory exchanges the directory itself, and who mounts it next sees the new one."""
        above = bench.directory({"data/f": b"old", ".stage/new/g": b"new"})
        tool, helper = new_name("tool"), new_name("after")
        engine.create_tool(tool, HostPath(above), run_id="r", read_only=False)
        try:
            engine.exchange(tool, Exchange(place="data", new=".stage/new", aside=".stage/old"))
            engine.create_helper(helper, HostPath(f"{above}/data"), run_id="r", read_only=True)
            assert names(read_all(engine, helper)) == ["volume", "volume/g"]
        finally:
            engine.remove_helper(helper)
            engine.remove_helper(tool)

    def test_a_volume_is_exchanged_from_above(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """What lies at a local volume's mount point can be exchanged, and the volume is then what came there."""
        directory, _, place = engine.volume(filled).mountpoint.rpartition("/")
        tool, writer, reader = new_name("tool"), new_name("writer"), new_name("reader")
        swap = Exchange(place=place, new=".s/new", aside=".s/old")
        engine.create_tool(tool, HostPath(directory), run_id="r", read_only=False)
        try:
            engine.create_helper(writer, HostPath(directory), run_id="r", read_only=False)
            stage = [member(f"volume/{path}", tarfile.DIRTYPE, uid=9) for path in (".s", ".s/new")]
            engine.write_volume(writer, in_pieces(tar_of([*stage, (member("volume/.s/new/n"), b"1")])))
            engine.exchange(tool, swap)
            engine.create_helper(reader, filled, run_id="r", read_only=True)
            assert names(read_all(engine, reader)) == ["volume", "volume/n"]
            engine.exchange_back(tool, swap)
            assert "volume/a.txt" in names(read_all(engine, reader))
            engine.remove_tree(tool, ".s")
        finally:
            for helper in (tool, writer, reader):
                engine.remove_helper(helper)


def _body(held: tarfile.TarFile, one: tarfile.TarInfo) -> bytes:
    if one.issym():
        return f"-> {one.linkname}".encode()
    body = held.extractfile(one)
    assert body is not None
    return body.read()
