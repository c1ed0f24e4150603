"""A look at many backups costs no more than it must: manifests are remembered, and never believed for too long."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import ArchiveError, NotFound
from bot.operations.rotation import Turn, next_to_verify
from bot.stores.archive import Archive, Backup
from bot.stores.archive import scanning as scanning_room
from bot.stores.archive.manifest import Manifest, parse_manifest
from tests.support.archives import Clock, back_up, rewrite

HOUR = 3600.0


class Reader:
    """Counts which manifests are read, and makes the clock that does not stop go faster."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: Counter[str] = Counter()
        self.later = 0.0
        monkeypatch.setattr(scanning_room, "parse_manifest", self._parse)
        monkeypatch.setattr(scanning_room.time, "monotonic", self._clock(time.monotonic))

    def _parse(self, text: str) -> Manifest:
        manifest = parse_manifest(text)
        self.read[manifest.run_id] += 1
        return manifest

    def _clock(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: real() + self.later

    def during(self, look: Callable[[], object]) -> dict[str, int]:
        """What was read while that was done."""
        self.read.clear()
        look()
        return dict(self.read)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Whoever reads manifests is counted."""
    return Reader(monkeypatch)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three backups of two volumes, a minute old."""
    made = Archive(tmp_path / "archive", Clock())
    for volume, run_id in (("pgdata", "r1"), ("pgdata", "r2"), ("web", "r3")):
        aged(back_up(made, volume, run_id))
    return made


def aged(backup: Backup) -> Backup:
    """Its manifest was written a minute ago, as far as its file tells."""
    then = time.time() - 60
    os.utime(backup.files.manifest, (then, then))
    return backup


def runs(found: tuple[Backup, ...]) -> set[str]:
    """Which runs made them."""
    return {one.manifest.run_id for one in found}


def test_manifests_are_read_once(archive: Archive, reader: Reader) -> None:
    """The second look at everything, at one volume and for damage reads none, and finds the same."""
    assert reader.during(archive.backups) == {"r1": 1, "r2": 1, "r3": 1}
    assert reader.during(archive.backups) == {}
    assert reader.during(archive.damaged) == {}
    assert reader.during(lambda: archive.backups("local", "web")) == {}
    assert runs(archive.backups()) == {"r1", "r2", "r3"}


def test_what_is_new_is_read_and_what_is_gone_is_forgotten(archive: Archive, reader: Reader) -> None:
    """Only the manifest of the new backup is read; a removed backup is not listed any more."""
    gone = archive.find("r1")
    archive.backups()
    archive.remove(gone)
    aged(back_up(archive, "web", "r4"))
    assert reader.during(archive.backups) == {"r4": 1}
    assert runs(archive.backups()) == {"r2", "r3", "r4"}


def test_a_manifest_that_was_changed_is_read_again(archive: Archive, reader: Reader) -> None:
    """Also when its time and its size were put back: that it was touched cannot be hidden."""
    backup = archive.find("r1")
    archive.backups()
    before = backup.files.manifest.stat()
    data = bytearray(backup.files.manifest.read_bytes())
    data[data.index(b"Ada")] ^= 1
    backup.files.manifest.write_bytes(data)
    os.utime(backup.files.manifest, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert runs(archive.backups()) == {"r2", "r3"}
    assert [one.path for one in archive.damaged()] == [backup.files.manifest]
    rewrite(backup.files.manifest, note="other")
    assert reader.during(archive.backups)["r1"] == 1


def test_a_manifest_written_just_now_is_not_believed(archive: Archive, reader: Reader) -> None:
    """It could be written again within the same tick of its clock, and look as before."""
    back_up(archive, "web", "r4")
    archive.backups()
    assert reader.during(archive.backups) == {"r4": 1}


def test_what_is_proven_by_turns_was_read_just_now(archive: Archive, reader: Reader) -> None:
    """A proof is held against the manifest that the disk holds, and not against one that is remembered."""
    archive.backups()
    assert reader.during(archive.backups) == {}
    assert reader.during(lambda: next_to_verify(archive, Turn(host="local"))) == {"r1": 1, "r2": 1, "r3": 1}


def test_after_an_hour_all_are_read_again(archive: Archive, reader: Reader) -> None:
    """A disk spoils files without telling."""
    archive.backups()
    reader.later += HOUR - 60
    assert reader.during(archive.backups) == {}
    reader.later += 61
    assert reader.during(archive.backups) == {"r1": 1, "r2": 1, "r3": 1}


def test_who_relies_on_them_has_them_read_anew(archive: Archive, reader: Reader) -> None:
    """Of the volume that is asked for; what was read then is remembered for others."""
    archive.backups()
    assert reader.during(lambda: archive.backups("local", "pgdata", anew=True)) == {"r1": 1, "r2": 1}
    assert reader.during(archive.backups) == {}


def test_other_files_are_looked_at_each_time(archive: Archive) -> None:
    """A tar that was cut and a list that is gone are noticed while the manifest is as it was."""
    first, second = archive.find("r1"), archive.find("r3")
    archive.backups()
    first.files.tar.write_bytes(b"")
    second.files.entries.unlink()
    assert runs(archive.backups()) == {"r2"}
    assert {one.path for one in archive.damaged()} == {first.files.manifest, second.files.manifest}


def test_one_backup_is_found_by_its_name(archive: Archive, reader: Reader) -> None:
    """No other manifest is read, whether it is there, damaged or missing."""
    assert reader.during(lambda: archive.find("r2")) == {"r2": 1}
    archive.backups()
    assert reader.during(lambda: archive.find("pgdata/r2")) == {"r2": 1}
    found = archive.find("r2")
    found.files.tar.unlink()
    with pytest.raises(ArchiveError, match="is damaged"):
        archive.find(found.id)
    reader.read.clear()
    with pytest.raises(NotFound, match=r"r9.*nearest are: r"):
        archive.find("r9")
    assert not reader.read


def test_what_a_run_made_is_found_by_its_name(archive: Archive, reader: Reader) -> None:
    """All that it backed up, and nothing else is read."""
    back_up(archive, "web", "r1")
    assert reader.during(lambda: archive.of_run("r1")) == {"r1": 2}
    assert {one.volume for one in archive.of_run("r1")} == {"pgdata", "web"}
    assert archive.of_run("r") == ()


def test_alike_backups_share_what_they_have_in_common(archive: Archive) -> None:
    """So ten thousand of them fit into little memory."""
    newest, oldest = archive.backups("local", "pgdata")
    assert newest.manifest.volume is oldest.manifest.volume
    assert newest.manifest.proof is oldest.manifest.proof
    assert newest.manifest.stored != oldest.manifest.stored


def test_a_backup_that_is_removed_while_somebody_looks_was_never_there(archive: Archive) -> None:
    """The names of a directory are read first; what prune takes away before it is looked at is no damage."""
    looking = scanning_room.scan(archive.root, "local", "pgdata")
    next(looking)
    archive.remove(archive.find("r2"))
    assert list(looking) == []


@pytest.mark.parametrize("ending", ["tar", "entries"])
def test_a_backup_that_is_removed_in_the_middle_of_a_look_was_never_there(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Its manifest goes first: nothing that goes after it is missed any more, nor told as damaged by its name."""
    backup = archive.find("r2")
    read = scanning_room.parse_manifest

    def read_and_remove(text: str) -> Manifest:
        getattr(backup.files, ending).unlink()
        backup.files.manifest.unlink()
        return read(text)

    monkeypatch.setattr(scanning_room, "parse_manifest", read_and_remove)
    with pytest.raises(NotFound, match="There is no backup r2"):
        archive.find("r2")
