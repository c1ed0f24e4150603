"""The archive on disk: nothing is a backup before its manifest; a backup is proven or called damaged."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bot.entry import Entry
from bot.errors import ArchiveError, Conflict, NotFound
from bot.reasons import Reason
from bot.stores.archive import Archive, Draft, Hold
from bot.stores.archive.disk import make_directory
from bot.stores.archive.reading import read_back
from bot.tar.stream import TarReader
from tests.support.archives import (
    Clock,
    back_up,
    files_below,
    fill,
    ignore,
    manifest_of,
    over,
    rewrite,
    small_tar,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path, clock: Clock) -> Archive:
    return Archive(tmp_path / "archive", clock)


@pytest.fixture(scope="module")
def tar() -> bytes:
    """A small volume's tar made by GNU tar."""
    return small_tar()


def pour(draft: Draft) -> None:
    """Write two mebibytes that do not compress, and have them stored."""
    for _ in range(4):
        draft.write(os.urandom(1 << 19))
    draft.seal()


def test_a_backup_is_three_files_for_their_owner_alone(archive: Archive) -> None:
    """The layout is the documented one; files are 0600 and directories 0700."""
    backup = back_up(archive)
    assert backup.id == "20261103T040506Z-r1"
    assert files_below(archive.root) == [
        f"local/pgdata/{backup.id}{end}" for end in (".entries.jsonl.zst", ".manifest.json", ".tar.zst")
    ]
    for path in archive.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_the_manifest_says_what_the_files_are(archive: Archive, tar: bytes) -> None:
    """Hashes and sizes in the JSON are those of the files, keys come in a fixed order, format first."""
    backup = back_up(archive)
    found = json.loads(backup.files.manifest.read_text())
    stored, entries = backup.files.tar.read_bytes(), backup.files.entries.read_bytes()
    assert list(found)[:4] == ["format", "id", "host", "engine"]
    assert found["format"] == 1
    assert found["stored"] == {
        "bytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest(), "file": backup.files.tar.name,
    }  # fmt: skip
    assert found["raw"] == {"bytes": len(tar), "sha256": hashlib.sha256(tar).hexdigest()}
    assert found["entries"]["sha256"] == hashlib.sha256(entries).hexdigest()
    assert found["entries"]["count"] == 4
    assert found["outcome"] == "ok"
    assert found["proof"] == ["end-of-archive", "entries-hashed", "stored-read-back"]


def test_what_was_saved_is_read_again(archive: Archive, tar: bytes) -> None:
    """Another archive over the same directory finds the backup, its bytes and its entries."""
    saved = back_up(archive)
    (backup,) = Archive(archive.root, Clock()).backups()
    assert backup == saved
    assert b"".join(archive.open(backup)) == tar
    found: list[Entry] = []
    TarReader(found.append).feed(tar)
    assert list(archive.entries(backup)) == found
    archive.prove(backup, ignore)


@pytest.mark.parametrize("stage", ["begun", "written", "sealed"])
def test_without_a_manifest_there_is_no_backup(archive: Archive, tar: bytes, stage: str) -> None:
    """A draft that was left at any stage is not listed, and the sweep removes it."""
    with archive.begin("local", "pgdata", "r1") as draft:
        if stage != "begun":
            fill(draft, tar)
        if stage == "sealed":
            draft.seal()
    assert files_below(archive.root)
    assert not archive.backups()
    assert not archive.damaged()
    assert archive.sweep(lambda run_id: run_id != "r1") == ()
    assert {path.suffix for path in archive.sweep(over)} == {".part"}
    assert files_below(archive.root) == []


def test_files_renamed_but_without_manifest_are_leftovers(archive: Archive) -> None:
    """A crash between the renames and the manifest leaves no backup, and the sweep removes both files."""
    backup = back_up(archive)
    backup.files.manifest.rename(backup.files.parts[2])
    assert archive.backups() == ()
    assert len(archive.sweep(over)) == 3
    assert files_below(archive.root) == []


def test_sweep_leaves_backups_and_strange_files_alone(archive: Archive) -> None:
    """Neither a published backup nor a file that is not the archive's own is ever swept."""
    backup = back_up(archive)
    (backup.files.directory / "README.tar.zst").write_text("mine")
    before = files_below(archive.root)
    assert archive.sweep(over) == ()
    assert files_below(archive.root) == before


def test_an_archive_at_the_top_of_a_disk_is_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lost+found`, which only root may look into, is neither a host nor in the way."""
    backup = back_up(archive)
    (archive.root / "lost+found").mkdir()
    look = Path.iterdir

    def look_as_a_user(path: Path) -> Iterator[Path]:
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(Path, "iterdir", look_as_a_user)
    assert archive.backups() == (backup,)
    assert archive.find(backup.id) == backup
    assert archive.sweep(over) == ()


def test_discard_removes_a_draft_and_may_be_called_twice(archive: Archive, tar: bytes) -> None:
    """Discarding by name, as after a crash, removes all of the draft; again changes nothing."""
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, tar)
        assert all(path.name.endswith(".part") for path in draft.part_paths)
        archive.discard("local", "pgdata", draft.id)
        archive.discard("local", "pgdata", draft.id)
    draft.discard()
    assert list(archive.root.iterdir()) == []


def test_a_draft_outlives_the_removal_of_its_empty_directory(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends finds another's directory empty and takes it away: the other makes it once more."""
    made: list[Path] = []

    def make_and_lose(path: Path) -> None:
        make_directory(path)
        made.append(path)
        if len(made) == 1:
            archive.discard("local", "pgdata", "20260101T000000Z-r0")
            assert not path.exists()

    monkeypatch.setattr("bot.stores.archive.draft.make_directory", make_and_lose)
    back_up(archive)
    assert len(made) == 2
    archive.discard("local", "pgdata", "20260101T000000Z-r0")
    assert len(archive.backups()) == 1


def test_discard_never_removes_a_published_backup(archive: Archive) -> None:
    """An undo entry that outlived its backup's publication does no harm."""
    backup = back_up(archive)
    archive.discard("local", "pgdata", backup.id)
    archive.prove(backup, ignore)


def test_only_the_drafts_own_manifest_is_published(archive: Archive, tar: bytes) -> None:
    """A manifest with another hash, or before sealing, publishes nothing."""
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, tar)
        sealed = draft.seal()
        wrong = replace(sealed.raw, sha256="0" * 64)
        with pytest.raises(ArchiveError, match="Nothing was published"):
            draft.publish(manifest_of(sealed, raw=wrong))
    assert archive.backups() == ()


def test_a_sealed_draft_takes_no_more(archive: Archive, tar: bytes) -> None:
    """Bytes behind the seal would be unproven."""
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, tar)
        draft.seal()
        with pytest.raises(ArchiveError, match="no more data"):
            draft.write(b"x")


def test_seal_notices_what_the_disk_changed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk gives back other bytes than it was given, sealing fails."""

    def spoilt(path: Path, *written: Any) -> Iterator[bytes]:
        with path.open("r+b") as file:
            file.seek(-4000, os.SEEK_END)
            file.write(b"\0" * 16)
        return read_back(path, *written)

    monkeypatch.setattr("bot.stores.archive.draft.read_back", spoilt)
    with archive.begin("local", "pgdata", "r1") as draft:
        draft.write(os.urandom(1 << 20))
        with pytest.raises(ArchiveError, match="damaged"):
            draft.seal()


@pytest.mark.parametrize("which", ["tar", "entries"])
@pytest.mark.parametrize("harm", ["flip", "cut", "append"])
def test_prove_notices_every_damage(archive: Archive, which: str, harm: str) -> None:
    """One flipped bit, a missing byte or an additional byte in either file is found."""
    backup = back_up(archive)
    path: Path = getattr(backup.files, which)
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 4
    path.write_bytes({"flip": data, "cut": data[:-1], "append": data + b"\0"}[harm])
    with pytest.raises(ArchiveError, match="damaged"):
        archive.prove(backup, ignore)


def test_every_single_flipped_bit_is_found(archive: Archive) -> None:
    """No byte of the stored tar can change unseen."""
    backup = back_up(archive)
    data = backup.files.tar.read_bytes()
    for place in range(len(data)):
        backup.files.tar.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ArchiveError):
            archive.prove(backup, ignore)


def test_prove_compares_the_list_with_the_tar(archive: Archive, tar: bytes) -> None:
    """A list whose own hash is right but that lists something else is named with the difference."""
    with archive.begin("local", "pgdata", "r1") as draft:
        found: list[Entry] = []
        TarReader(found.append).feed(tar)
        for entry in found[:-1]:
            draft.entry(replace(entry, mode=0) if entry.path == "d" else entry)
        draft.entry(replace(found[-1], path="other"))
        draft.entry(replace(found[-1], path="more"))
        draft.write(tar)
        backup = draft.publish(manifest_of(draft.seal()))
    with pytest.raises(ArchiveError) as raised:
        archive.prove(backup, ignore)
    assert "“more” is not in the tar" in str(raised.value)
    assert "should" in str(raised.value)


def test_prove_may_be_ended_by_the_one_who_watches(archive: Archive) -> None:
    """What the tick raises comes out."""

    def stop(done: int) -> None:
        raise KeyError(done)

    with pytest.raises(KeyError):
        archive.prove(back_up(archive), stop)


def test_backups_come_newest_first_and_by_place(archive: Archive, clock: Clock) -> None:
    """The list is ordered by start and may be limited to a volume."""
    first = back_up(archive, "pgdata", "r1")
    clock.now += timedelta(seconds=5)
    second = back_up(archive, "redis", "r2")
    assert archive.backups() == (second, first)
    assert archive.backups(volume="redis") == (second,)
    assert archive.backups("local", "pgdata") == (first,)
    assert archive.backups("elsewhere") == ()


def test_find_takes_run_id_or_whole_id(archive: Archive) -> None:
    """Both references lead to the backup; a near miss names it; one that fits twice is refused."""
    backup = back_up(archive, "pgdata", "7f3a2c")
    assert archive.find("7f3a2c") == archive.find(backup.id) == backup
    with pytest.raises(NotFound, match="7f3a2c"):
        archive.find("7f3a2d")
    with pytest.raises(NotFound, match=r"Nothing was changed\. `backups` lists them"):
        archive.find("zzzz")
    other = back_up(archive, "redis", "7f3a2c")
    with pytest.raises(Conflict, match=r"pgdata/\S+ on local, redis/\S+ on local"):
        archive.find("7f3a2c")
    assert archive.find("7f3a2c", volume="redis") == other


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, "{}", '{"format": 2}', '{"format": 1, "id": 5}', "\xff"],
)
def test_a_broken_manifest_is_reported_and_hides_nothing(archive: Archive, text: str) -> None:
    """Whatever is in a manifest, the others are still listed and the broken one is named."""
    broken = back_up(archive, run_id="r1")
    whole = back_up(archive, run_id="r2")
    broken.files.manifest.write_bytes(text.encode("latin-1"))
    assert archive.backups() == (whole,)
    (damaged,) = archive.damaged()
    assert damaged.path == broken.files.manifest
    with pytest.raises(ArchiveError, match="is damaged"):
        archive.find("r1")
    assert archive.sweep(over) == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "20261103T040506Z-r9"),
        ("host", "other"),
        ("outcome", "fine"),
        ("problems", {"count": 1, "listed": []}),
        ("started_at", "0001-01-01T00:00:00+05:00"),
        ("started_at", "2026-11-03T04:05:06"),
        ("raw", {"bytes": -1, "sha256": "0" * 64}),
        ("raw", {"bytes": 1, "sha256": "x"}),
        ("raw", {"bytes": True}),
        ("stored", {"bytes": 1, "sha256": "0" * 64, "file": "../../etc/passwd"}),
    ],
)
def test_a_manifest_that_does_not_fit_is_damaged(archive: Archive, key: str, value: object) -> None:
    """A manifest of another place, with another outcome, or naming a file elsewhere is not believed."""
    backup = back_up(archive)
    rewrite(backup.files.manifest, **{key: value})
    assert archive.backups() == ()
    (damaged,) = archive.damaged()
    assert "checksum" not in damaged.reason


@pytest.mark.parametrize("which", ["tar", "entries"])
def test_a_missing_file_makes_a_backup_damaged(archive: Archive, which: str) -> None:
    """A manifest alone is no backup."""
    backup = back_up(archive)
    getattr(backup.files, which).unlink()
    assert archive.backups() == ()
    assert "missing" in archive.damaged()[0].reason


def test_a_shortened_tar_makes_a_backup_damaged_at_a_glance(archive: Archive) -> None:
    """Another length is noticed without reading the file."""
    backup = back_up(archive)
    os.truncate(backup.files.tar, 10)
    assert archive.backups() == ()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "-x", "a\0b", "a\n", "é", "x" * 300]
)
def test_names_that_are_no_file_names_are_refused(archive: Archive, name: str) -> None:
    """Host, run and backup ids never lead out of the archive."""
    for attempt in (
        lambda: archive.begin(name, "v", "r"),
        lambda: archive.begin("h", "v", name),
        lambda: archive.discard("h", "v", name),
        lambda: archive.backups(name),
    ):
        with pytest.raises(ArchiveError, match="cannot be the name"):
            attempt()
    assert not archive.root.exists()


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_source_without_a_name_is_refused(archive: Archive, name: str) -> None:
    """No name at all, or one that no file system knows, has no directory."""
    for attempt in (
        lambda: archive.begin("h", name, "r"),
        lambda: archive.discard("h", name, "x"),
        lambda: archive.backups("h", name),
    ):
        with pytest.raises(ArchiveError, match="cannot be the name"):
            attempt()
    assert not archive.root.exists()


def test_the_same_backup_is_not_begun_twice(archive: Archive) -> None:
    """A draft never writes over another one."""
    with (
        archive.begin("local", "pgdata", "r1"),
        pytest.raises(ArchiveError, match="exists"),
        archive.begin("local", "pgdata", "r1"),
    ):
        pass


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond the limit: the kernel then refuses writes with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_bytes_is_told_in_a_sentence(archive: Archive) -> None:
    """A refused write ends the draft with a sentence, and nothing is listed."""
    with archive.begin("local", "pgdata", "r1") as draft:
        with file_size_limit(1 << 20), pytest.raises(ArchiveError, match="no earlier backup was changed"):
            pour(draft)
        draft.discard()
    assert archive.backups() == ()
    assert files_below(archive.root) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte, where mounting is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False).returncode
    ):
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_names_the_room_and_leaves_earlier_backups(small_disk: Path) -> None:
    """On ENOSPC the message names free and written bytes, and the earlier backup still is whole."""
    archive = Archive(small_disk / "archive", Clock())
    earlier = back_up(archive)
    with archive.begin("local", "pgdata", "r2") as draft:
        with pytest.raises(
            ArchiveError, match=r"disk is full \([\d.]+ .?B are free.*B of this backup had been"
        ):
            pour(draft)
        assert archive.backups() == (earlier,)
    draft.discard()
    archive.prove(earlier, ignore)
    assert files_below(archive.root) == files_below(small_disk / "archive")
    assert len(files_below(archive.root)) == 3


def test_a_manifest_that_finds_no_room_publishes_nothing(small_disk: Path, tar: bytes) -> None:
    """When the disk is full at the very last file there is no backup, and discarding leaves nothing."""
    archive = Archive(small_disk / "archive", Clock())
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, tar)
        sealed = draft.seal()
        rest = shutil.disk_usage(small_disk).free
        (small_disk / "ballast").write_bytes(bytes(rest))
        with pytest.raises(ArchiveError, match="disk is full"):
            draft.publish(manifest_of(sealed))
    assert not archive.backups()
    assert not archive.damaged()
    draft.discard()
    assert files_below(archive.root) == []


def test_free_bytes_are_known_before_the_directory_exists(archive: Archive) -> None:
    """The free space is that of the disk the archive will be on."""
    assert archive.free_bytes() > 0
    assert not archive.root.exists()


def test_a_highly_compressible_volume_is_read_in_small_pieces(archive: Archive) -> None:
    """A gigantic run of zeros does not come out as one gigantic piece."""
    with archive.begin("local", "pgdata", "r1") as draft:
        for _ in range(64):
            draft.write(bytes(1 << 20))
        backup = draft.publish(manifest_of(draft.seal()))
    assert backup.manifest.stored.bytes < 1 << 17
    assert max(len(chunk) for chunk in archive.open(backup)) <= 1 << 20


def test_the_stored_tar_is_plain_zstd_with_a_checksum(archive: Archive) -> None:
    """Any zstd can read it, and notices damage by itself."""
    backup = back_up(archive)
    frame = zstandard.get_frame_parameters(backup.files.tar.read_bytes())
    assert frame.has_checksum


def test_a_full_disk_and_damage_have_their_codes(archive: Archive) -> None:
    """What programs look at says which it was."""
    backup = back_up(archive)
    backup.files.tar.write_bytes(backup.files.tar.read_bytes()[::-1])
    with pytest.raises(ArchiveError) as raised:
        archive.prove(backup, ignore)
    assert raised.value.reason is Reason.DAMAGED
    backup.files.manifest.write_text("")
    with pytest.raises(ArchiveError) as raised:
        archive.find(backup.id)
    assert raised.value.reason is Reason.DAMAGED


def test_room_is_asked_for_before(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is let by; what does not is refused with how much is missing, and nothing is made."""
    archive.refuse_full(1, "the backup of pgdata")
    monkeypatch.setattr("bot.stores.archive.disk.free_bytes", lambda _: 2_000_000)
    with pytest.raises(ArchiveError, match="no room for the backup of pgdata") as raised:
        archive.refuse_full(2_040_000, "the backup of pgdata")
    assert raised.value.reason is Reason.DISK_FULL
    assert re.findall(r"[\d.]+ .?B", str(raised.value)) == ["2.0 MB", "2.0 MB", "40.0 kB"]
    assert not archive.root.exists()


def test_every_file_of_a_backup_goes_with_it(archive: Archive, clock: Clock) -> None:
    """Removing takes inventory and marks too, may be repeated, and leaves the neighbours alone."""
    other = back_up(archive, run_id="r2")
    before = files_below(archive.root)
    backup = back_up(archive, run_id="r1", items=3)
    archive.mark(backup, lambda marks: replace(marks, verified_at=clock()))
    archive.remove(backup)
    archive.remove(backup)
    assert files_below(archive.root) == before
    archive.prove(other, ignore)


@pytest.mark.parametrize("step", range(6))
def test_a_removal_that_was_cut_off_leaves_a_backup_or_leftovers(
    archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Dying before any of its steps, the backup is whole, or not listed and swept."""
    backup = back_up(archive, items=3)
    archive.mark(backup, lambda marks: replace(marks, verified_at=clock()))
    unlink, done = Path.unlink, 0

    def die(path: Path, missing_ok: bool = False) -> None:
        nonlocal done
        if path.exists():
            if done == step:
                raise KeyError("died")
            done += 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        if step < 5:
            with pytest.raises(KeyError):
                archive.remove(backup)
        else:
            archive.remove(backup)
    assert not archive.damaged()
    if step == 0:
        assert archive.backups() == (backup,)
        archive.prove(backup, ignore)
        assert archive.report().leftovers == ()
    else:
        assert archive.backups() == ()
        assert len(archive.report().leftovers) == 5 - step
        assert len(archive.sweep(over)) == 5 - step
        assert files_below(archive.root) == []


def test_the_report_says_what_is_there(archive: Archive, clock: Clock) -> None:
    """Backups by source, damage in manifests and marks, and leftovers, all from the disk alone."""
    back_up(archive, "pgdata", "r1")
    held = back_up(archive, "pgdata", "r2")
    archive.mark(held, lambda marks: replace(marks, hold=Hold(by="Ada", at=clock())))
    torn = back_up(archive, "web:/srv", "r3")
    torn.files.marks.write_text("{")
    broken = back_up(archive, "redis", "r4")
    broken.files.manifest.write_text("{")
    with archive.begin("local", "pgdata", "r5") as draft:
        draft.spool("dump")
    report = Archive(archive.root, clock).report()
    assert [(found.source, found.backups, found.held) for found in report.sources] == [
        ("pgdata", 2, 1),
        ("web:/srv", 1, 1),
    ]
    assert (report.backups, report.partial) == (3, 0)
    assert report.stored_bytes == sum(backup.manifest.stored.bytes for backup in archive.backups())
    assert {found.path for found in report.damaged} == {torn.files.marks, broken.files.manifest}
    assert {found.path for found in archive.damaged()} == {torn.files.marks, broken.files.manifest}
    assert {path.name.removeprefix(draft.id) for path in report.leftovers} == {
        ".tar.zst.part", ".entries.jsonl.zst.part", ".dump.part",
    }  # fmt: skip
