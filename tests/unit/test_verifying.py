"""Verify: what a disk lost is held against the backup, what only could not be read is not, and no thread stays."""

from __future__ import annotations

import errno
import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bot.entry import Entry
from bot.errors import ArchiveError, Cancelled
from bot.operations.holds import is_verified
from bot.operations.verify import verify
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup
from tests.fakes import FakeEngine
from tests.support.archives import START, Clock, back_up, fill, ignore, manifest_of
from tests.support.fake_run import FakeRun
from tests.support.uncollected import uncollected


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", Clock())


@pytest.fixture
def run(archive: Archive) -> FakeRun:
    return FakeRun(FakeEngine(), archive)


def _failing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """No file can be opened from now on, for that reason."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(code, "the kernel's own words", str(path))

    monkeypatch.setattr(Path, "open", refuse)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.ESTALE])
def test_what_could_not_be_read_is_not_held_against_the_backup(
    archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Too many open files, a missing right, a network file system: all that is noted is that it was tried."""
    backup = back_up(archive)
    marks = archive.marks(backup)
    with monkeypatch.context() as broken:
        _failing(broken, code)
        with pytest.raises(ArchiveError, match=r"could not be read \(the kernel's own words\)") as raised:
            verify(archive, run, backup, lambda: START)
    assert raised.value.reason is Reason.ARCHIVE
    assert "damaged" not in str(raised.value)
    assert archive.marks(backup) == replace(marks, tried_at=START)
    assert is_verified(backup, archive.marks(backup))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOENT])
def test_what_the_disk_lost_is_damage(
    archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A sector that cannot be read, a file that is gone: such a backup counts no more."""
    backup = back_up(archive)
    with monkeypatch.context() as broken:
        _failing(broken, code)
        with pytest.raises(ArchiveError, match="is damaged") as raised:
            archive.prove(backup, ignore)
    assert raised.value.reason is Reason.DAMAGED
    backup.files.tar.unlink()
    with pytest.raises(ArchiveError, match="is damaged"):
        verify(archive, run, backup, lambda: START)
    assert not is_verified(backup, archive.marks(backup))


def _tar_of(count: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        root = tarfile.TarInfo("volume")
        root.type = tarfile.DIRTYPE
        tar.addfile(root)
        for number in range(count):
            tar.addfile(tarfile.TarInfo(f"volume/{hashlib.sha256(str(number).encode()).hexdigest()}"))
    return packed.getvalue()


def _readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reading ")]


def test_a_cancelled_verify_leaves_no_thread(
    archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while the error is still in somebody's hands, and the list is longer than what is read ahead of it."""
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, _tar_of(1000))
        backup = draft.publish(manifest_of(draft.seal()))
    monkeypatch.setattr("bot.stores.archive.reading.CHUNK_BYTES", 2048)
    run.raise_at = 3
    with uncollected():
        with pytest.raises(Cancelled) as raised:
            verify(archive, run, backup, lambda: START)
        assert _readers() == []
    assert raised.value is run.error


def test_a_proof_that_fails_in_the_middle_leaves_no_thread(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is not read to its end then, and nobody waits for the rest of it."""
    backup = _no_tar(archive)
    monkeypatch.setattr("bot.stores.archive.reading.CHUNK_BYTES", 2048)
    with uncollected():
        with pytest.raises(ArchiveError, match="not a whole tar") as raised:
            archive.prove(backup, ignore)
        assert _readers() == []
    assert raised.value.reason is Reason.DAMAGED


def _no_tar(archive: Archive) -> Backup:
    """A backup with a long list and something in it that begins like a tar and is none."""
    with archive.begin("local", "pgdata", "r1") as draft:
        for number in range(1000):
            sha256 = hashlib.sha256(str(number).encode()).hexdigest()
            draft.entry(
                Entry(path=f"f{number}", kind="file", size=0, mode=0, uid=0, gid=0, mtime=0, sha256=sha256)
            )
        draft.write(_tar_of(1)[:1024] + b"no tar at all" * 1000)
        return draft.publish(manifest_of(draft.seal()))


def test_marks_that_nobody_can_read_just_now_are_not_written_over(archive: Archive, run: FakeRun) -> None:
    """That a reading was begun is not worth what may stand in them."""
    backup = back_up(archive)
    backup.files.marks.write_bytes(b"{")
    run.raise_at = 2
    with pytest.raises(Cancelled):
        verify(archive, run, backup, lambda: START)
    assert backup.files.marks.read_bytes() == b"{"
