"""What every engine must do with single files in containers. It must not know which engine it has."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from bot.engine import Engine
from bot.engine.copy_contract import Found, Link
from bot.errors import EngineError, NotFound
from tests.contracts.bench import Bench, Fixtures, NewName, Wanted
from tests.support.tars import contents


def _tar(name: str, data: bytes, uid: int = 0, mode: int = 0o644) -> Iterator[bytes]:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size, info.uid, info.gid, info.mode = len(data), uid, uid, mode
        tar.addfile(info, io.BytesIO(data))
    yield held.getvalue()


def _member(engine: Engine, holder: str, path: str) -> tuple[bytes, int, int]:
    """The content, owner and permissions of one file."""
    tar = b""
    with engine.read_volume(holder, path) as stream:
        while chunk := stream.read(1 << 16):
            tar += chunk
    with tarfile.open(fileobj=io.BytesIO(tar)) as held:
        (member,) = held.getmembers()
    (data,) = contents(tar).values()
    return data, member.uid, member.mode & 0o7777


class FileContract(Fixtures):
    """The contract's part on single files, in a volume and in a container's own layer."""

    @pytest.fixture(params=["layer", "volume"])
    def where(
        self, engine: Engine, bench: Bench, empty: str, new_name: NewName, request: pytest.FixtureRequest
    ) -> Iterator[tuple[str, str]]:
        """A running container, and a directory in it: of its own layer, or of what it mounts."""
        name = new_name("files")
        bench.make(name, Wanted(volumes={empty: "/data"}, files={"/etc/app/keep": b"kept"}))
        yield engine.container(name).id, "/etc/app" if request.param == "layer" else "/data"
        bench.remove(name)

    def test_what_a_path_is(self, engine: Engine, where: tuple[str, str]) -> None:
        """Files have a size, directories are told as such, and where nothing is there is None."""
        holder, directory = where
        engine.write_volume(holder, _tar("a", b"12345"), directory)
        assert engine.look_at(holder, f"{directory}/a") == Found(kind="file", size=5)
        assert engine.look_at(holder, directory) == Found(kind="directory")
        assert engine.look_at(holder, f"{directory}/none") is None
        with pytest.raises(NotFound):
            engine.look_at("skt-no-such-container", "/etc")

    def test_a_file_takes_anothers_place(self, engine: Engine, where: tuple[str, str]) -> None:
        """A link puts a whole file with its owner and mode in the place of another; twice changes nothing."""
        holder, directory = where
        engine.write_volume(holder, _tar("conf", b"old", uid=7, mode=0o640), directory)
        engine.write_volume(holder, _tar(".new", b"newer", uid=9, mode=0o600), directory)
        for _ in range(2):
            engine.link_in(holder, directory, Link(name=".old", existing="conf", uid=7, gid=7))
        for _ in range(2):
            engine.link_in(holder, directory, Link(name="conf", existing=".new", uid=9, gid=9))
        assert _member(engine, holder, f"{directory}/conf") == (b"newer", 9, 0o600)
        assert _member(engine, holder, f"{directory}/.old") == (b"old", 7, 0o640)

    def test_a_link_to_nothing_takes_nothing_away(self, engine: Engine, where: tuple[str, str]) -> None:
        """Without what is to be linked, the file that has the name stays."""
        holder, directory = where
        engine.write_volume(holder, _tar("conf", b"old"), directory)
        with pytest.raises(NotFound):
            engine.link_in(holder, directory, Link(name="conf", existing="none", uid=0, gid=0))
        assert engine.look_at(holder, f"{directory}/conf") == Found(kind="file", size=3)

    def test_a_file_is_removed(self, engine: Engine, where: tuple[str, str]) -> None:
        """Removing takes away that name and nothing else, and may be repeated."""
        holder, directory = where
        engine.write_volume(holder, _tar("a", b"1"), directory)
        engine.write_volume(holder, _tar("b", b"2"), directory)
        for _ in range(2):
            engine.remove_in(holder, directory, "a")
        assert engine.look_at(holder, f"{directory}/a") is None
        assert engine.look_at(holder, f"{directory}/b") == Found(kind="file", size=1)

    def test_a_directory_is_neither_replaced_nor_removed(
        self, engine: Engine, where: tuple[str, str]
    ) -> None:
        """What holds other things stays, whatever is asked."""
        holder, directory = where
        engine.write_volume(holder, _tar("inner/x", b"1"), directory)
        engine.write_volume(holder, _tar("a", b"1"), directory)
        with pytest.raises(EngineError):
            engine.remove_in(holder, directory, "inner")
        with pytest.raises(EngineError):
            engine.link_in(holder, directory, Link(name="inner", existing="a", uid=0, gid=0))
        assert engine.look_at(holder, f"{directory}/inner/x") == Found(kind="file", size=1)
