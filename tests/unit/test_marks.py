"""Marks: what is noted of a backup stays, is changed by one at a time, and what cannot be read holds it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import ArchiveError, NotFound
from bot.stores.archive import Archive, Backup, Hold, Marks
from bot.stores.archive.marks import PRECAUTION, parse_marks
from tests.support.archives import START, Clock, back_up, files_below, ignore, over, rewrite

HOLD = Hold(by="Ada", at=START, note="before the move é", until=START + timedelta(days=7))
MARKS = Marks(
    verified_at=START,
    drilled_at=START + timedelta(hours=1),
    failed_at=START,
    failure="\udcff is not",
    hold=HOLD,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", Clock())


@pytest.fixture
def backup(archive: Archive) -> Backup:
    return back_up(archive)


def test_without_a_file_there_are_no_marks(archive: Archive, backup: Backup) -> None:
    """A new backup has none, and asking makes no file."""
    before = files_below(archive.root)
    assert archive.marks(backup) == Marks()
    assert not archive.marks(backup).unreadable
    assert not archive.marks(backup).is_held(START)
    assert files_below(archive.root) == before


def test_marks_stay(archive: Archive, backup: Backup) -> None:
    """All of them come back from another archive over the same directory; the manifest is as it was."""
    manifest = backup.files.manifest.read_bytes()
    assert archive.mark(backup, lambda _: MARKS) == MARKS
    assert Archive(archive.root, Clock()).marks(backup) == MARKS
    assert backup.files.manifest.read_bytes() == manifest
    assert (backup.files.marks.stat().st_mode & 0o777) == 0o600
    assert archive.backups() == (backup,)
    assert not archive.damaged()
    archive.prove(backup, ignore)
    assert archive.sweep(over) == ()


def test_a_change_is_given_the_marks_so_far(archive: Archive, backup: Backup) -> None:
    """What is not changed is kept."""
    archive.mark(backup, lambda marks: replace(marks, hold=HOLD))
    archive.mark(backup, lambda marks: replace(marks, verified_at=START))
    assert archive.marks(backup) == Marks(hold=HOLD, verified_at=START)


@pytest.mark.parametrize(
    ("until", "now", "is_held"),
    [
        (None, datetime.max.replace(tzinfo=START.tzinfo), True),
        (START, START - timedelta(microseconds=1), True),
        (START, START, False),
        (START, START + timedelta(days=1), False),
    ],
)
def test_a_hold_ends_when_it_says(until: datetime | None, now: datetime, is_held: bool) -> None:
    """Up to its end and not at it; without an end, always."""
    assert Marks(hold=replace(HOLD, until=until)).is_held(now) is is_held


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"format": 2}', '{"format": 1, "id": "other"}'])
def test_marks_that_are_no_marks_hold_the_backup(archive: Archive, backup: Backup, text: str) -> None:
    """They are reported, nothing of them counts, and as a hold may have been among them the backup is held."""
    backup.files.marks.write_bytes(text.encode("latin-1"))
    marks = archive.marks(backup)
    assert marks.unreadable
    assert replace(marks, hold=None) == Marks()
    assert marks.is_held(START + timedelta(days=9999))
    assert archive.marks(backup) == marks
    (damaged,) = archive.damaged()
    assert damaged.path == backup.files.marks
    assert archive.backups() == (backup,)
    assert archive.sweep(over) == ()


def test_marks_of_another_backup_do_not_count(archive: Archive, backup: Backup) -> None:
    """A file that somebody copied from elsewhere is foreign."""
    other = back_up(archive, run_id="r2")
    archive.mark(other, lambda _: MARKS)
    backup.files.marks.write_bytes(other.files.marks.read_bytes())
    assert "another backup" in archive.marks(backup).unreadable


def test_unreadable_marks_are_replaced_but_the_hold_stays(archive: Archive, backup: Backup) -> None:
    """Noting something else does not let go of what may have been held; a release does."""
    backup.files.marks.write_text("{")
    archive.mark(backup, lambda marks: replace(marks, verified_at=START))
    marks = archive.marks(backup)
    assert (marks.verified_at, marks.unreadable) == (START, "")
    assert marks.hold is not None
    assert marks.hold.by == PRECAUTION
    archive.mark(backup, lambda marks: replace(marks, hold=None))
    assert archive.marks(backup) == Marks(verified_at=START)
    assert not archive.damaged()


def test_every_flipped_bit_in_marks_is_noticed() -> None:
    """No bit can change unseen: neither a hold's end nor the name of a key."""
    data = MARKS.to_json("b1").encode("ascii")
    assert parse_marks(data.decode(), "b1") == MARKS
    for place in range(len(data)):
        for bit in range(8):
            bad = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            with pytest.raises(ValueError):
                parse_marks(bad.decode(), "b1")


@pytest.mark.parametrize("changes", [{"verified_at": 5}, {"hold": []}, {"hold": {"by": "x"}}, {"failure": 1}])
def test_wrong_kinds_are_not_believed(archive: Archive, backup: Backup, changes: dict[str, object]) -> None:
    """Marks with the right checksum and the wrong content are no marks."""
    archive.mark(backup, lambda _: MARKS)
    rewrite(backup.files.marks, **changes)
    assert archive.marks(backup).unreadable


def test_a_change_that_fails_changes_nothing(archive: Archive, backup: Backup) -> None:
    """What the change raises comes out, and the marks are as they were."""
    archive.mark(backup, lambda _: MARKS)

    def fail(_: Marks) -> Marks:
        raise KeyError("no")

    with pytest.raises(KeyError):
        archive.mark(backup, fail)
    assert archive.marks(backup) == MARKS
    archive.mark(backup, lambda marks: replace(marks, hold=None))


def test_a_disk_that_does_not_take_them_leaves_the_old_ones(
    archive: Archive, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the new file cannot be made durable, the former marks stand and nothing is left over."""
    archive.mark(backup, lambda _: MARKS)

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(ArchiveError, match="as they were"):
            archive.mark(backup, lambda _: Marks())
    assert archive.marks(backup) == MARKS
    assert len(files_below(archive.root)) == 4


def test_a_half_written_file_is_swept_and_written_over(archive: Archive, backup: Backup) -> None:
    """What a crash left beside the marks is a leftover; the backup and its marks stay."""
    archive.mark(backup, lambda _: MARKS)
    part = backup.files.marks.with_name(backup.files.marks.name + ".part")
    part.write_text("{")
    assert archive.report().leftovers == (part,)
    archive.mark(backup, lambda _: MARKS)
    assert not part.exists()
    part.write_text("{")
    assert archive.sweep(over) == (part,)
    assert archive.marks(backup) == MARKS
    archive.prove(backup, ignore)


def test_marks_without_a_backup_are_leftovers(archive: Archive, backup: Backup) -> None:
    """Without its manifest there is nothing to note anything of, and the marks are swept with the rest."""
    archive.mark(backup, lambda _: MARKS)
    backup.files.manifest.unlink()
    with pytest.raises(NotFound, match="any more"):
        archive.mark(backup, lambda _: MARKS)
    assert backup.files.marks in archive.sweep(over)
    assert files_below(archive.root) == []


def test_nobody_marks_what_is_being_removed(archive: Archive, backup: Backup) -> None:
    """A change that waited while the backup went away notes nothing and makes no file."""
    is_changing, may_go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def slow(marks: Marks) -> Marks:
        is_changing.set()
        assert may_go_on.wait(10)
        return marks

    def late(marks: Marks) -> Marks:
        ended.append("changed")
        return marks

    first = threading.Thread(target=archive.mark, args=(backup, slow))
    first.start()
    assert is_changing.wait(10)
    # It stands in the queue behind the first; when it gets there, the manifest's name is gone.
    second = threading.Thread(target=_expect_not_found, args=(archive, backup, late, ended))
    second.start()
    backup.files.manifest.rename(backup.files.manifest.with_name("moved"))
    may_go_on.set()
    first.join(10)
    second.join(10)
    assert ended == ["not found"]


def _expect_not_found(archive: Archive, backup: Backup, change: object, ended: list[str]) -> None:
    try:
        archive.mark(backup, change)  # type: ignore[arg-type]
    except NotFound:
        ended.append("not found")


def _count_up(root: Path, times: int) -> None:
    archive = Archive(root, Clock())
    (backup,) = archive.backups()

    def one_more(marks: Marks) -> Marks:
        return replace(marks, failure=str(int(marks.failure or "0") + 1))

    for _ in range(times):
        archive.mark(backup, one_more)


def test_two_processes_lose_no_change(archive: Archive, backup: Backup) -> None:
    """Changes from several processes at once follow one another, and each sees the one before."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_up, args=(archive.root, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    _count_up(archive.root, 25)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert archive.marks(backup).failure == "75"
