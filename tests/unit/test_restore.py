"""Restore into a new volume, on an engine in memory that fails and writes other things than it is given."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.engine import Volume
from bot.errors import ArchiveError, Cancelled, Conflict, EngineError, NotFound
from bot.operations.backup import back_up
from bot.operations.backupplan import Wish, plan
from bot.operations.quiesce import QuiescePolicy
from bot.operations.restore import RestorePlan, default_name, reply_of_new, restore, restore_part, restored_by
from bot.operations.stage import tool_of
from bot.operations.wanted import wanted
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun, Recorder
from tests.support.house import wait_for

FILES = {"a": b"one", "b": b"two" * 500, "conf/c": b"three"}


@pytest.fixture
def engine() -> Recorder:
    """An engine with a volume that has more than a tar can carry."""
    made = Recorder()
    made.add_volume("pgdata", FILES, team="db")
    tree = made.tree("pgdata")
    tree.change("a", mtime_ns=1_234_567_890_123_456_789, attributes={"user.why": b"because"})
    tree.special("socket", "socket")
    tree.change("", mode=0o1750, uid=70)
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", lambda: datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC))


@pytest.fixture
def run(engine: Recorder, archive: Archive) -> FakeRun:
    return FakeRun(engine, archive)


@pytest.fixture
def backup(engine: Recorder, archive: Archive) -> Backup:
    """A whole backup of pgdata; the log starts anew behind it."""
    return back_up_now(engine, archive, "pgdata")


def back_up_now(engine: Recorder, archive: Archive, source: str) -> Backup:
    made = plan(engine, Wish(source=source), QuiescePolicy())
    backup = back_up(engine, archive, FakeRun(engine, archive), made).backup
    engine.log.clear()
    return backup


def test_restore_fills_a_new_volume_like_the_old_one(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """Bytes, labels, driver and options come back under the default name, with a label for the run."""
    name = default_name(backup)
    found = restore(engine, archive, run, backup, name)
    assert name == "pgdata-restored-7f3a2c"
    assert engine.files(name) == FILES
    labels = {"team": "db", "shipkeeper.run": run.run_id}
    assert engine.volume(name) == replace(engine.volume("pgdata"), name=name, labels=labels)
    assert (found.volume, found.entries, found.left_out) == (name, 5, ())
    assert not engine.helpers()
    assert run.journal == []
    assert restored_by(engine, run.run_id) == name


def test_restore_puts_back_what_the_tar_does_not_carry(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """Nanoseconds and attributes come from the list beside the backup; what cannot come back is named."""
    found = restore(engine, archive, run, backup, "fresh")
    node = engine.tree("fresh").node("a")
    assert node.mtime_ns == 1_234_567_890_123_456_789
    assert node.attributes == {"user.why": b"because"}
    root = engine.tree("fresh").node("")
    assert (root.mode, root.uid) == (0o1750, 70)
    assert any("socket" in loss for loss in found.losses)
    assert "Not put back: sockets" in reply_of_new(found, "local").text


def test_one_path_is_restored_with_what_leads_to_it(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """`--path` makes a volume of that file and its directories; an unknown path is refused before anything is made."""
    found = restore_part(engine, archive, run, RestorePlan(backup=backup, into="part", path="conf/c"))
    assert engine.files("part") == {"conf/c": b"three"}
    assert found.entries == 3
    with pytest.raises(NotFound, match="conf"):
        restore_part(engine, archive, run, RestorePlan(backup=backup, into="other", path="conf/nothing"))
    assert engine.names() == {"pgdata", "part"}


def test_a_cancel_is_heard_while_nothing_of_a_backup_is_wanted(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """Of mebibytes that are left out nothing comes by, and yet they take their time."""
    engine.put_file("pgdata", "big", bytes(8 << 20))
    backup = back_up_now(engine, archive, "pgdata")
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled("enough")

    with (
        wanted(archive, backup, "conf/c") as found,
        closing(found.tar(check)) as tar,
        pytest.raises(Cancelled, match="enough"),
    ):
        next(tar)
    restore_part(engine, archive, run, RestorePlan(backup=backup, into="part", path="conf/c"))
    assert engine.files("part") == {"conf/c": b"three"}
    assert run.steps.count("restoring") > 8


def test_a_cancel_is_heard_while_lists_are_read(archive: Archive, backup: Backup) -> None:
    """Before anything is made, they may take minutes."""

    def check() -> None:
        raise Cancelled("enough")

    for path in ("", "conf/c"):
        with pytest.raises(Cancelled, match="enough"), wanted(archive, backup, path, check):
            pass


def test_what_came_back_differently_is_told_before_the_walk_is_over(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """The walk beside it is ended: it may take an hour, and what it says of its end is no news."""
    tool, ended = tool_of(run.run_id), list[bool]()

    def stand_still(_: FakeEngine) -> None:
        ended.append(wait_for(lambda: f"remove_helper {tool}" in engine.log, saying="the walk's end"))

    engine.faults.before["inventory"] = [stand_still]
    engine.faults.before["read_volume"] = [
        lambda _: None,  # whether it is empty
        lambda host: host.put_file("fresh", "a", b"other"),
    ]
    with pytest.raises(EngineError) as raised:
        restore(engine, archive, run, backup, "fresh")
    assert raised.value.reason is Reason.DIFFERS
    assert ended == [True]
    assert not hasattr(raised.value, "__notes__")
    assert not engine.helpers()


def test_a_single_file_becomes_a_volume_that_holds_it(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """The backup of a path that is a file is restored as that file in a new volume of a fitting name."""
    engine.add_directory("/srv/app", {"app.conf": b"saved"})
    engine.add_container("web", binds={"/srv/app": "/etc/app"})
    backup = back_up_now(engine, archive, "web:/etc/app/app.conf")
    name = default_name(backup)
    assert name == "web-etc-app-app.conf-restored-7f3a2c"
    restore(engine, archive, run, backup, name)
    assert engine.files(name) == {"app.conf": b"saved"}


def test_a_directory_of_a_path_becomes_a_volume(engine: Recorder, archive: Archive, run: FakeRun) -> None:
    """What was below the path is what the volume holds."""
    engine.add_container("web", files={"/etc/app/app.conf": b"saved", "/etc/app/d/e": b"f"})
    backup = back_up_now(engine, archive, "web:/etc/app")
    restore(engine, archive, run, backup, "fresh")
    assert engine.files("fresh") == {"app.conf": b"saved", "d/e": b"f"}
    assert not engine.helpers()


def test_restore_never_touches_a_volume_that_exists(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """A taken name is refused before anything is journaled, made or removed."""
    with pytest.raises(Conflict, match="exists already"):
        restore(engine, archive, run, backup, "pgdata")
    assert engine.log == []


def test_restore_leaves_a_volume_that_somebody_made_meanwhile(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """When the engine says that the name was taken just now, that volume is not ours to remove."""
    engine.before["create_volume"] = lambda: engine.add_volume("fresh", {"precious": b"data"})
    with pytest.raises(Conflict, match="already"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.files("fresh") == {"precious": b"data"}
    assert run.journal == []


def test_restore_never_writes_into_storage_that_is_in_use(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """A new volume that is not empty is neither filled nor removed."""
    engine.before["create_helper"] = lambda: engine.put_file("fresh", "precious", b"data")
    with pytest.raises(Conflict, match="not empty"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.files("fresh") == {"precious": b"data"}
    assert not engine.helpers()


def test_options_that_point_at_the_same_storage_are_left_out(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """A local volume over a device is restored into a plain one, and the outcome says so."""
    options = {"type": "none", "o": "bind", "device": "/srv/data"}
    engine.create_volume(Volume(name="bound", driver="local", options=options))
    made = back_up_now(engine, archive, "bound")
    found = restore(engine, archive, run, made, "fresh")
    assert engine.volume("fresh").options == {}
    assert found.left_out == ("device", "o", "type")
    assert "not set again: device, o, type" in reply_of_new(found, "local").text


def test_a_damaged_backup_is_refused_before_anything_is_made(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """The whole backup is proven first."""
    data = bytearray(backup.files.tar.read_bytes())
    data[len(data) // 2] ^= 1
    backup.files.tar.chmod(0o600)
    backup.files.tar.write_bytes(data)
    with pytest.raises(ArchiveError):
        restore(engine, archive, run, backup, "fresh")
    assert engine.log == []


@pytest.mark.parametrize(
    "verb",
    [
        "create_volume",
        "create_helper",
        "create_tool",
        "read_volume",
        "write_volume",
        "inventory",
        "free_bytes",
    ],
)
def test_a_failed_restore_leaves_no_volume(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup, verb: str
) -> None:
    """Whichever verb fails, the half-filled volume and the helpers are gone."""
    engine.faults.failing = {verb: EngineError("The engine does not answer.")}
    with pytest.raises(EngineError, match="does not answer"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}
    assert not engine.helpers()


def test_a_restore_may_be_cancelled_at_every_check(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
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


def test_a_cancel_ends_a_reading_that_stalls(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """An engine that says nothing does not hold up the end."""
    engine.faults.stall_at_byte = 0

    def cancel() -> None:
        assert engine.faults.stalled.wait(10)
        run.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(Cancelled):
        restore(engine, archive, run, backup, "fresh")
    canceller.join()
    assert engine.names() == {"pgdata"}


def test_a_walk_whose_tool_was_removed_for_a_cancel_is_cancelled(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """What Docker says of the tool that was taken away is not what the restore ended for."""

    def cancelled(_host: FakeEngine) -> None:
        run.cancel()
        raise Conflict("It does not run.")

    engine.faults.before = {"inventory": [cancelled]}
    with pytest.raises(Cancelled):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}


def test_too_little_room_is_found_before_anything_is_written(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """What is missing is named, and the volume is gone again."""
    engine.free = 1_000
    with pytest.raises(EngineError, match=r"1\.0 kB are free") as raised:
        restore(engine, archive, run, backup, "fresh")
    assert raised.value.reason is Reason.DISK_FULL
    assert engine.names() == {"pgdata"}


def test_a_volume_that_reads_back_otherwise_is_not_kept(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """When the engine wrote something else than it was given, the restore fails and names the file."""

    def spoil() -> None:
        # The first reading looks whether the new volume is empty, the second one compares.
        engine.before["read"] = lambda: engine.put_file("fresh", "b", b"owt" * 500)

    engine.before["read"] = spoil
    with pytest.raises(EngineError, match=r"“b” has another .*sha256"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}


def test_an_attribute_that_was_not_written_is_found(
    engine: Recorder, archive: Archive, run: FakeRun, backup: Backup
) -> None:
    """What only a walk can see is compared as well: another time in the same second is a difference."""

    def spoil(engine: FakeEngine) -> None:
        engine.tree("fresh").change("a", mtime_ns=1_234_567_890_500_000_000)

    engine.faults.before["inventory"] = [spoil]
    with pytest.raises(EngineError, match="“a” has another mtime"):
        restore(engine, archive, run, backup, "fresh")
    assert engine.names() == {"pgdata"}


def test_what_came_and_went_in_a_directory_does_not_spoil_its_restore(
    engine: Recorder, archive: Archive, run: FakeRun
) -> None:
    """A temporary file between the walk and the tar leaves the backup whole, so the directory's new time is right."""
    tree = engine.tree("pgdata")
    tree.directory("conf", mtime_ns=1_234_567_890_500_000_000)

    def come_and_go(_: object) -> None:
        tree.file("conf/tmp", b"x")
        tree.remove("conf/tmp")

    engine.faults.during.append((0, come_and_go))
    backup = back_up_now(engine, archive, "pgdata")
    assert backup.is_ok
    restore(engine, archive, run, backup, "fresh")
    wanted = {entry.path: entry.mtime for entry in archive.entries(backup)}["conf"]
    assert wanted != 1_234_567_890
    assert engine.tree("fresh").node("conf").mtime_ns // 1_000_000_000 == wanted
