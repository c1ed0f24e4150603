"""Backup, verify and restore against an engine in memory that is cut, fails, and keeps a log of what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.engine import ByteStream, Container, Volume
from bot.entry import Entry
from bot.errors import ArchiveError, Cancelled, Conflict, EngineError, LostHold, NotFound, StreamCut
from bot.model import Actor
from bot.operations.backup import BackupPlan, Quiesce, back_up, plan
from bot.operations.comparison import refuse_differences
from bot.operations.restore import default_name, restore
from bot.operations.undo import registry
from bot.operations.verify import verify
from bot.stores.archive import Archive, Backup
from tests.fakes import FakeEngine

CLOCK = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
EMPTY = Entry(path=".", kind="directory", size=0, mode=0o755, uid=0, gid=0, mtime=0)
FILES = {"a": b"one", "b": b"two" * 500}


class Recorder(FakeEngine):
    """The fake engine, with a log of every verb that changes something, and a hook for other people's doings."""

    def __init__(self) -> None:
        super().__init__()
        self.add_volume("pgdata", FILES, team="db")
        self.log: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}

    def state(self, container: str) -> str:
        return self.container(container).state

    def names(self) -> set[str]:
        return {volume.name for volume in self.volumes()}

    def _note(self, verb: str, name: str) -> None:
        self.log.append(f"{verb} {name}")
        if verb in self.before:
            self.before.pop(verb)()

    def pause(self, container: Container) -> None:
        self._note("pause", container.name)
        super().pause(container)

    def unpause(self, container: Container) -> bool:
        self._note("unpause", container.name)
        return super().unpause(container)

    def stop(self, container: Container, grace_seconds: int) -> None:
        self._note("stop", container.name)
        super().stop(container, grace_seconds)

    def start(self, container: Container) -> bool:
        self._note("start", container.name)
        return super().start(container)

    def create_volume(self, volume: Volume) -> None:
        if hasattr(self, "log"):
            self._note("create_volume", volume.name)
        super().create_volume(volume)

    def remove_volume(self, name: str) -> None:
        self._note("remove_volume", name)
        super().remove_volume(name)

    def create_helper(self, name: str, volume: str, *, run_id: str, read_only: bool) -> None:
        self._note("create_helper", volume)
        super().create_helper(name, volume, run_id=run_id, read_only=read_only)

    def remove_helper(self, name: str) -> None:
        self._note("remove_helper", name)
        super().remove_helper(name)

    @contextmanager
    def read_volume(self, helper: str) -> Iterator[ByteStream]:
        self._note("read", helper)
        with super().read_volume(helper) as stream:
            yield stream


class Undoing:
    """Whether one step is to be kept."""

    kept = False

    def keep(self) -> None:
        self.kept = True


class Run:
    """A run that keeps its journal in a list; undo is carried out by the product's own registry."""

    run_id = "7f3a2c"
    actor = Actor(id="U1", name="Ada")

    def __init__(self, engine: Recorder, archive: Archive) -> None:
        self._engine = engine
        self._undo = registry(lambda _: engine, archive)
        self.journal: list[str] = []
        self.steps: list[str] = []
        self.checks = 0
        self.raise_at: int | None = None
        self.error: Exception = Cancelled("The run was cancelled.")

    @contextmanager
    def undoable(self, verb: str, **arguments: str) -> Iterator[Undoing]:
        self.journal.append(verb)
        self._engine.log.append(f"journal {verb}")
        step = Undoing()
        try:
            yield step
        except LostHold:
            raise
        except BaseException:
            self._settle(step, verb, arguments)
            raise
        self._settle(step, verb, arguments)

    def _settle(self, step: Undoing, verb: str, arguments: dict[str, str]) -> None:
        if not step.kept:
            self._undo[verb](self._engine.host, arguments)
        self.journal.remove(verb)

    def check(self) -> None:
        self.checks += 1
        if self.raise_at is not None and self.checks >= self.raise_at:
            raise self.error

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        assert total_bytes is None or done_bytes <= total_bytes
        self.steps.append(step)


@pytest.fixture
def engine() -> Recorder:
    return Recorder()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", lambda: CLOCK)


@pytest.fixture
def run(engine: Recorder, archive: Archive) -> Run:
    return Run(engine, archive)


def planned(engine: Recorder, quiesce: Quiesce = Quiesce.NONE) -> BackupPlan:
    return plan(engine, "pgdata", quiesce)


@pytest.fixture
def backup(engine: Recorder, archive: Archive, run: Run) -> Backup:
    """A whole backup of pgdata; the log starts anew behind it."""
    made = back_up(engine, archive, run, planned(engine))
    engine.log.clear()
    return made


def nothing_left(engine: Recorder, archive: Archive) -> bool:
    return not engine.helpers() and not archive.backups() and not list(archive.root.rglob("*.*"))


def test_the_plan_names_only_running_users(engine: Recorder) -> None:
    """Containers that do not run are left alone, and without quiescing nobody is touched."""
    engine.add_container("db", ["pgdata"])
    engine.add_container("old", ["pgdata"], state="exited")
    engine.add_container("asleep", ["pgdata"], state="paused")
    engine.add_container("stranger")
    assert [user.name for user in planned(engine, Quiesce.PAUSE).disturbed] == ["db"]
    assert planned(engine, Quiesce.NONE).disturbed == ()
    assert len(planned(engine).users) == 3
    with pytest.raises(NotFound):
        plan(engine, "nothing", Quiesce.NONE)


def test_a_backup_holds_what_the_engine_sent_and_who_asked(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """The bytes are in the archive, the facts in the manifest, and no helper or journal entry is left."""
    engine.add_container("db", ["pgdata"])
    made = back_up(engine, archive, run, planned(engine, Quiesce.PAUSE), "before the upgrade")
    manifest = made.manifest
    assert [entry.path for entry in archive.entries(made)] == [".", "a", "b"]
    assert FILES["b"] in b"".join(archive.open(made))
    assert archive.backups() == (made,)
    assert (manifest.volume.labels, manifest.engine.name) == ({"team": "db"}, "fake")
    assert (manifest.actor, manifest.run_id, manifest.note) == (run.actor, run.run_id, "before the upgrade")
    assert (manifest.quiesce.mode, manifest.quiesce.containers) == ("pause", ("db",))
    assert manifest.entries.count == 3
    assert not engine.helpers()
    assert run.journal == []
    assert {"copying", "reading back"} <= set(run.steps)


@pytest.mark.parametrize(
    ("mode", "down", "up"), [(Quiesce.PAUSE, "pause", "unpause"), (Quiesce.STOP, "stop", "start")]
)
def test_each_container_sleeps_only_while_the_volume_is_read(
    engine: Recorder, archive: Archive, run: Run, mode: Quiesce, down: str, up: str
) -> None:
    """The helper stands before anybody sleeps, each undo is journaled first, and all wake right behind the read."""
    engine.add_container("db", ["pgdata"])
    engine.add_container("web", ["pgdata"])
    engine.add_container("old", ["pgdata"], state="exited")
    back_up(engine, archive, run, planned(engine, mode))
    verbs = [" ".join(line.split()[:2]) for line in engine.log]
    assert verbs == [
        "journal discard_draft", "journal remove_helper", "create_helper pgdata",
        f"journal {up}", f"{down} db", f"journal {up}", f"{down} web",
        "read shipkeeper-read-7f3a2c", f"{up} web", f"{up} db", "remove_helper shipkeeper-read-7f3a2c",
    ]  # fmt: skip
    assert [user.state for user in engine.users_of("pgdata")] == ["running", "exited", "running"]


def test_a_cut_stream_is_never_a_backup(engine: Recorder, backup: Backup, tmp_path: Path) -> None:
    """Wherever the engine silently ends too early, nothing is kept and the users are awake."""
    empty = Archive(tmp_path / "empty", lambda: CLOCK)
    engine.add_container("db", ["pgdata"])
    engine.faults.cut_silently = True
    run = Run(engine, empty)
    for cut in range(0, backup.manifest.raw.bytes, 256):
        engine.faults.cut_at_byte = cut
        with pytest.raises(StreamCut):
            back_up(engine, empty, run, planned(engine, Quiesce.PAUSE))
        assert nothing_left(engine, empty)
        assert engine.state("db") == "running"
    engine.faults.cut_at_byte = backup.manifest.raw.bytes
    back_up(engine, empty, run, planned(engine, Quiesce.PAUSE))


def test_a_file_that_shrinks_while_it_is_read_is_never_a_backup(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """The daemon's silent loss of all later files is noticed."""
    engine.faults.shrinking_file = "a"
    with pytest.raises(StreamCut):
        back_up(engine, archive, run, planned(engine))
    assert nothing_left(engine, archive)


@pytest.mark.parametrize("verb", ["info", "create_helper", "stop", "read_volume"])
def test_an_engine_that_fails_leaves_everything_as_it_was(
    engine: Recorder, archive: Archive, run: Run, verb: str
) -> None:
    """Whichever verb fails, nothing is published, nobody is left asleep and no helper stays."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {verb: EngineError("The engine does not answer.")}
    with pytest.raises(EngineError, match="does not answer"):
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert nothing_left(engine, archive)
    assert engine.state("db") == "running"


def test_nobody_is_stopped_when_the_helper_cannot_be_made(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """Downtime begins only when the copy can."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {"create_helper": EngineError("No helper.")}
    with pytest.raises(EngineError):
        back_up(engine, archive, run, planned(engine, Quiesce.STOP))
    assert not [line for line in engine.log if line.startswith("stop")]


def test_a_backup_may_be_cancelled_at_every_check(engine: Recorder, archive: Archive, run: Run) -> None:
    """Whenever the run is told to end it leaves nothing behind; only an undisturbed one is a backup."""
    engine.add_container("db", ["pgdata"])
    for moment in range(1, 50):
        run.checks, run.raise_at = 0, moment
        try:
            back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
        except Cancelled:
            assert nothing_left(engine, archive)
            assert engine.state("db") == "running"
        else:
            break
    assert moment > 3
    assert len(archive.backups()) == 1


def test_a_lost_hold_touches_nothing(engine: Recorder, archive: Archive, run: Run) -> None:
    """Who lost the run publishes nothing and undoes nothing: the next holder will."""
    engine.add_container("db", ["pgdata"])
    run.raise_at, run.error = 3, LostHold()
    with pytest.raises(LostHold):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert archive.backups() == ()
    assert engine.state("db") == "paused"
    assert run.journal == ["discard_draft", "remove_helper", "unpause"]


def test_users_that_came_since_the_plan_are_not_touched(engine: Recorder, archive: Archive, run: Run) -> None:
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
    engine: Recorder, archive: Archive, run: Run, quiesce: Quiesce
) -> None:
    """What was to be kept still and was not is no proven backup: it is refused, and names who was awake."""
    engine.add_container("db", ["pgdata"])
    engine.before["read"] = lambda: engine.add_container("late", ["pgdata"])
    with pytest.raises(Conflict, match=r"woke or started late.*Nothing was saved"):
        back_up(engine, archive, run, planned(engine, quiesce))
    assert not archive.backups()
    assert (engine.state("db"), engine.state("late")) == ("running", "running")


def test_a_container_that_somebody_else_paused_is_not_woken(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """When pausing conflicts, the container was put to sleep by another hand, which has to wake it."""
    engine.add_container("db", ["pgdata"])
    engine.before["pause"] = lambda: FakeEngine.pause(engine, engine.container("db"))
    with pytest.raises(Conflict, match="is paused"):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert engine.state("db") == "paused"
    assert "unpause db" not in engine.log
    assert nothing_left(engine, archive)


def test_a_container_whose_waking_fails_leaves_no_backup(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """A copy is not called done while its price is still being paid."""
    engine.add_container("db", ["pgdata"])
    engine.faults.failing = {"unpause": EngineError("The engine does not answer.")}
    with pytest.raises(EngineError):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert nothing_left(engine, archive)
    assert "unpause" in run.journal


def test_an_error_while_sealing_wakes_nobody_twice(engine: Recorder, archive: Archive, run: Run) -> None:
    """The archive's errors come after everybody is awake."""
    engine.add_container("db", ["pgdata"])
    archive.root.mkdir()
    (archive.root / "local").write_text("a file where a directory should be")
    with pytest.raises(ArchiveError):
        back_up(engine, archive, run, planned(engine, Quiesce.PAUSE))
    assert engine.log.count("unpause db") == engine.log.count("pause db")


def test_verify_says_what_was_proven(archive: Archive, run: Run, backup: Backup) -> None:
    """A whole backup is read whole."""
    found = verify(archive, run, backup)
    assert (found.entries, found.raw_bytes) == (3, backup.manifest.raw.bytes)
    assert "verifying" in run.steps


def test_verify_refuses_a_damaged_backup(archive: Archive, run: Run, backup: Backup) -> None:
    """One changed byte is enough."""
    data = bytearray(backup.files.tar.read_bytes())
    data[-1] ^= 1
    backup.files.tar.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"):
        verify(archive, run, backup)


def test_verify_may_be_cancelled(archive: Archive, run: Run, backup: Backup) -> None:
    """The check is asked while reading."""
    run.checks, run.raise_at = 0, 2
    with pytest.raises(Cancelled):
        verify(archive, run, backup)


def test_restore_fills_a_new_volume_like_the_old_one(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """Bytes, labels, driver and options come back under the default name, with a label for the run."""
    name = default_name(backup)
    found = restore(engine, archive, run, backup, name)
    assert name == "pgdata-restored-7f3a2c"
    assert engine.files(name) == FILES
    labels = {"team": "db", "shipkeeper.run": run.run_id}
    assert engine.volume(name) == replace(engine.volume("pgdata"), name=name, labels=labels)
    assert (found.volume, found.entries, found.left_out) == (name, 3, ())
    assert not engine.helpers()
    assert run.journal == []


def test_restore_never_touches_a_volume_that_exists(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """A taken name is refused before anything is journaled, made or removed."""
    with pytest.raises(Conflict, match="exists already"):
        restore(engine, archive, run, backup, "pgdata")
    assert engine.log == []


def test_restore_leaves_a_volume_that_somebody_made_meanwhile(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """When the engine says that the name was taken just now, that volume is not ours to remove."""
    engine.before["create_volume"] = lambda: engine.add_volume("fresh", {"precious": b"data"})
    with pytest.raises(Conflict, match="already"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.files("fresh") == {"precious": b"data"}
    assert run.journal == []


def test_restore_never_writes_into_storage_that_is_in_use(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """A new volume that is not empty is neither filled nor removed."""
    engine.before["create_helper"] = lambda: engine.put_file("fresh", "precious", b"data")
    with pytest.raises(Conflict, match="not empty"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.files("fresh") == {"precious": b"data"}
    assert not engine.helpers()


def test_options_that_point_at_the_same_storage_are_left_out(
    engine: Recorder, archive: Archive, run: Run
) -> None:
    """A local volume over a device is restored into a plain one, and the outcome says so."""
    options = {"type": "none", "o": "bind", "device": "/srv/data"}
    engine.create_volume(Volume(name="bound", driver="local", options=options))
    made = back_up(engine, archive, run, plan(engine, "bound", Quiesce.NONE))
    found = restore(engine, archive, run, made, "fresh")
    assert engine.volume("fresh").options == {}
    assert found.left_out == ("device", "o", "type")


def test_a_damaged_backup_is_refused_before_anything_is_made(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """The whole backup is proven first."""
    data = bytearray(backup.files.tar.read_bytes())
    data[len(data) // 2] ^= 1
    backup.files.tar.write_bytes(data)
    with pytest.raises(ArchiveError):
        restore(engine, archive, run, backup, "fresh")
    assert engine.log == []


@pytest.mark.parametrize("verb", ["create_volume", "create_helper", "read_volume", "write_volume"])
def test_a_failed_restore_leaves_no_volume(
    engine: Recorder, archive: Archive, run: Run, backup: Backup, verb: str
) -> None:
    """Whichever verb fails, the half-filled volume and the helpers are gone."""
    engine.faults.failing = {verb: EngineError("The engine does not answer.")}
    with pytest.raises(EngineError, match="does not answer"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}
    assert not engine.helpers()


def test_a_restore_may_be_cancelled_at_every_check(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """Whenever the run is told to end, the volume is gone."""
    for moment in range(1, 50):
        run.checks, run.raise_at = 0, moment
        try:
            restore(engine, archive, run, backup, "fresh")
        except Cancelled:
            assert engine.names() == {"pgdata"}
            assert not engine.helpers()
        else:
            break
    assert moment > 3
    assert engine.files("fresh") == FILES


def test_a_volume_that_reads_back_otherwise_is_not_kept(
    engine: Recorder, archive: Archive, run: Run, backup: Backup
) -> None:
    """When the engine wrote something else than it was given, the restore fails and names the file."""

    def spoil() -> None:
        # The first reading looks whether the new volume is empty, the second one compares.
        engine.before["read"] = lambda: engine.put_file("fresh", "b", b"owt" * 500)

    engine.before["read"] = spoil
    with pytest.raises(EngineError, match=r"“b” has another (mode, )?sha256"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}


def file(path: str, **changes: object) -> Entry:
    return replace(EMPTY, **{"path": path, "kind": "file", "sha256": "0" * 64, **changes})  # type: ignore[arg-type]


def link(path: str, to: str) -> Entry:
    return replace(EMPTY, path=path, kind="hardlink", link=to)


def test_hard_links_are_compared_as_groups() -> None:
    """It does not matter which name of a group comes first, but it does matter who belongs to it."""
    before = [EMPTY, file("a", size=3), link("b", "a"), link("c", "a")]
    refuse_differences(before, [EMPTY, file("c", size=3), link("a", "c"), link("b", "c")], "v")
    with pytest.raises(EngineError, match="“c” shares"):
        refuse_differences(before, [EMPTY, file("a", size=3), link("b", "a"), file("c", size=3)], "v")
    with pytest.raises(EngineError, match="has another size"):
        refuse_differences(before, [EMPTY, file("c", size=4), link("a", "c"), link("b", "c")], "v")


def test_times_are_compared_as_the_engine_keeps_them() -> None:
    """Broken seconds and times before 1970 are no difference; another second is."""
    refuse_differences(
        [file("a", mtime=5.75), file("b", mtime=-9)], [file("a", mtime=5), file("b", mtime=0)], "v"
    )
    with pytest.raises(EngineError, match="another mtime"):
        refuse_differences([file("a", mtime=5)], [file("a", mtime=6)], "v")


@pytest.mark.parametrize(
    "change",
    [{"kind": "fifo"}, {"mode": 0o4755}, {"uid": 1}, {"gid": 1}, {"sha256": "1" * 64}, {"size": 1},
     {"kind": "symlink", "link": "x"}, {"device": (1, 3)}],
)  # fmt: skip
def test_every_property_is_compared(change: dict[str, object]) -> None:
    """No property can differ unseen."""
    with pytest.raises(EngineError, match="“a” has another"):
        refuse_differences([file("a")], [file("a", **change)], "v")


def test_missing_and_additional_things_are_named_five_at_most() -> None:
    """The message counts all differences and shows the first five."""
    with pytest.raises(EngineError, match="in 9 places") as raised:
        refuse_differences([file("gone")], [file(f"new{number}") for number in range(8)], "v")
    assert "“gone” is missing" in str(raised.value)
    assert "“new3”" in str(raised.value)
    assert "“new4”" not in str(raised.value)
