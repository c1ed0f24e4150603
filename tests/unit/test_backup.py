"""Backup against an engine in memory that is cut, fails, changes under it, and keeps a log of what was done."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import (
    ArchiveError,
    Cancelled,
    Conflict,
    EngineError,
    LostHold,
    NotFound,
    StreamCut,
    UsageError,
)
from bot.model import Status
from bot.operations.backup import Backed, Still, back_up, back_up_still
from bot.operations.backupplan import BackupPlan, Wish, plan
from bot.operations.backuptold import reply_of
from bot.operations.downtime import Downtime
from bot.operations.presets import PRESETS
from bot.operations.quiesce import Quiesce, QuiescePolicy
from bot.operations.sources import resolve
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup, Draft
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun, Recorder

CLOCK = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
FILES = {"a": b"one", "b": b"two" * 500}
POLICY = QuiescePolicy()
RANDOM_RUNS = 100
QUIET_RUNS = 30


@pytest.fixture
def engine() -> Recorder:
    made = Recorder()
    made.add_volume("pgdata", FILES, team="db")
    made.log.clear()
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", lambda: CLOCK)


@pytest.fixture
def run(engine: Recorder, archive: Archive) -> FakeRun:
    return FakeRun(engine, archive)


def planned(
    engine: FakeEngine, quiesce: Quiesce | None = None, source: str = "pgdata", *, dump: bool = False
) -> BackupPlan:
    return plan(engine, Wish(source=source, quiesce=quiesce, dump=dump), POLICY)


def taken(engine: FakeEngine, archive: Archive, run: FakeRun, source: str = "pgdata") -> Backup:
    """A backup without disturbing anybody."""
    return back_up(engine, archive, run, planned(engine, None, source)).backup


def nothing_left(engine: FakeEngine, archive: Archive) -> bool:
    return not engine.helpers() and not archive.backups() and not list(archive.root.rglob("*.*"))


def reasons(backup: Backup) -> dict[str, str]:
    """What its manifest says is not as it should be."""
    return {problem.path: str(problem.reason) for problem in backup.manifest.problems.listed}


# ---- the plan -----------------------------------------------------------------------------------------


def test_the_plan_names_only_running_users(engine: Recorder) -> None:
    """Containers that do not run are left alone, and without quiescing nobody is touched."""
    engine.add_container("db", ["pgdata"])
    engine.add_container("old", ["pgdata"], state="exited")
    engine.add_container("asleep", ["pgdata"], state="paused")
    engine.add_container("stranger")
    made = planned(engine, Quiesce.PAUSE)
    assert [sleeper.container.name for sleeper in made.sleepers] == ["db"]
    assert set(made.targets) == {"volume:pgdata", "container:db", "container:old", "container:asleep"}
    assert planned(engine, Quiesce.NONE).sleepers == ()
    assert planned(engine).targets == ("volume:pgdata",)
    with pytest.raises(NotFound):
        planned(engine, source="nothing")


def test_the_plan_says_what_each_container_does_meanwhile(engine: Recorder) -> None:
    """Labels decide for each container alone; hooks and inner mounts are named, and hooks' containers are held."""
    engine.add_container("db", ["pgdata"], labels={"shipkeeper.quiesce": "stop"})
    engine.add_container(
        "web", ["pgdata"], labels={"shipkeeper.quiesce": "pause", "shipkeeper.backup.pre": "x"}
    )
    made = planned(engine)
    assert made.text == (
        "Back up volume pgdata, with web paused and db stopped while it is read. "
        "Hooks run in web before and after."
    )
    assert (made.mode, made.kind) == ("stop", "volume")
    loud = planned(engine, Quiesce.NONE)
    assert loud.text == "Back up volume pgdata. Hooks run in web before and after."
    assert loud.targets == ("volume:pgdata", "container:web")


# ---- what a backup is ---------------------------------------------------------------------------------


def test_a_backup_holds_what_the_engine_sent_and_who_asked(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The bytes are in the archive, the facts in the manifest, and no helper or journal entry is left."""
    engine.add_container("db", ["pgdata"])
    wish = Wish(source="pgdata", quiesce=Quiesce.PAUSE, note="before the upgrade")
    made = back_up(engine, archive, run, plan(engine, wish, POLICY)).backup
    manifest = made.manifest
    assert [entry.path for entry in archive.entries(made)] == [".", "a", "b"]
    assert sorted(item.path for item in archive.items(made)) == [".", "a", "b"]
    assert FILES["b"] in b"".join(archive.open(made))
    assert archive.backups() == (made,)
    assert (manifest.volume.labels, manifest.engine.name) == ({"team": "db"}, "fake")
    assert (manifest.actor, manifest.run_id, manifest.note) == (run.actor, run.run_id, "before the upgrade")
    assert (manifest.quiesce.mode, manifest.quiesce.containers) == ("pause", ("db",))
    assert (made.is_ok, manifest.lost, manifest.problems.count) == (True, (), 0)
    assert manifest.downtime_seconds is not None
    assert "inventory-before-and-after" in manifest.proof
    assert not engine.helpers()
    assert run.journal == []
    assert {"listing", "copying", "listing again", "reading back"} <= set(run.steps)
    archive.prove(made, lambda _: None)


@pytest.mark.parametrize(
    ("mode", "down", "up"), [(Quiesce.PAUSE, "pause", "unpause"), (Quiesce.STOP, "stop", "start")]
)
def test_each_container_sleeps_only_while_the_volume_is_read(
    engine: Recorder, archive: Archive, run: FakeRun, mode: Quiesce, down: str, up: str
) -> None:
    """Helper and tool stand before anybody sleeps, each undo is journaled first, all wake right behind the read."""
    engine.add_container("db", ["pgdata"])
    engine.add_container("web", ["pgdata"])
    engine.add_container("old", ["pgdata"], state="exited")
    back_up(engine, archive, run, planned(engine, mode))
    verbs = [" ".join(line.split()[:2]) for line in engine.log]
    assert verbs == [
        "journal discard_draft", "journal remove_helper", "create_helper pgdata", "journal remove_helper",
        f"journal {up}", f"{down} db", f"journal {up}", f"{down} web",
        "read shipkeeper-read-7f3a2c", f"{up} web", f"{up} db",
        "remove_helper shipkeeper-read-walk-7f3a2c", "remove_helper shipkeeper-read-7f3a2c",
    ]  # fmt: skip
    assert [user.state for user in engine.users_of("pgdata")] == ["running", "exited", "running"]


def test_what_the_tar_cannot_say_is_in_the_inventory(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Nanoseconds and attributes are kept beside the tar; sockets and the holes of sparse files are named."""
    tree = engine.tree("pgdata")
    tree.file("fine", b"x", mtime_ns=1_600_000_000_123_456_789, attributes={"user.note": b"hi"})
    tree.special("run/x.sock", "socket")
    tree.file("sparse", bytes(5_000_000), used_bytes=4096)
    made = taken(engine, archive, run)
    (fine,) = [item for item in archive.items(made) if item.path == "fine"]
    assert (fine.mtime_ns, fine.attributes) == (1_600_000_000_123_456_789, {"user.note": "6869"})
    assert made.is_ok
    assert made.manifest.lost == (
        "socket run/x.sock",
        "sparseness: 1 sparse file is stored full, 5.0 MB more when restored",
    )


def test_everything_that_a_tar_can_hold_is_proven(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Links, devices, odd modes, owners, times and names are the same in the walk and in the tar."""
    tree = engine.tree("pgdata")
    tree.file("deep/first", b"shared", mode=0o4755, uid=3_000_000, gid=7)
    tree.hard_link("deep/second", "deep/first")
    tree.hard_link("another", "deep/first")
    tree.symlink("dangling", "/nowhere/\udcff")
    tree.hard_link("same link", "dangling")
    tree.special("pipe", "fifo", mode=0o600)
    tree.special("null", "char", (1, 3))
    tree.special("disk", "block", (8, 1))
    tree.file("old\nname\udcfe", b"", mtime_ns=-1_500_000_000)
    tree.directory("empty", mode=0o1777)
    made = taken(engine, archive, run)
    assert reasons(made) == {}
    assert made.is_ok


# ---- what is not whole --------------------------------------------------------------------------------


def test_a_cut_stream_is_never_a_backup(
    engine: Recorder, archive: Archive, run: FakeRun, tmp_path: Path
) -> None:
    """Wherever the engine silently ends too early, nothing is kept and the users are awake."""
    raw_bytes = taken(engine, archive, run).manifest.raw.bytes
    empty = Archive(tmp_path / "empty", lambda: CLOCK)
    engine.add_container("db", ["pgdata"])
    engine.faults.cut_silently = True
    run = FakeRun(engine, empty)
    for cut in range(0, raw_bytes, 256):
        engine.faults.cut_at_byte = cut
        with pytest.raises(StreamCut):
            back_up(engine, empty, run, planned(engine, Quiesce.PAUSE))
        assert nothing_left(engine, empty)
        assert engine.state("db") == "running"
    engine.faults.cut_at_byte = raw_bytes
    assert back_up(engine, empty, run, planned(engine, Quiesce.PAUSE)).backup.is_ok


def test_a_file_that_shrinks_while_it_is_read_is_never_a_backup(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The daemon's silent loss of all later files is noticed."""
    engine.faults.shrinking_file = "a"
    with pytest.raises(StreamCut):
        taken(engine, archive, run)
    assert nothing_left(engine, archive)


CHANGES: dict[str, tuple[Callable[[FakeEngine], object], dict[str, str]]] = {
    "vanishes": (lambda engine: engine.tree("pgdata").remove("b"), {"b": "vanished"}),
    "appears": (lambda engine: engine.put_file("pgdata", "c", b"new"), {"c": "appeared"}),
    "is rewritten": (lambda engine: engine.tree("pgdata").rewrite("b", b"owt" * 500), {"b": "changed"}),
    "is rewritten, time set back": (
        lambda engine: engine.put_file("pgdata", "b", b"owt" * 500),
        {"b": "changed"},
    ),
    "is owned by another": (lambda engine: engine.tree("pgdata").change("b", uid=9), {"b": "changed"}),
    "grows": (lambda engine: engine.tree("pgdata").resize("b", 9_000), {"b": "changed"}),
    "is renamed": (lambda engine: engine.tree("pgdata").rename("b", "z"), {"b": "vanished", "z": "appeared"}),
    "gets another name": (
        lambda engine: engine.tree("pgdata").hard_link("z", "b"),
        {"b": "changed", "z": "appeared"},
    ),
    "root changes its mode": (lambda engine: engine.tree("pgdata").change("", mode=0o700), {".": "changed"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_while_it_is_read_makes_it_partial(
    engine: Recorder, archive: Archive, run: FakeRun, change: str
) -> None:
    """The file that changed is named with its reason, and no other; the backup is kept, and counts for nothing."""
    act, wanted = CHANGES[change]
    engine.faults.during = [(600, act)]
    made = back_up(engine, archive, run, planned(engine))
    assert reasons(made.backup) == wanted
    assert (made.backup.is_ok, made.backup.manifest.problems.count) == (False, len(wanted))
    reply = reply_of(made)
    assert (reply.status, reply.facts["problems"]) == (Status.PARTIAL, len(wanted))
    assert all(f"“{path}”" in reply.text for path in wanted)
    assert reply.facts["reason"] in wanted.values()
    archive.prove(made.backup, lambda _: None)


def test_a_temporary_file_between_two_looks_is_no_problem(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """A directory whose own times moved, and all of whose children are as before, is whole."""

    def come_and_go(host: FakeEngine) -> None:
        host.put_file("pgdata", "A", b"temporary")
        host.tree("pgdata").remove("A")

    engine.faults.during = [(600, come_and_go)]
    assert taken(engine, archive, run).is_ok


def test_a_file_that_docker_leaves_out_or_adds_is_found(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The walks agree and the tar does not: somebody hid a file while the tar was made, and put it back as it was."""
    held = engine.tree("pgdata").node("b")

    def hide(host: FakeEngine) -> None:
        del host.tree("pgdata").root.children["b"]
        host.tree("pgdata").root.children["c"] = held

    def show(host: FakeEngine) -> None:
        del host.tree("pgdata").root.children["c"]
        host.tree("pgdata").root.children["b"] = held

    engine.faults.before = {"read_volume": [hide], "inventory": [lambda _: None, lambda _: None, show]}
    assert reasons(taken(engine, archive, run)) == {"b": "missing", "c": "unexpected"}


def _fill(engine: FakeEngine, chance: random.Random) -> None:
    tree = engine.tree("pgdata")
    for number in range(chance.randrange(1, 12)):
        path = "/".join(chance.choice("abcd") + "d" for _ in range(chance.randrange(3))) + f"/f{number}"
        tree.file(path, chance.randbytes(chance.randrange(3_000)), mode=chance.choice((0o600, 0o4755)))
        if chance.random() < 0.2:
            tree.hard_link(f"links/{number}", path)


def _state(engine: FakeEngine) -> dict[str, tuple[object, ...]]:
    """All that a backup must hold of the volume: of directories without their times."""
    found = {}
    for path, node in engine.tree("pgdata").walk():
        seconds = 0 if node.kind == "directory" else node.mtime_ns // 1_000_000_000
        sha256 = hashlib.sha256(node.data).hexdigest() if node.kind == "file" else None
        found[path or "."] = (node.mode, node.uid, node.gid, seconds, sha256)
    return found


def _held(archive: Archive, backup: Backup) -> dict[str, tuple[object, ...]]:
    held = {entry.path: entry for entry in archive.entries(backup)}
    found: dict[str, tuple[object, ...]] = {}
    for path, entry in held.items():
        first = held[entry.link] if entry.kind == "hardlink" and entry.link else entry
        seconds = 0 if entry.kind == "directory" else first.mtime
        found[path] = (first.mode, first.uid, first.gid, seconds, first.sha256)
    return found


def _any_change(chance: random.Random) -> Callable[[FakeEngine], object]:
    """A change that some program makes, of a file drawn only when it happens."""
    kind, seed = (
        chance.choice(("remove", "add", "rewrite", "resize", "rename", "chmod", "link", "set back")),
        chance.random(),
    )

    def act(engine: FakeEngine) -> None:
        tree, draw = engine.tree("pgdata"), random.Random(seed)
        paths = sorted(tree.files())
        if kind == "add" or not paths:
            tree.file(f"{draw.choice('abcd')}d/new{draw.randrange(99)}", draw.randbytes(50))
            return
        path = draw.choice(paths)
        size = len(tree.node(path).data)
        {
            "remove": lambda: tree.remove(path),
            "rewrite": lambda: tree.rewrite(path, draw.randbytes(size)),
            "resize": lambda: tree.resize(path, draw.randrange(2 * size + 1)),
            "rename": lambda: tree.rename(path, f"moved{draw.randrange(99)}"),
            "chmod": lambda: tree.change(path, mode=0o640),
            "link": lambda: tree.hard_link(f"extra{draw.randrange(99)}", path),
            "set back": lambda: tree.file(path, draw.randbytes(size)),
        }[kind]()

    return act


@pytest.mark.parametrize("seed", range(RANDOM_RUNS))
def test_whatever_changes_it_is_never_called_whole(tmp_path: Path, seed: int) -> None:
    """Random trees, random changes at random bytes: OK only if it holds exactly what was there at first."""
    chance, engine = random.Random(seed), FakeEngine()
    engine.add_volume("pgdata")
    _fill(engine, chance)
    archive = Archive(tmp_path, lambda: CLOCK)
    first = _state(engine)
    size = 512 * len(first) + sum(len(data) for data in engine.files("pgdata").values())
    engine.faults.during = sorted(
        ((chance.randrange(size), _any_change(chance)) for _ in range(chance.randrange(1, 4))),
        key=lambda item: item[0],
    )
    try:
        made = taken(engine, archive, FakeRun(engine, archive))
    except EngineError:
        assert nothing_left(engine, archive)
        return
    assert not made.is_ok or _held(archive, made) == first == _state(engine)
    archive.prove(made, lambda _: None)


@pytest.mark.parametrize("seed", range(QUIET_RUNS))
def test_a_quiet_volume_is_always_whole(tmp_path: Path, seed: int) -> None:
    """No false alarm, and what is held is what was there."""
    chance, engine = random.Random(seed), FakeEngine()
    engine.add_volume("pgdata")
    _fill(engine, chance)
    archive = Archive(tmp_path, lambda: CLOCK)
    made = taken(engine, archive, FakeRun(engine, archive))
    assert reasons(made) == {}
    assert _held(archive, made) == _state(engine)


# ---- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["info", "create_helper", "create_tool", "inventory", "stop", "read_volume"])
def test_an_engine_that_fails_leaves_everything_as_it_was(
    engine: Recorder, archive: Archive, run: FakeRun, verb: str
) -> None:
    """Whichever verb fails, nothing is published, nobody is left asleep and no helper stays."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {verb: EngineError("The engine does not answer.")}
    with pytest.raises(EngineError, match="does not answer"):
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert nothing_left(engine, archive)
    assert engine.state("db") == "running"


def test_a_walk_that_ends_too_early_is_no_proof(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Half a list proves nothing, so nothing is kept."""
    engine.faults.inventory_ends_after = 2
    with pytest.raises(EngineError):
        taken(engine, archive, run)
    assert nothing_left(engine, archive)


@pytest.mark.parametrize("verb", ["create_helper", "create_tool"])
def test_nobody_is_stopped_when_helper_or_tool_cannot_be_made(
    engine: Recorder, archive: Archive, run: FakeRun, verb: str
) -> None:
    """Downtime begins only when the copy can."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {verb: EngineError("No helper.")}
    with pytest.raises(EngineError):
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert not [line for line in engine.log if line.startswith("stop")]


def test_nobody_is_stopped_when_there_is_no_room(
    engine: Recorder, archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing bytes are named before anybody sleeps: by its size at first, by the last backup later."""
    engine.add_container("db", ["pgdata"])
    asked: list[tuple[int, str]] = []
    monkeypatch.setattr(Archive, "refuse_full", lambda _self, needed, what: asked.append((needed, what)))
    made = back_up(engine, archive, run, planned(engine, Quiesce.STOP)).backup
    back_up(engine, archive, FakeRun(engine, archive), replace(planned(engine), note="again"))
    assert asked[0][0] >= 1503
    assert asked[1][0] == int(made.manifest.stored.bytes * 1.1)

    def refuse(_self: Archive, needed_bytes: int, what: str) -> None:
        raise ArchiveError(f"{what} needs {needed_bytes}", reason=Reason.DISK_FULL)

    monkeypatch.setattr(Archive, "refuse_full", refuse)
    engine.log.clear()
    with pytest.raises(ArchiveError, match="the backup of volume pgdata"):
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert not [line for line in engine.log if line.startswith("stop")]


def test_a_backup_may_be_cancelled_at_every_check(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Whenever the run is told to end it leaves nothing behind; only an undisturbed one is a backup."""
    engine.add_container("db", ["pgdata"])
    for moment in range(1, 80):
        run.checks, run.raise_at = 0, moment
        try:
            back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
        except Cancelled:
            assert nothing_left(engine, archive)
            assert engine.state("db") == "running"
        else:
            break
    assert moment > 5
    assert len(archive.backups()) == 1


def test_a_cancel_ends_a_stream_that_says_nothing(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """The waiting read is ended, and what is told is the cancel and not the cut that it made."""
    engine.stall = timedelta(seconds=60)
    engine.faults.stall_at_byte = 512
    engine.before["read"] = run.cancel
    with pytest.raises(Cancelled):
        taken(engine, archive, run)
    assert nothing_left(engine, archive)


@pytest.mark.parametrize("said", [Conflict("It does not run."), NotFound("There is none.")])
def test_a_walk_whose_tool_was_removed_for_a_cancel_is_cancelled(
    engine: Recorder, archive: Archive, run: FakeRun, said: Exception
) -> None:
    """What Docker says of the tool that was taken away is not what the run ended for."""

    def cancelled(_host: FakeEngine) -> None:
        run.cancel()
        raise said

    engine.faults.before = {"inventory": [cancelled]}
    with pytest.raises(Cancelled):
        taken(engine, archive, run)
    assert nothing_left(engine, archive)


def test_a_lost_hold_touches_nothing(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Who lost the run publishes nothing and undoes nothing: the next holder will."""
    engine.add_container("db", ["pgdata"])
    made = planned(engine, Quiesce.PAUSE)
    run.error = LostHold()
    engine.before["pause"] = lambda: setattr(run, "raise_at", 1)
    with pytest.raises(LostHold):
        back_up(engine, archive, run, made)
    assert archive.backups() == ()
    assert engine.state("db") == "paused"
    assert run.journal == ["discard_draft", "remove_helper", "remove_helper", "unpause"]


def test_users_that_came_since_the_plan_are_not_touched(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """When other containers run than were planned for, nobody is paused and nothing is saved."""
    engine.add_container("db", ["pgdata"])
    agreed = planned(engine, Quiesce.PAUSE)
    engine.add_container("late", ["pgdata"])
    with pytest.raises(Conflict, match="late"):
        back_up(engine, archive, run, agreed)
    assert nothing_left(engine, archive)
    assert not [line for line in engine.log if line.startswith("pause")]


@pytest.mark.parametrize("quiesce", [Quiesce.PAUSE, Quiesce.STOP])
def test_a_user_that_wakes_while_the_volume_is_read_spoils_the_backup(
    engine: Recorder, archive: Archive, run: FakeRun, quiesce: Quiesce
) -> None:
    """What was to be kept still and was not is no proven backup: it is refused, and names who was awake."""
    engine.add_container("db", ["pgdata"])
    engine.before["read"] = lambda: engine.add_container("late", ["pgdata"])
    with pytest.raises(Conflict, match=r"woke or started late.*Nothing was saved"):
        back_up(engine, archive, run, planned(engine, quiesce))
    assert not archive.backups()
    assert (engine.state("db"), engine.state("late")) == ("running", "running")


def test_a_container_that_somebody_else_paused_is_not_woken(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """When pausing conflicts, the container was put to sleep by another hand, which has to wake it."""
    engine.add_container("db", ["pgdata"])
    engine.before["pause"] = lambda: FakeEngine.pause(engine, engine.container("db"))
    with pytest.raises(Conflict, match="is paused"):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert engine.state("db") == "paused"
    assert "unpause db" not in engine.log
    assert nothing_left(engine, archive)


def test_a_downtime_that_is_over_ends_the_backup(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """The stream is cut, everybody is awake, nothing is kept, and the reason says why."""
    engine.add_container("db", ["pgdata"])
    engine.stall = timedelta(seconds=60)
    engine.faults.stall_at_byte = 512
    policy = QuiescePolicy(max_downtime=timedelta(seconds=0.2))
    made = plan(engine, Wish(source="pgdata", quiesce=Quiesce.STOP), policy)
    with pytest.raises(EngineError) as raised:
        back_up(engine, archive, run, made)
    assert raised.value.reason is Reason.DOWNTIME
    assert engine.state("db") == "running"
    assert nothing_left(engine, archive)


def test_a_container_whose_waking_fails_leaves_no_backup(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """A copy is not called done while its price is still being paid."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {"unpause": EngineError("The engine does not answer.")}
    with pytest.raises(EngineError):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert nothing_left(engine, archive)
    assert "unpause" in run.journal


def test_an_error_while_sealing_wakes_nobody_twice(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """The archive's errors come before anybody sleeps, or after everybody is awake."""
    engine.add_container("db", ["pgdata"])
    archive.root.mkdir()
    (archive.root / "local").write_text("a file where a directory should be")
    with pytest.raises(ArchiveError):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert engine.log.count("unpause db") == engine.log.count("pause db")


def test_a_container_that_does_not_become_healthy_is_told(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The backup is made and counts, but the run does not end as if all were well."""
    engine.add_container("db", ["pgdata"], health="healthy")
    engine.before["start"] = lambda: engine.set_health("db", "unhealthy")
    policy = QuiescePolicy(health=timedelta(seconds=0.1))
    made = back_up(engine, archive, run, plan(engine, Wish(source="pgdata", quiesce=Quiesce.STOP), policy))
    reply = reply_of(made)
    assert (made.backup.is_ok, reply.status, reply.facts["reason"]) == (True, Status.PARTIAL, "unhealthy")
    assert "db" in made.notes[0]


# ---- hooks --------------------------------------------------------------------------------------------

HOOKS = {"shipkeeper.backup.pre": "quiet", "shipkeeper.backup.post": "loud"}


def test_hooks_run_around_the_quiet_time(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """`pre` before anybody sleeps, `post` once all are awake; both are in the manifest with what they said."""
    engine.add_container("db", ["pgdata"], labels=HOOKS)
    states: list[str] = []

    def program(words: object) -> tuple[bytes, str, int]:
        states.append(engine.container("db").state)
        return str(words).encode(), "", 0

    engine.programs["db"] = program
    manifest = back_up(engine, archive, run, planned(engine, Quiesce.STOP)).backup.manifest
    assert [(hook.which, hook.exit_code) for hook in manifest.hooks] == [("pre", 0), ("post", 0)]
    assert "quiet" in manifest.hooks[0].output
    assert states == ["running", "running"]


def test_a_hook_that_fails_before_ends_the_backup(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Nobody is stopped, `post` runs all the same, and nothing is kept."""
    engine.add_container("db", ["pgdata"], labels=HOOKS)
    engine.programs["db"] = lambda words: (b"", "", 3 if "quiet" in words else 0)
    with pytest.raises(EngineError) as raised:
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert raised.value.reason is Reason.HOOK
    assert [executed.words[-1] for executed in engine.executed] == ["quiet", "loud"]
    assert nothing_left(engine, archive)
    assert "stop db" not in engine.log


def test_a_hook_that_fails_afterwards_keeps_the_backup_and_is_told(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The copy is proven by then; the run ends as partial and says what the hook said."""
    engine.add_container("db", ["pgdata"], labels=HOOKS)
    engine.programs["db"] = lambda words: (b"disk on fire", "", 3 if "loud" in words else 0)
    made = back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    reply = reply_of(made)
    assert (made.backup.is_ok, reply.status, reply.facts["reason"]) == (True, Status.PARTIAL, "hook")
    assert "hook post of db ended with exit code 3: disk on fire" in reply.text
    assert reply_of(Backed(backup=made.backup)) == reply


# ---- paths --------------------------------------------------------------------------------------------


def test_a_path_in_a_bind_mount_is_read_by_a_helper(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Only what lies below the path is in it, under the path's last name, and it is proven by walks."""
    engine.add_directory("/srv/site", {"conf/a.conf": b"a", "conf/sub/b": b"b", "other": b"o"})
    engine.add_container("web", binds={"/srv/site": "/data"})
    made = taken(engine, archive, run, "web:/data//conf/")
    manifest = made.manifest
    assert (made.volume, made.is_ok) == ("web:/data/conf", True)
    assert (manifest.source.kind, manifest.source.container, manifest.source.path) == (
        "path",
        "web",
        "/data/conf",
    )
    assert manifest.source.root == "conf"
    assert [entry.path for entry in archive.entries(made)] == [".", "a.conf", "sub", "sub/b"]
    archive.prove(made, lambda _: None)


def test_a_single_file_is_a_source(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """Its backup holds nothing but its root, which is that file."""
    engine.add_container("db", {"pgdata": "/var/lib/data"})
    made = taken(engine, archive, run, "db:/var/lib/data/b")
    (entry,) = archive.entries(made)
    assert (entry.path, entry.kind, entry.size) == (".", "file", 1500)
    assert made.is_ok


def test_a_path_in_a_containers_own_layer_is_read_twice(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """No tool can look there, so two readings must agree; the result says how it is known and what may be lost."""
    engine.add_container("web", files={"/etc/nginx/a.conf": b"a", "/etc/nginx/b/c": b"c"})
    agreed = planned(engine, None, "web:/etc/nginx")
    assert "It is read twice, in web itself" in agreed.text
    made = back_up(engine, archive, run, agreed).backup
    assert (made.is_ok, made.manifest.inventory) == (True, None)
    assert "read-twice" in made.manifest.proof
    assert "extended attributes" in " ".join(made.manifest.lost)
    assert [line.split()[0] for line in engine.log].count("read") == 2
    assert [entry.path for entry in archive.entries(made)] == [".", "a.conf", "b", "b/c"]


@pytest.mark.parametrize(
    ("act", "wanted"),
    [
        (lambda tree: tree.remove("etc/b"), {"b": "vanished"}),
        (lambda tree: tree.file("etc/c", b"c"), {"c": "appeared"}),
        (lambda tree: tree.rewrite("etc/b", b"B"), {"b": "changed"}),
    ],
)
def test_two_readings_that_differ_are_partial(
    engine: Recorder,
    archive: Archive,
    run: FakeRun,
    act: Callable[[object], object],
    wanted: dict[str, str],
) -> None:
    """What changed between them is named."""
    engine.add_container("web", files={"/etc/a": b"a", "/etc/b": b"b"})
    engine.faults.before = {"read_volume": [lambda _: None, lambda host: act(host.layer("web"))]}
    assert reasons(taken(engine, archive, run, "web:/etc")) == wanted


def test_a_layer_is_read_while_its_container_sleeps(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """The container itself is the only user; who wakes it meanwhile spoils the backup."""
    web = engine.add_container("web", files={"/etc/a": b"a"})
    agreed = planned(engine, Quiesce.PAUSE, "web:/etc")
    assert agreed.targets == ("container:web", "volume:web:/etc")
    assert back_up(engine, archive, run, agreed).backup.manifest.quiesce.containers == ("web",)
    engine.faults.before = {"read_volume": [lambda host: FakeEngine.unpause(host, web)]}
    with pytest.raises(Conflict, match="woke or started its container"):
        back_up(engine, archive, FakeRun(engine, archive), planned(engine, Quiesce.PAUSE, "web:/etc"))
    assert engine.state("web") == "running"


@pytest.mark.parametrize("source", ["web:/etc/link", "web:/data/link"])
def test_what_is_neither_file_nor_directory_is_no_source(
    engine: Recorder, archive: Archive, run: FakeRun, source: str
) -> None:
    """A symbolic link alone is refused, wherever it lies."""
    engine.add_directory("/srv/site")
    engine.add_container("web", binds={"/srv/site": "/data"}, files={"/etc/a": b"a"})
    engine.layer("web").symlink("etc/link", "a")
    engine.tree(engine.add_directory("/srv/site")).symlink("link", "a")
    with pytest.raises(Conflict, match="symlink"):
        taken(engine, archive, run, source)
    assert nothing_left(engine, archive)


def test_a_path_that_is_not_there_is_told_by_its_own_name(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The sentence names the path in the container and not the one in a helper."""
    engine.add_container("db", {"pgdata": "/data"})
    with pytest.raises(NotFound, match="no /data/nothing in container db"):
        taken(engine, archive, run, "db:/data/nothing")
    assert nothing_left(engine, archive)


def test_a_source_that_is_removed_under_the_backup_is_a_failure(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """It is not called “not found”, for it was there."""
    engine.put_file("pgdata", "sub/x", b"x")
    engine.add_container("db", {"pgdata": "/data"})
    engine.faults.before = {"read_volume": [lambda host: host.tree("pgdata").remove("sub")]}
    with pytest.raises(EngineError) as raised:
        taken(engine, archive, run, "db:/data/sub")
    assert raised.value.reason is Reason.VANISHED
    assert nothing_left(engine, archive)


# ---- dumps --------------------------------------------------------------------------------------------

DUMP = (
    b"--\n-- PostgreSQL database cluster dump\n--\n"
    + b"-- data\n" * 5_000
    + b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"
)


def test_a_dump_takes_the_place_of_the_files(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """The database's own program is run, and what it wrote is the one file of the backup."""
    engine.add_container("db", ["pgdata"], image="postgres:16")
    engine.programs["db"] = lambda _: (DUMP, "", 0)
    agreed = planned(engine, dump=True)
    assert agreed.text == "Back up volume pgdata by a postgresql dump of db."
    assert agreed.targets == ("volume:pgdata", "container:db")
    made = back_up(engine, archive, run, agreed).backup
    manifest = made.manifest
    assert [entry.path for entry in archive.entries(made)] == [".", "postgresql.sql"]
    assert DUMP in b"".join(archive.open(made))
    assert manifest.dump is not None
    assert (manifest.dump.bytes, manifest.dump.sha256) == (len(DUMP), hashlib.sha256(DUMP).hexdigest())
    assert (manifest.source.kind, manifest.source.container) == ("dump", "db")
    assert made.is_ok
    archive.prove(made, lambda _: None)
    assert "dump of db for volume pgdata" in reply_of(Backed(backup=made)).text


def test_a_dump_that_compresses_well_is_stored_in_small_pieces(
    engine: Recorder, archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them wait in memory for the compressor, so none may be long."""
    engine.add_container("db", ["pgdata"], image="postgres:16")
    engine.programs["db"] = lambda _: (DUMP[:45] + bytes(24 << 20) + DUMP[45:], "", 0)
    write, sizes = Draft.write, list[int]()

    def measured(self: Draft, data: bytes) -> None:
        sizes.append(len(data))
        write(self, data)

    monkeypatch.setattr(Draft, "write", measured)
    made = back_up(engine, archive, run, planned(engine, dump=True)).backup
    archive.prove(made, lambda _: None)
    assert sum(sizes) > 24 << 20
    assert max(sizes) <= 1 << 20


def test_what_a_dump_cannot_keep_is_named(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """By the own user of MariaDB, the manifest names as lost what only root may see, and so does the answer."""
    engine.add_container("db", ["pgdata"], image="mariadb:11")
    (said, lost), *_ = PRESETS["mariadb"].lost_when.items()
    whole = b"-- MariaDB dump 10.19\n--\nINSERT;\n-- Dump completed\n"
    engine.programs["db"] = lambda _: (whole, f"a warning\n{said}\n", 0)
    made = back_up(engine, archive, run, planned(engine, dump=True)).backup
    assert (made.is_ok, made.manifest.lost) == (True, (lost,))
    told = reply_of(Backed(backup=made))
    assert (told.status, told.facts["not_kept"]) == (Status.SUCCEEDED, lost)
    assert f"It does not keep {lost}." in told.text


def test_a_sqlite_dump_holds_one_file_and_says_so(engine: Recorder) -> None:
    """Whatever else lies in the volume is not in it, so the plan names that before anybody relies on it."""
    label = {"shipkeeper.dump": "sqlite:/srv/app.db"}
    engine.add_container("db", {"pgdata": "/srv"}, labels=label)
    told = "Back up volume pgdata by a sqlite dump of db. It does not keep anything beside that one file."
    assert planned(engine).text == told


def test_a_mongodb_dump_is_not_called_of_one_moment(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """It is taken without the log of operations, so plan, manifest and answer say what that cannot keep."""
    engine.add_container("db", ["pgdata"], image="mongo:7")
    end = b"\x30\0\0\0\x02db\0\x02\0\0\0a\0\x08EOF\0\x01\x12CRC\0" + bytes(8) + b"\0\xff\xff\xff\xff"
    engine.programs["db"] = lambda _: (b"\x6d\xe2\x99\x81" + b"documents" * 300 + end, "", 0)
    agreed = planned(engine, dump=True)
    (lost,) = PRESETS["mongodb"].lost
    assert agreed.text == f"Back up volume pgdata by a mongodb dump of db. It does not keep {lost}."
    made = back_up(engine, archive, run, agreed).backup
    assert (made.is_ok, made.manifest.lost) == (True, (lost,))
    assert f"It does not keep {lost}." in reply_of(Backed(backup=made)).text


@pytest.mark.parametrize(("output", "code"), [(b"", 0), (DUMP, 1), (DUMP[:-60], 0)])
def test_a_dump_that_is_not_proven_is_never_a_backup(
    engine: Recorder, archive: Archive, run: FakeRun, output: bytes, code: int
) -> None:
    """Empty, failed or without its end: nothing is kept."""
    engine.add_container("db", ["pgdata"], image="postgres:16")
    engine.programs["db"] = lambda _: (output, "", code)
    with pytest.raises(EngineError) as raised:
        back_up(engine, archive, run, planned(engine, dump=True))
    assert raised.value.reason is Reason.DUMP
    assert nothing_left(engine, archive)


def test_who_is_dumped_follows_flag_and_label(engine: Recorder) -> None:
    """A label is enough, unless --quiesce says otherwise; an image alone only earns a hint."""
    engine.add_container("db", ["pgdata"], image="postgres:16")
    hinted = planned(engine)
    assert hinted.dump is None
    assert "db runs postgresql: --dump asks it for a dump instead." in hinted.text
    engine.add_container("cache", {"pgdata": "/data"}, labels={"shipkeeper.dump": "redis"})
    found = planned(engine).dump
    assert found is not None
    assert found.container.name == "cache"
    assert planned(engine, Quiesce.STOP).dump is None
    with pytest.raises(UsageError, match="exclude each other"):
        planned(engine, Quiesce.STOP, dump=True)


@pytest.mark.parametrize(
    ("label", "home", "source"),
    [
        ("postgresql", "/var/lib/postgresql/data", "uploads"),
        ("postgresql", "/var/lib/postgresql/data", "db:/etc/app"),
        ("postgresql", "/var/lib/postgresql/data", "db:/var/lib/postgresql/data/a"),
        ("postgresql", "/srv/elsewhere", "pgdata"),
        ("mariadb", "/var/lib/mysql", "uploads"),
        ("sqlite:/srv/app/app.db", "/srv/app", "uploads"),
        ("sqlite:/srv/uploads.db", "/srv", "uploads"),
        ("sqlite:/etc/app/deep/app.db", "/srv/app", "db:/etc/app"),
    ],
)
def test_a_label_for_dumps_says_nothing_of_other_data(
    engine: Recorder, archive: Archive, run: FakeRun, label: str, home: str, source: str
) -> None:
    """What a labelled container mounts or holds beside its database is copied as it is, and the plan says why."""
    engine.add_volume("uploads", {"photo": b"jpeg"})
    engine.add_container(
        "db",
        {"pgdata": home, "uploads": "/srv/uploads"},
        labels={"shipkeeper.dump": label},
        files={"etc/app/deep/app.db": b"x"},
    )
    made = planned(engine, source=source)
    assert made.dump is None
    assert "db has the label shipkeeper.dump, but" in made.text
    backup = taken(engine, archive, run, source)
    assert backup.manifest.source.kind == ("path" if ":" in source else "volume")
    assert not engine.executed


@pytest.mark.parametrize(
    ("label", "home", "source"),
    [
        ("postgresql", "/var/lib/postgresql", "pgdata"),
        ("postgresql", "/var/lib/postgresql/data/", "pgdata"),
        ("mysql", "/var/lib/mysql", "pgdata"),
        ("mongodb", "/data/db", "pgdata"),
        ("sqlite:/srv/app/deep/app.db", "/srv", "pgdata"),
        ("sqlite:/etc/app/app.db", "/srv", "db:/etc/app"),
        ("sqlite:/etc/app/app.db", "/srv", "db:/etc/app/app.db"),
    ],
)
def test_a_label_for_dumps_is_heeded_where_the_data_lies(
    engine: Recorder, label: str, home: str, source: str
) -> None:
    """At a database's own places, or where the file lies that the label names, it turns a backup into a dump."""
    files = {"etc/app/app.db": b"x"}
    engine.add_container("db", {"pgdata": home}, labels={"shipkeeper.dump": label}, files=files)
    made = planned(engine, source=source)
    assert made.dump is not None
    assert "has the label" not in made.text


def test_the_data_lies_in_the_innermost_of_several_mounts(engine: Recorder) -> None:
    """A volume above the place where another one holds the data is no database; bound directories are alike."""
    label = {"shipkeeper.dump": "postgresql"}
    engine.add_volume("outer", {"a": b"a"})
    mounts = {"outer": "/var/lib/postgresql", "pgdata": "/var/lib/postgresql/data"}
    engine.add_container("db", mounts, labels=label)
    assert planned(engine, source="outer").dump is None
    assert planned(engine, source="pgdata").dump is not None
    engine.add_container("bound", binds={"/host/pg": "/var/lib/postgresql/data"}, labels=label)
    engine.add_container("other", binds={"/host": "/all"})
    assert planned(engine, source="bound:/var/lib/postgresql/data").dump is not None
    assert planned(engine, source="other:/all/pg").dump is not None
    assert planned(engine, source="other:/all").dump is None


def test_an_explicit_dump_is_taken_wherever_the_data_lies(engine: Recorder) -> None:
    """Who says `--dump` knows where it lies, and no reason for the files' copy is told to who asked for the files."""
    engine.add_container("db", {"pgdata": "/srv"}, labels={"shipkeeper.dump": "postgresql"})
    assert planned(engine, dump=True).dump is not None
    assert "has the label" not in planned(engine, Quiesce.STOP).text


def test_a_dump_needs_exactly_one_database(engine: Recorder) -> None:
    """None, or several of equal right, is refused with what to do."""
    with pytest.raises(Conflict, match="none does"):
        planned(engine, dump=True)
    engine.add_container("one", ["pgdata"], image="postgres:16")
    engine.add_container("two", ["pgdata"], image="redis")
    with pytest.raises(Conflict, match="one, two"):
        planned(engine, dump=True)


# ---- for a restore ------------------------------------------------------------------------------------


def test_a_safety_backup_is_taken_without_touching_anybody(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Whoever stopped the users already gets a proven backup with its purpose, and nobody is woken."""
    engine.add_container("db", ["pgdata"], state="exited", labels={**HOOKS, "shipkeeper.quiesce": "stop"})
    still = Still(source=resolve(engine, "pgdata"), downtime=Downtime(timedelta(hours=1)))
    made = back_up_still(engine, archive, run, still)
    assert (made.is_ok, made.manifest.purpose) == (True, "safety")
    assert engine.state("db") == "exited"
    assert not engine.executed
    assert run.journal == []
    assert not engine.helpers()
