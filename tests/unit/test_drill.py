"""A drill: a backup comes back in a volume that is thrown away, or it is said, and remembered, that it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import Check, Volume
from bot.errors import ArchiveError, Cancelled, Conflict, EngineError, NotFound
from bot.operations.drill import Drilled, DrillRule, drill, newest, plan
from bot.operations.holds import is_verified
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup
from tests.support.archives import START, Clock, back_up
from tests.support.fake_run import FakeRun, Recorder

LOOK = Check(image="look:1", words=("look",), limit=timedelta(seconds=5))
OTHER = replace(LOOK, image="other:1")
RULES = {"looks": DrillRule(volumes=("pg*",), check=LOOK)}
Rules = dict[str, DrillRule]


@pytest.fixture
def engine() -> Recorder:
    """A host with two volumes, whose images say yes to whatever they are asked."""
    made = Recorder()
    made.add_volume("pgdata", {"live": b"now"})
    made.checks = {"look:1": lambda _: (0, "fine"), "other:1": lambda _: (0, "")}
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", Clock())


@pytest.fixture
def backup(archive: Archive) -> Backup:
    return back_up(archive)


def _drill(engine: Recorder, archive: Archive, backup: Backup, rules: Rules | None = None) -> Drilled:
    """Drill it, and see that nothing of it is left and nothing else was touched."""
    run = FakeRun(engine, archive)
    try:
        return drill(engine, archive, run, plan(backup, run.run_id, rules or {}), lambda: START)
    finally:
        assert engine.names() == {"pgdata"}
        assert engine.files("pgdata") == {"live": b"now"}
        assert engine.helpers() == ()
        assert run.journal == []


def test_a_backup_that_comes_back_is_proven(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """It is restored, checked by what it holds, and remembered as restorable; all else stays as it was."""
    seen: list[dict[str, bytes]] = []

    def look(files: Mapping[str, bytes]) -> tuple[int, str]:
        seen.append(dict(files))
        return 0, "all well"

    engine.checks["look:1"] = look
    done = _drill(engine, archive, backup, RULES)
    assert (done.entries, done.checks, done.losses) == (4, ("looks",), ())
    assert seen == [{"d/f": b"hi"}]
    marks = archive.marks(backup)
    assert (marks.drilled_at, marks.verified_at, marks.failed_at) == (START, START, None)


def test_everything_is_written_down_before_it_is_made(
    engine: Recorder, archive: Archive, backup: Backup
) -> None:
    """The throw-away volume and each container are in the journal before they exist."""
    _drill(engine, archive, backup, RULES)
    made = [line for line in engine.log if line.startswith(("journal", "create", "run_check"))]
    assert made[:2] == ["journal remove_volume", "create_volume shipkeeper-drill-7f3a2c"]
    for place, line in enumerate(made):
        assert line.startswith("journal") or made[place - 1].startswith("journal"), made


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({}, []),
        ({"b": DrillRule(volumes=("logs",), check=LOOK)}, []),
        ({"b": DrillRule(volumes=("logs", "*data"), check=OTHER), "a": RULES["looks"]}, ["a", "b"]),
    ],
)
def test_checks_are_those_for_the_volume(backup: Backup, rules: Rules, names: list[str]) -> None:
    """All whose patterns match the volume are run, in the order of their names."""
    assert list(plan(backup, "7f3a2c", rules).checks) == names


def test_a_check_that_does_not_pass_is_remembered(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """The run fails with the end of what the check said, and the backup counts no more until a drill passes."""
    engine.checks["look:1"] = lambda _: (3, "no PG_VERSION in there")
    with pytest.raises(EngineError, match="no PG_VERSION in there") as failed:
        _drill(engine, archive, backup, RULES)
    assert "exit code 3" in str(failed.value)
    marks = archive.marks(backup)
    assert not is_verified(backup, marks)
    assert (marks.drilled_at, "no PG_VERSION" in marks.failure) == (None, True)
    _drill(engine, archive, backup)
    assert is_verified(backup, archive.marks(backup))


def test_a_damaged_backup_is_not_restored(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """It is read before anything is made, and remembered as bad."""
    held = bytearray(backup.files.tar.read_bytes())
    held[len(held) // 2] ^= 1
    backup.files.tar.write_bytes(held)
    with pytest.raises(ArchiveError):
        _drill(engine, archive, backup)
    assert not any(line.startswith("create_volume") for line in engine.log)
    assert not is_verified(backup, archive.marks(backup))


def test_a_backup_that_could_not_be_read_is_not_held_against_it(
    engine: Recorder, archive: Archive, backup: Backup
) -> None:
    """Something else than a file in its place tells nothing of what was there, and nothing is known of the backup."""
    tar = backup.files.tar
    kept = tar.rename(tar.with_name("kept"))
    tar.mkdir()
    with pytest.raises(ArchiveError, match="could not be read"):
        _drill(engine, archive, backup)
    tar.rmdir()
    kept.rename(tar)
    assert is_verified(backup, archive.marks(backup))


def test_what_comes_back_differently_is_found(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """When the volume does not hold what the backup does, that is no proof, whatever the checks say."""
    engine.faults.before["read_volume"] = [
        lambda host: host.put_file("shipkeeper-drill-7f3a2c", "d/f", b"other")
    ]
    with pytest.raises(EngineError) as failed:
        _drill(engine, archive, backup, RULES)
    assert failed.value.reason is Reason.DIFFERS
    assert not is_verified(backup, archive.marks(backup))


def _no_image(engine: Recorder) -> None:
    del engine.checks["look:1"]


def _no_end(engine: Recorder) -> None:
    engine.checks["look:1"] = lambda _: (None, "")


def _no_room(engine: Recorder) -> None:
    engine.free = 10


def _no_helper(engine: Recorder) -> None:
    engine.faults.failing["write_volume"] = EngineError("Docker does not take it.")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [(_no_image, NotFound), (_no_end, EngineError), (_no_room, EngineError), (_no_helper, EngineError)],
)
def test_what_is_not_the_backups_fault_is_not_held_against_it(
    engine: Recorder,
    archive: Archive,
    backup: Backup,
    spoil: Callable[[Recorder], None],
    kind: type[Exception],
) -> None:
    """When Docker, the check's image, its time or the disk is the trouble, nothing new is known of the backup."""
    spoil(engine)
    with pytest.raises(kind):
        _drill(engine, archive, backup, RULES)
    marks = archive.marks(backup)
    assert (marks.drilled_at, marks.failed_at) == (None, None)


def test_a_volume_of_that_name_is_not_touched(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """Somebody else's volume under the throw-away name is neither filled nor removed."""
    engine.create_volume(Volume(name="shipkeeper-drill-7f3a2c", driver="local"))
    run = FakeRun(engine, archive)
    with pytest.raises(Conflict):
        drill(engine, archive, run, plan(backup, run.run_id, {}), lambda: START)
    assert engine.names() == {"pgdata", "shipkeeper-drill-7f3a2c"}


def test_a_cancelled_drill_leaves_nothing(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """A cancel during the check ends it; whoever asked is told so, and nothing is held against the backup."""
    run = FakeRun(engine, archive)

    def look(_: object) -> tuple[int, str]:
        run.cancel()
        return 0, "fine"

    engine.checks["look:1"] = look
    with pytest.raises(Cancelled):
        drill(engine, archive, run, plan(backup, run.run_id, RULES), lambda: START)
    assert (engine.names(), engine.helpers(), run.journal) == ({"pgdata"}, (), [])
    assert archive.marks(backup).drilled_at is None


def test_a_partial_backup_is_not_drilled(engine: Recorder, archive: Archive, backup: Backup) -> None:
    """It is known to lack something, so there is nothing to prove."""
    partial = replace(backup, manifest=replace(backup.manifest, outcome="partial"))
    with pytest.raises(Conflict, match="partial"):
        _drill(engine, archive, partial)


def test_the_newest_whole_backup_is_tried(tmp_path: Path) -> None:
    """Those of the named host go first, then those of the only other one; partial ones do not count."""
    clock = Clock()
    archive = Archive(tmp_path / "archive", clock)
    with pytest.raises(NotFound, match="no whole backup of pgdata"):
        newest(archive, "pgdata", ("local", None))
    back_up(archive, run_id="r1")
    clock.now += timedelta(hours=1)
    back_up(archive, run_id="r2")
    assert newest(archive, "pgdata", ("local", None)).manifest.run_id == "r2"
    assert newest(archive, "pgdata", ("elsewhere", None)).manifest.run_id == "r2"
    with pytest.raises(NotFound):
        newest(archive, "pgdata", ("elsewhere",))
    listed = archive.backups()

    def backups(
        host: str | None = None, volume: str | None = None, *, anew: bool = False
    ) -> tuple[Backup, ...]:
        assert anew
        partial = replace(listed[0], manifest=replace(listed[0].manifest, outcome="partial"))
        far = replace(listed[1], manifest=replace(listed[1].manifest, host="far"))
        found = [one for one in (partial, listed[1], far) if host in (None, one.host)]
        return tuple(found if volume == "pgdata" else ())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "backups", backups)
        assert newest(archive, "pgdata", ("local", None)).manifest.run_id == "r1"
        with pytest.raises(Conflict, match="far, local"):
            newest(archive, "pgdata", ("elsewhere", None))
