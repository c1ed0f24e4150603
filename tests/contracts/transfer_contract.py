"""What every engine must do with helpers and the tar streams through them. It must not know which engine it has."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.engine import HELPER_LABEL, RUN_LABEL, Engine
from bot.errors import Conflict, EngineError, NotFound
from tests.contracts.bench import Bench, Fixtures, NewName
from tests.support.tars import contents, in_pieces, read_all, small_tar


def _read_and_raise(engine: Engine, helper: str, error: Exception) -> None:
    with engine.read_volume(helper) as stream:
        stream.read(512)
        raise error


class TransferContract(Fixtures):
    """The contract's part on helpers and streams."""

    def test_helper_is_listed_with_its_run(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """A helper is created, not running, labelled with its purpose and run, and removed any number of times."""
        reader, writer = new_name("reader"), new_name("writer")
        engine.create_helper(reader, empty, run_id="run-7", read_only=True)
        engine.create_helper(writer, empty, run_id="run-8", read_only=False)
        found = {helper.name: helper for helper in engine.helpers()}
        assert found[reader].labels[HELPER_LABEL] == "read"
        assert found[writer].labels[HELPER_LABEL] == "write"
        assert found[writer].labels[RUN_LABEL] == "run-8"
        assert found[reader].state == "created"
        for name in (reader, writer, reader):
            engine.remove_helper(name)
        assert not {reader, writer} & {helper.name for helper in engine.helpers()}

    def test_helper_may_be_removed_by_many_at_once(
        self, engine: Engine, empty: str, new_name: NewName
    ) -> None:
        """Two sweeps at the same time do not disturb each other, and afterwards the volume is free."""
        for number in range(5):
            name = new_name(f"swept-{number}")
            engine.create_helper(name, empty, run_id="r", read_only=True)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(engine.remove_helper, [name] * 4))
            assert name not in {helper.name for helper in engine.helpers()}
        engine.remove_volume(empty)

    def test_helper_name_is_taken_once(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """A second helper under the same name is a conflict."""
        name = new_name("twice")
        engine.create_helper(name, empty, run_id="r", read_only=True)
        try:
            with pytest.raises(Conflict):
                engine.create_helper(name, empty, run_id="r", read_only=True)
        finally:
            engine.remove_helper(name)

    def test_helper_on_missing_volume_makes_none(self, engine: Engine, new_name: NewName) -> None:
        """An unknown volume is NotFound, and no volume and no helper appear."""
        missing, helper = new_name("missing"), new_name("helper")
        with pytest.raises(NotFound):
            engine.create_helper(helper, missing, run_id="r", read_only=False)
        assert missing not in {volume.name for volume in engine.volumes()}
        assert helper not in {found.name for found in engine.helpers()}

    def test_remove_helper_spares_the_workload(
        self, engine: Engine, bench: Bench, empty: str, new_name: NewName
    ) -> None:
        """A container that is no helper is not removed as one."""
        name = new_name("workload")
        bench.run(name, empty)
        with pytest.raises(Conflict):
            engine.remove_helper(name)
        assert engine.container(name).state == "running"
        bench.remove(name)

    def test_read_gives_a_whole_tar(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """A read ends with both zero blocks and holds the root, the empty directory and every byte."""
        helper = new_name("read")
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            tar = read_all(engine, helper, size=1000)
        finally:
            engine.remove_helper(helper)
        assert tar.endswith(bytes(1024))
        assert contents(tar) == {"volume/a.txt": b"alpha", "volume/sub/b.bin": bytes(range(256)) * 400}
        with tarfile.open(fileobj=io.BytesIO(tar)) as held:
            members = {member.name: member for member in held}
        root = members["volume"]
        assert (root.mode & 0o7777, root.uid, root.gid, root.mtime) == (0o2750, 1234, 4321, 1_600_000_000)
        assert members["volume/empty"].isdir()

    def test_written_volume_reads_back_equal(
        self, engine: Engine, filled: str, empty: str, new_name: NewName
    ) -> None:
        """What is read from one volume and written to another reads back byte for byte."""
        source, target = new_name("source"), new_name("target")
        engine.create_helper(source, filled, run_id="r", read_only=True)
        engine.create_helper(target, empty, run_id="r", read_only=False)
        try:
            tar = read_all(engine, source)
            engine.write_volume(target, in_pieces(tar, 777))
            assert contents(read_all(engine, target)) == contents(tar)
        finally:
            engine.remove_helper(source)
            engine.remove_helper(target)

    @pytest.mark.parametrize(
        "error", [OSError(5, "disk"), ValueError("odd"), TimeoutError("slow"), NotFound("gone")]
    )
    def test_error_of_the_source_passes_unchanged(
        self, engine: Engine, empty: str, new_name: NewName, error: Exception
    ) -> None:
        """What the tar's own iterator raises comes out as the very same object."""

        def breaking() -> Iterator[bytes]:
            yield small_tar({"a.txt": b"alpha"})[:1536]
            raise error

        helper = new_name("broken")
        engine.create_helper(helper, empty, run_id="r", read_only=False)
        try:
            with pytest.raises(type(error)) as caught:
                engine.write_volume(helper, breaking())
            assert caught.value is error
        finally:
            engine.remove_helper(helper)

    def test_error_of_the_reader_passes_unchanged(
        self, engine: Engine, filled: str, new_name: NewName
    ) -> None:
        """What is raised inside the `with` of a read is not taken for the engine's failure."""
        helper, error = new_name("reading"), OSError(28, "No space left on device")
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            with pytest.raises(OSError, match="No space left") as caught:
                _read_and_raise(engine, helper, error)
            assert caught.value is error
        finally:
            engine.remove_helper(helper)

    def test_read_only_helper_cannot_write(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """A helper made for reading refuses a write, and the volume stays as it was."""
        helper = new_name("readonly")
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            before = contents(read_all(engine, helper))
            with pytest.raises(EngineError):
                engine.write_volume(helper, in_pieces(small_tar({"new": b"1"})))
            assert contents(read_all(engine, helper)) == before
        finally:
            engine.remove_helper(helper)

    def test_cut_tar_is_refused(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """A tar that ends inside an entry is an EngineError."""
        helper = new_name("cut")
        engine.create_helper(helper, empty, run_id="r", read_only=False)
        try:
            with pytest.raises(EngineError):
                engine.write_volume(helper, in_pieces(small_tar({"a": bytes(5000)})[:3000]))
        finally:
            engine.remove_helper(helper)

    def test_missing_helper_is_not_found(self, engine: Engine, new_name: NewName) -> None:
        """Neither reading nor writing makes up a helper."""
        with pytest.raises(NotFound), engine.read_volume(new_name("none")):
            pass
        with pytest.raises(NotFound):
            engine.write_volume(new_name("none"), in_pieces(small_tar({})))
