"""What every engine must do for snapshots and clones. It must not know which engine it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.engine import RUN_LABEL, Container, Engine, HostPath
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Clone, Commit, SnapshotImage
from bot.errors import Conflict, NotFound
from bot.reference import parse
from tests.contracts.bench import Bench, Fixtures, NewName, Wanted
from tests.support.tars import contents, read_all

_COMPOSE = "com.docker.compose.project"


class SnapshotContract(Fixtures):
    """The contract's part on snapshots."""

    @pytest.fixture
    def run_id(self, engine: Engine, new_name: NewName) -> Iterator[str]:
        """A run that commits; what it made is gone afterwards."""
        run_id = new_name("run")
        yield run_id
        engine.remove_snapshot(run_id)

    @pytest.fixture
    def workload(self, engine: Engine, bench: Bench, filled: str, new_name: NewName) -> Iterator[Container]:
        """A running container with a file of its own and a volume."""
        name = new_name("workload")
        labels = {_COMPOSE: "shop", "team": 'a"b $HOME', RUN_LABEL: "older"}
        bench.make(name, Wanted(volumes={filled: "/data"}, files={"/made": b"by hand"}, labels=labels))
        yield engine.container(name)
        bench.remove(name)

    def test_a_commit_is_an_image_of_the_layer_alone(
        self, engine: Engine, workload: Container, run_id: str
    ) -> None:
        """It has the container's labels and ours, who and why, and one layer more than the image below it."""
        before = engine.configuration(workload)
        made = _commit(engine, workload, run_id)
        (image,) = [one for one in engine.snapshots() if one.id == made]
        assert (image.references, image.author, image.message) == ((), "Ann", "why\nindeed")
        assert image.labels[RUN_LABEL] == image.labels[SNAPSHOT_LABEL] == run_id
        assert image.labels["said"] == 'x"y\n$HOME'
        assert image.labels["team"] == workload.labels["team"]
        assert image.labels[_COMPOSE] == ""
        assert image.layers[:-1] == before.layers != ()
        assert image.parent in ("", before.image)
        assert engine.container(workload.id) == workload

    def test_commit_of_what_is_gone(
        self, engine: Engine, bench: Bench, run_id: str, new_name: NewName
    ) -> None:
        """A container that was removed is NotFound, whoever asks for it."""
        name = new_name("gone")
        bench.run(name)
        container = engine.container(name)
        bench.remove(name)
        with pytest.raises(NotFound):
            _commit(engine, container, run_id)
        with pytest.raises(NotFound):
            engine.configuration(container)
        assert not engine.remove_snapshot(run_id)

    def test_only_what_a_run_committed_is_removed(
        self, engine: Engine, workload: Container, run_id: str, new_name: NewName
    ) -> None:
        """Removing takes the image with all its names, leaves those of other runs, and may be repeated."""
        first, name = new_name("first"), parse(new_name("contract/web").lower() + ":1")
        one, two = _commit(engine, workload, run_id), _commit(engine, workload, first)
        try:
            engine.tag(one, name)
            engine.tag(one, replace(name, tag="2"))
            assert _of(engine, run_id).references == (name.text, replace(name, tag="2").text)
            assert _of(engine, first).references == ()
            assert not engine.remove_snapshot(run_id, is_own=lambda image: image.id != one)
            assert _of(engine, run_id).id == one
            assert engine.remove_snapshot(run_id)
            assert not engine.remove_snapshot(run_id)
            assert _of(engine, first).id == two
            with pytest.raises(NotFound):
                engine.image(name.text)
        finally:
            engine.remove_snapshot(first)

    def test_a_clone_is_like_the_original(
        self, engine: Engine, bench: Bench, workload: Container, run_id: str, empty: str, new_name: NewName
    ) -> None:
        """A clone has the snapshot's files, the original's labels without its identity, and the mounts it is given."""
        image, name = _commit(engine, workload, run_id), new_name("clone")
        text = engine.configuration(workload).text
        assert (engine.left_out(text), engine.powers(text)) == ((), ())
        path = bench.directory({"seen": b"on the host"})
        clone = Clone(
            name=name,
            image=image,
            configuration=text,
            run_id=run_id + "-later",
            mounts={"/data": empty, "/bound": HostPath(path)},
            labels={SNAPSHOT_LABEL: run_id},
        )
        made = engine.run_clone(clone)
        try:
            assert (made.name, made.state) == (name, "running")
            assert {mount.destination: mount.storage for mount in made.mounts} == clone.mounts
            assert made.labels["team"] == workload.labels["team"]
            assert (made.labels[RUN_LABEL], made.labels[SNAPSHOT_LABEL]) == (run_id + "-later", run_id)
            assert made.labels[_COMPOSE] == ""
            assert contents(read_all(engine, made.id, path="/made"))["made"] == b"by hand"
            assert [user.name for user in engine.users_of(empty)] == [name]
            with pytest.raises(Conflict):
                engine.run_clone(clone)
            with pytest.raises(Conflict):
                engine.remove_snapshot(run_id)
            assert engine.clone_of(run_id + "-later") == made
            assert engine.clone_of("another run") is None
            engine.remove_clone(name, "another run")
            assert engine.container(name) == made
        finally:
            engine.remove_clone(name, run_id + "-later")
        with pytest.raises(NotFound):
            engine.container(name)
        engine.remove_clone(name, run_id + "-later")

    def test_a_clone_of_what_is_missing_is_not_made(
        self, engine: Engine, workload: Container, run_id: str, new_name: NewName
    ) -> None:
        """Without its image or a volume to mount nothing is made, and no volume comes into being."""
        image, name, missing = _commit(engine, workload, run_id), new_name("clone"), new_name("missing")
        text = engine.configuration(workload).text
        for mounts, wanted in (({"/data": missing}, image), ({}, "sha256:" + "0" * 64)):
            with pytest.raises(NotFound):
                engine.run_clone(
                    Clone(name=name, image=wanted, configuration=text, run_id=run_id, mounts=mounts)
                )
        assert missing not in [volume.name for volume in engine.volumes()]
        with pytest.raises(NotFound):
            engine.container(name)


def _commit(engine: Engine, container: Container, run_id: str) -> str:
    commit = Commit(run_id=run_id, author="Ann", message="why\nindeed", labels={"said": 'x"y\n$HOME'})
    return engine.commit(container, commit)


def _of(engine: Engine, run_id: str) -> SnapshotImage:
    (found,) = [one for one in engine.snapshots() if one.labels[SNAPSHOT_LABEL] == run_id]
    return found
