"""Snapshots and clones against an engine in memory that fails, changes under them, and keeps a log of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL, HostPath, Mount
from bot.engine.snapshot_contract import Commit, SnapshotImage
from bot.errors import BotError, Cancelled, Conflict, EngineError, NotFound, UsageError
from bot.model import Status
from bot.operations.clone import clone, clone_after_crash, reply_of_clone
from bot.operations.cloneplan import ClonePlan, CloneWish
from bot.operations.quiesce import Quiesce, QuiescePolicy
from bot.operations.restorable import plan_of
from bot.operations.snapshot import Making, Taken, take
from bot.operations.snapshotlabels import Facts, Mounted, labels_of, read
from bot.operations.snapshotplan import (
    NO_RUN,
    Naming,
    SnapshotPlan,
    SnapshotWish,
    plan,
    reference_of,
    refuse_unheld,
)
from bot.operations.snapshots import find, listed
from bot.operations.snapshottold import reply_after_crash, reply_of
from bot.operations.snapshotundo import how_to_find, seconds_of, sweep_snapshots
from bot.reference import parse
from bot.stores.archive import SNAPSHOT, Archive
from tests.support.fake_run import FakeRun, Recorder

CLOCK = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
POLICY = QuiescePolicy()
NAME = parse("snapshots/web:1")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine here is at a commit that nobody waits for."""
    monkeypatch.setattr("bot.operations.snapshotundo._ALWAYS_SECONDS", 0)


@pytest.fixture
def engine() -> Recorder:
    """A container with a file of its own, a volume, a directory of the host and a socket; one more user."""
    made = Recorder()
    made.add_volume("data", {"a": b"saved"})
    made.add_directory("/srv/web", {"conf": b"1"})
    made.add_container(
        "web",
        {"data": "/data"},
        binds={"/srv/web": "/etc/web", "/run/docker.sock": "/docker.sock"},
        files={"/own": b"changed"},
        labels={"team": "shop", "com.docker.compose.project": "shop"},
        variables=("PASSWORD", "TOKEN"),
        ports=("80",),
    )
    made.add_container("other", {"data": "/data"})
    made.log.clear()
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", lambda: CLOCK)


@pytest.fixture
def run(engine: Recorder, archive: Archive) -> Iterator[FakeRun]:
    """A run; whatever became of it, nothing is left asleep, half made, or in the journal."""
    made = FakeRun(engine, archive)
    yield made
    assert {engine.container(name).state for name in ("web", "other")} == {"running"}
    assert engine.helpers() == ()
    assert made.journal == []


def _plan(engine: Recorder, **wish: object) -> SnapshotPlan:
    return plan(engine, SnapshotWish(container="web", **wish), POLICY)  # type: ignore[arg-type]


def _take(engine: Recorder, archive: Archive, run: FakeRun, **wish: object) -> Taken:
    return take(engine, archive, run, _plan(engine, **wish), Making(reference=NAME, at=CLOCK))


def test_a_snapshot_is_made_while_the_container_is_paused(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Its undo and the pause are written down first; it is named only after it was looked at; then it is told."""
    made = _plan(engine, note="why")
    taken = take(engine, archive, run, made, Making(reference=NAME, at=CLOCK))
    steps = [
        line for line in engine.log if line.split()[0] in ("journal", "pause", "commit", "unpause", "tag")
    ]
    assert [line.split()[0] for line in steps] == ["journal", "journal", "pause", "commit", "unpause", "tag"]
    snapshot = taken.snapshot
    assert (snapshot.id, snapshot.image.author, snapshot.image.message) == (run.run_id, "Ada <U1>", "why")
    assert snapshot.facts.by_id == "U1"
    assert snapshot.image.labels["com.docker.compose.project"] == ""
    reply = reply_of(taken, made)
    assert reply.status is Status.SUCCEEDED
    for words in ("volume data at /data", "/srv/web of the host at /etc/web", "PASSWORD, TOKEN"):
        assert words in reply.text
    assert [button.line for button in reply.buttons] == [
        "snapshot web --with-volumes --host local",
        "restore 7f3a2c",
    ]
    assert find(engine, run.run_id) == snapshot


def test_volumes_go_along_in_the_same_quiet_time(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Everybody who writes sleeps once; what can be backed up is, under the run's id, and the rest is named."""
    made = _plan(engine, with_volumes=True)
    assert made.targets == (
        "container:web", "volume:data", "container:other", "path:/srv/web", "volume:web:/etc/web",
    )  # fmt: skip
    taken = take(engine, archive, run, made, Making(reference=NAME, at=CLOCK))
    pauses = [line.split()[0] for line in engine.log if line.split()[0] in ("pause", "commit", "unpause")]
    assert pauses == ["pause", "pause", "commit", "unpause", "unpause"]
    backups = {backup.volume: backup.manifest for backup in archive.backups()}
    assert backups.keys() == {"data", "web:/etc/web"}
    assert {one.run_id for one in backups.values()} == {run.run_id}
    assert {one.purpose for one in backups.values()} == {SNAPSHOT}
    assert backups["data"].quiesce.mode == "pause"
    reply = reply_of(taken, made)
    assert reply.status is Status.SUCCEEDED
    assert "proven: data, web:/etc/web." in reply.text
    assert "What is mounted at /docker.sock is not backed up" in reply.text
    assert "socket" in reply.text


def test_a_partial_backup_makes_the_outcome_partial(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """A file that changes while it is copied is named, and the whole is partial."""
    engine.faults.during = [(600, lambda host: host.put_file("data", "a", b"other"))]
    made = _plan(engine, with_volumes=True, quiesce=Quiesce.NONE)
    reply = reply_of(take(engine, archive, run, made, Making(reference=NAME, at=CLOCK)), made)
    assert reply.status is Status.PARTIAL
    assert "The backup of volume data is partial" in reply.text
    assert reply.facts["reason"] == "changed"


@pytest.mark.parametrize("verb", ["commit", "create_tool", "read_volume", "tag", "snapshots"])
def test_whatever_fails_leaves_no_image(engine: Recorder, archive: Archive, run: FakeRun, verb: str) -> None:
    """An engine that fails at any step is told of, everybody is awake and there is no image."""
    engine.faults.failing[verb] = EngineError("broken")
    with pytest.raises(EngineError, match="broken"):
        _take(engine, archive, run, with_volumes=True)
    del engine.faults.failing[verb]
    assert listed(engine) == ()
    assert engine.images() == ()


def test_a_cancel_at_any_moment_leaves_nothing(engine: Recorder, archive: Archive) -> None:
    """At whichever check it ends, nobody stays asleep, and there is an image only if the run came to its end."""
    for number in range(1, 100):
        run = FakeRun(engine, archive)
        run.raise_at = number
        try:
            _take(engine, archive, run)
        except Cancelled:
            assert engine.images() == ()
            assert run.journal == []
            assert engine.container("web").state == "running"
            continue
        assert number > 4
        return
    raise AssertionError("it never came to its end")


def test_proven_backups_outlive_a_snapshot_that_fails(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """What was proven is not thrown away, and the error says so; after a crash the ending says the same."""
    engine.faults.failing["tag"] = EngineError("broken")
    with pytest.raises(EngineError) as raised:
        _take(engine, archive, run, with_volumes=True)
    assert "data, web:/etc/web were proven by then and stay" in "".join(raised.value.__notes__)
    told = reply_after_crash(engine, archive, run.run_id, kept=False)
    assert told is not None
    assert (told.status, "There is no image" in told.text) == (Status.INTERRUPTED, True)
    assert reply_after_crash(engine, archive, "00000000", kept=False) is None


def test_a_name_is_never_taken_from_another_image(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """A tag that is there, or comes to be there meanwhile, is a conflict, and stays where it is."""
    other = engine.add_image(NAME.text)
    with pytest.raises(Conflict, match="already"):
        _take(engine, archive, run)
    del engine.kept_images[other.id]
    engine.faults.before["commit"] = [lambda host: host.add_image(NAME.text)]
    with pytest.raises(Conflict, match="already"):
        _take(engine, archive, run)
    (left,) = engine.images()
    assert left.references == (NAME.text,)


def test_a_container_that_was_woken_meanwhile_gives_no_snapshot(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Somebody wakes it while the image is made: what is in that may not fit together, so it is not kept."""
    engine.faults.before["commit"] = [lambda host: host.unpause(host.container("web"))]
    with pytest.raises(Conflict, match="woke or started"):
        _take(engine, archive, run)
    assert engine.images() == ()


def test_an_image_that_is_not_what_it_should_be_does_not_count(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """A commit that Docker calls done, but whose image is not on the container's own layers, is refused and removed."""
    made = _plan(engine)
    other = replace(made, configuration=replace(made.configuration, layers=("another layer",)))
    with pytest.raises(EngineError, match="not there as it should"):
        take(engine, archive, run, other, Making(reference=NAME, at=CLOCK))
    assert engine.images() == ()


def test_a_dead_process_leaves_nothing(engine: Recorder, run: FakeRun) -> None:
    """After a crash in mid-commit the container is woken first, then the image that came late is removed."""
    made = _plan(engine)

    life = made.container
    run.entries = [
        ("remove_snapshot", {"run": run.run_id, "name": "x", "seconds": "5", "layers": "2"}),
        ("unpause", {"container": life.id, "started_at": life.started_at, "name": life.name}),
    ]
    engine.pause(life)
    engine.faults.before["remove_snapshot"] = [
        lambda _: None,
        lambda _: _commit(engine, made, run.run_id),  # finished only while it is looked for
    ]
    run.recover()
    assert engine.images() == ()


def _commit(engine: Recorder, made: SnapshotPlan, run_id: str) -> None:
    """As an engine that nobody waits for any more."""
    engine.commit(made.container, Commit(run_id=run_id, author="", message=""))


def test_what_came_later_than_anybody_waited_is_swept(engine: Recorder) -> None:
    """A nameless image of a run that ended without a snapshot goes; one with a name or of another run stays."""
    made = _plan(engine)
    for run_id in ("aaaaaaaa", "bbbbbbbb", "cccccccc"):
        _commit(engine, made, run_id)
    kept = engine.snapshots()[1]
    engine.tag(kept.id, NAME)
    sweep_snapshots([engine], lambda run_id: {"layers": "2"} if run_id != "cccccccc" else None)
    assert [image.labels[RUN_LABEL] for image in engine.snapshots()] == ["bbbbbbbb", "cccccccc"]


def test_what_was_built_from_a_snapshot_is_never_taken_back(engine: Recorder, run: FakeRun) -> None:
    """It bears the snapshot's labels, and has more layers: neither the sweep nor a dead process's undo removes it."""
    made = _plan(engine)
    how = how_to_find(made.configuration)
    assert how["layers"] == "2"
    for run_id in (run.run_id, "aaaaaaaa"):
        _commit(engine, made, run_id)
        _build_from(engine, engine.snapshots()[-1])
    sweep_snapshots([engine], lambda run_id: how if run_id == "aaaaaaaa" else None)
    sweep_snapshots([engine], lambda run_id: how if run_id == "aaaaaaaa" else None)
    run.entries = [("remove_snapshot", {"run": run.run_id, "name": "x", **how})]
    run.recover()
    assert [len(image.layers) for image in engine.snapshots()] == [3, 3]


def _build_from(engine: Recorder, image: SnapshotImage) -> None:
    kept = engine.committed[image.id]
    child = replace(image, id=f"{image.id}-child", layers=(*image.layers, "one more"))
    engine.committed[child.id] = replace(kept, seen=child)
    engine.kept_images[child.id] = replace(engine.kept_images[image.id], id=child.id)


def test_a_commit_is_given_time_by_its_size() -> None:
    """How long a dead process's commit is waited for grows with the layer, and has an end."""
    assert seconds_of(0) == 0
    assert seconds_of(1 << 30) == pytest.approx(53, abs=1)
    assert seconds_of(1 << 50) == 900


@pytest.mark.parametrize(
    ("asked", "naming", "name"),
    [
        ("", Naming(), "snapshots/web:20261103T040506Z-00000000"),
        ("team/web", Naming(), "team/web:20261103T040506Z-00000000"),
        ("reg:5000/team/web:1", Naming(), "reg:5000/team/web:1"),
        ("", Naming(repository="{host}/{container}", tag="{run}"), "local/web:00000000"),
    ],
)
def test_names_come_from_the_command_or_the_settings(
    engine: Recorder, asked: str, naming: Naming, name: str
) -> None:
    """A whole name is taken as it is; what is missing of one comes from the settings."""
    assert reference_of(naming, _plan(engine, reference=asked), ("local", NO_RUN, CLOCK)).familiar == name


def test_odd_container_names_make_proper_repositories(engine: Recorder) -> None:
    """Docker's names for containers hold more than its names for repositories do."""
    engine.add_container("My..App_")
    made = plan(engine, SnapshotWish(container="My..App_"), POLICY)
    assert reference_of(Naming(), made, ("local", NO_RUN, CLOCK)).repository == "snapshots/my-app"
    with pytest.raises(UsageError, match="digest"):
        reference_of(Naming(), _plan(engine, reference=f"a@sha256:{'0' * 64}"), ("local", NO_RUN, CLOCK))


def test_helpers_and_what_changed_since_are_refused(engine: Recorder) -> None:
    """None of our own containers is snapshotted, and nothing that the run does not hold is touched."""
    engine.create_helper("ours", "data", run_id="r", read_only=True)
    with pytest.raises(Conflict, match="own helpers"):
        plan(engine, SnapshotWish(container="ours"), POLICY)
    with pytest.raises(Conflict, match="changed since"):
        refuse_unheld(_plan(engine), None)


def test_labels_say_all_of_a_snapshot(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """What is kept in labels is read again as it was; labels that somebody spoilt are no snapshot."""
    facts = Facts(
        by="Ada",
        by_id="U1",
        made_at=CLOCK.isoformat(),
        container="web",
        host="local",
        image="web:1",
        mounts=(Mounted(kind="volume", source="data", destination="/data", backup="data"),),
        configuration='{"a":"ä"}' * 100,
    )
    image = _take(engine, archive, run).snapshot.image
    good = {**image.labels, **labels_of(facts)}
    assert read(replace(image, labels=good)).facts == facts
    for spoilt in ({"shipkeeper.snapshot.configuration": "AAAA"}, {"shipkeeper.snapshot.mounts": "[1]"}):
        with pytest.raises(EngineError, match="cannot be read"):
            read(replace(image, labels={**good, **spoilt}))


# ---- clones ------------------------------------------------------------------------------------------------


def _wish(engine: Recorder, archive: Archive, snapshot: str, **wish: object) -> ClonePlan:
    return CloneWish(archive=archive, snapshot=snapshot, **wish).plan(engine)  # type: ignore[arg-type]


def test_a_clone_gets_volumes_of_its_own(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """It has the files and the volume of that moment, and says what it lacks; the original is not touched."""
    _take(engine, archive, run, with_volumes=True)
    engine.put_file("data", "a", b"later")
    made = _wish(engine, archive, run.run_id)
    assert made.name == "web-restored-7f3a2c"
    done = clone(engine, archive, run, made)
    assert (done.container.name, done.container.state) == (made.name, "running")
    assert engine.files("data-restored-7f3a2c") == {"a": b"saved"}
    assert engine.files("data") == {"a": b"later"}
    assert engine.layer(made.name).files()["own"] == b"changed"
    assert [user.name for user in engine.users_of("data")] == ["other", "web"]
    reply = reply_of_clone(done, made, "local")
    assert reply.status is Status.SUCCEEDED
    assert "port 80 of the host, which is taken" in reply.text
    assert "/run/docker.sock of the host at /docker.sock, for it was not backed up" in reply.text
    told = clone_after_crash(engine, run.run_id)
    assert told is not None
    assert made.name in told.text
    with pytest.raises(Conflict, match="already"):
        clone(engine, archive, run, _wish(engine, archive, run.run_id))


def test_an_older_image_with_the_same_labels_takes_nobodys_place(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Of two that say they are the snapshot, the one that the run made is cloned, however old the other says it is."""
    made = _take(engine, archive, run).snapshot
    kept = engine.committed[made.image.id]
    older = {"sha256:older": replace(kept, seen=replace(made.image, id="sha256:older"))}
    engine.committed = {**older, **engine.committed}
    engine.kept_images["sha256:older"] = replace(engine.kept_images[made.image.id], id="sha256:older")
    assert _wish(engine, archive, run.run_id).snapshot.image.id == "sha256:older"
    ours = _wish(engine, archive, run.run_id, is_ours=lambda _, image: image == made.image.id)
    assert ours.snapshot.image.id == made.image.id


def test_live_volumes_are_shared_only_when_asked(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Without backups nothing is mounted, unless the original's own volumes are wanted; that is told, and held."""
    _take(engine, archive, run)
    assert _wish(engine, archive, run.run_id).mounts == {}
    shared = _wish(engine, archive, run.run_id, name="second", share_volumes=True, is_ours=_all_are_ours)
    assert shared.mounts == {
        "/data": "data",
        "/etc/web": HostPath("/srv/web"),
        "/docker.sock": HostPath("/run/docker.sock"),
    }
    assert {"volume:data", "path:/srv/web", "container:second", "container:web"} <= set(shared.targets)
    assert "Shared with the original" in clone_text(engine, archive, run, shared)


def _all_are_ours(_run: str, _image: str) -> bool:
    return True


@pytest.mark.parametrize(("source", "is_refused"), [("a" * 64, False), ("data", True)])
def test_a_mount_that_nobody_asked_for_ends_a_clone(
    engine: Recorder, archive: Archive, run: FakeRun, source: str, is_refused: bool
) -> None:
    """What the engine mounts beyond the plan is refused, and the clone removed; a volume of the image’s own is not."""
    _take(engine, archive, run)
    made = _wish(engine, archive, run.run_id)

    def mount(host: Recorder) -> None:
        box = host.boxes[made.name]
        stray = Mount(kind="volume", source=source, destination="/stray")
        box.container = replace(box.container, mounts=(*box.container.mounts, stray))

    engine.faults.before["container"] = [lambda _: None, mount]  # the first looks whether the name is taken
    if not is_refused:
        assert clone(engine, archive, run, made).container.name == made.name
        return
    with pytest.raises(EngineError, match="does not mount what it was told to"):
        clone(engine, archive, run, made)
    assert made.name not in engine.boxes


def clone_text(engine: Recorder, archive: Archive, run: FakeRun, made: ClonePlan) -> str:
    """What is told of it."""
    return reply_of_clone(clone(engine, archive, run, made), made, "local").text


def test_a_clone_that_does_not_start_leaves_nothing(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Container and restored volumes are removed again, and the sentence says why."""
    _take(engine, archive, run, with_volumes=True)
    before = [volume.name for volume in engine.volumes()]
    engine.clones_fail = True
    with pytest.raises(EngineError, match="could not be started"):
        clone(engine, archive, run, _wish(engine, archive, run.run_id))
    assert [volume.name for volume in engine.volumes()] == before
    with pytest.raises(NotFound):
        engine.container("web-restored-7f3a2c")
    assert clone_after_crash(engine, run.run_id) is None


def test_a_cancelled_clone_leaves_nothing(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """At whichever check it ends, neither the container nor a volume is left."""
    _take(engine, archive, run, with_volumes=True)
    before = [volume.name for volume in engine.volumes()]
    made = _wish(engine, archive, run.run_id)
    for number in range(1, 400, 7):
        cancelled = FakeRun(engine, archive)
        cancelled.raise_at = number
        try:
            clone(engine, archive, cancelled, made)
        except BotError:
            assert [volume.name for volume in engine.volumes()] == before
            assert cancelled.journal == []
            continue
        return
    raise AssertionError("it never came to its end")


def test_snapshots_of_other_hosts_share_nothing(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """What lies on another machine cannot be shared, and what is not here cannot be cloned."""
    _take(engine, archive, run)
    engine.host = "elsewhere"
    with pytest.raises(Conflict, match="was made on host local"):
        _wish(engine, archive, run.run_id, share_volumes=True)
    with pytest.raises(NotFound, match="no snapshot"):
        _wish(engine, archive, "00000000")
    engine.host = "local"


def test_the_backups_of_a_clone_are_held_where_they_were_taken(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Nothing prunes them there while another host makes volumes of them."""
    _take(engine, archive, run, with_volumes=True)
    engine.host = "elsewhere"
    made = plan_of(_wish(engine, archive, run.run_id), engine.host)
    engine.host = "local"
    assert made.elsewhere == (("local", "volume:data"), ("local", "volume:web:/etc/web"))


def test_downtime_ends_a_commit(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """A container that would sleep too long is woken, and no image is kept."""
    policy = replace(POLICY, max_downtime=timedelta(0))
    made = plan(engine, SnapshotWish(container="web"), policy)
    with pytest.raises(EngineError, match="may sleep"):
        take(engine, archive, run, made, Making(reference=NAME, at=CLOCK))
    assert engine.images() == ()
