"""The way of a tar into the archive: its level, its one frame, and the reading back behind somebody else's work."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from bot.errors import ArchiveError
from bot.stores.archive import Archive
from bot.stores.archive.disk import part_of
from bot.stores.archive.facts import Content
from bot.stores.archive.level import FAST, SAMPLE_BYTES, level_for
from bot.stores.archive.reading import read_back
from bot.stores.archive.writing import TarFile
from tests.support.archives import Clock, fill, manifest_of, small_tar
from tests.support.house import wait_for
from tests.support.uncollected import kernel_threads, open_files, uncollected

_WORDS = [
    word.encode() for word in ("backup", "volume", "restore", "proof", "engine", "registry", "run", "ends")
]


def _text(size: int) -> bytes:
    made = random.Random(9)
    line = b" ".join(made.choices(_WORDS, k=1 << 16))
    return (line * (size // len(line) + 1))[:size]


def test_what_comes_slowly_is_compressed_harder_than_what_comes_fast() -> None:
    """Levels cost no time that the bytes do not take anyway."""
    sample = _text(SAMPLE_BYTES)
    assert level_for(sample, seconds=3600) == 6
    assert level_for(sample, seconds=0) == FAST


def test_what_was_compressed_before_is_not_fought_with() -> None:
    """However slowly it comes."""
    assert level_for(os.urandom(SAMPLE_BYTES), seconds=3600) == FAST


@pytest.mark.parametrize("size", [1, SAMPLE_BYTES - 1, SAMPLE_BYTES, 3 * SAMPLE_BYTES + 5])
def test_a_tar_is_one_frame_that_any_reader_takes(tmp_path: Path, size: int) -> None:
    """Whether its beginning was all of it or told the level; and both hashes are true."""
    data, path = _text(size), tmp_path / "volume.tar.zst"
    tar = TarFile(path)
    for at in range(0, size, 777_777):
        tar.write(data[at : at + 777_777])
    tar.finish()
    tar.close()
    stored = path.read_bytes()
    decoder = zstandard.ZstdDecompressor().decompressobj()
    assert decoder.decompress(stored) == data
    assert decoder.unused_data == b""
    assert tar.raw() == Content(bytes=size, sha256=hashlib.sha256(data).hexdigest())
    assert tar.stored() == Content(bytes=len(stored), sha256=hashlib.sha256(stored).hexdigest())


def test_a_frame_of_another_content_is_not_what_was_given(tmp_path: Path) -> None:
    """Stored just as it was written, but its own checksum, or its length, says that it was compressed wrongly."""
    data, path = _text(100_000), tmp_path / "volume.tar.zst"
    frame = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(data))
    path.write_bytes(frame)
    whole = Content(bytes=len(frame), sha256=hashlib.sha256(frame).hexdigest())
    assert b"".join(read_back(path, whole, len(data))) == data
    with pytest.raises(ArchiveError, match="another content"):
        list(read_back(path, whole, len(data) + 1))
    frame[-1] ^= 1
    path.write_bytes(frame)
    wrong = Content(bytes=len(frame), sha256=hashlib.sha256(frame).hexdigest())
    with pytest.raises(ArchiveError, match="cannot be decompressed"):
        list(read_back(path, wrong, len(data)))


def test_whoever_leaves_while_it_is_read_back_leaves_no_thread(tmp_path: Path) -> None:
    """And nothing is published; what was begun is taken away by name, as after any other end."""
    before = set(threading.enumerate())
    archive = Archive(tmp_path, lambda: datetime.now(UTC))
    with archive.begin("local", "pgdata", "r1") as draft:
        for _ in range(12):
            draft.write(os.urandom(1 << 20))
        draft.begin_sealing()
        with pytest.raises(ArchiveError, match="no more data"):
            draft.write(b"x")
    assert set(threading.enumerate()) <= before
    draft.discard()
    assert not archive.backups()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_closed_tar_leaves_no_thread_of_the_compressor(tmp_path: Path, *, is_finished: bool) -> None:
    """They, and the mebibytes they work in, end with it; so does what it held of a beginning."""
    with uncollected():
        before = kernel_threads()
        tar = TarFile(tmp_path / "volume.tar.zst")
        for _ in range(SAMPLE_BYTES // (1 << 20) + 1):
            tar.write(os.urandom(1 << 20))
        wait_for(lambda: kernel_threads() > before + 1, saying="compressing on other threads")
        if is_finished:
            tar.finish()
        tar.close()
        wait_for(lambda: kernel_threads() <= before, saying="the end of all threads")
        seen = weakref.ref(tar)
        del tar
        assert seen() is None


def test_a_draft_is_let_go_of_when_it_was_left(tmp_path: Path) -> None:
    """With all that its files and its lists hold in memory."""
    archive = Archive(tmp_path, lambda: datetime.now(UTC))
    with uncollected():
        with archive.begin("local", "pgdata", "r1") as draft:
            fill(draft, small_tar())
            draft.publish(manifest_of(draft.seal()))
        seen = weakref.ref(draft)
        del draft
        assert seen() is None


def test_a_draft_that_cannot_begin_leaves_no_file_open(tmp_path: Path) -> None:
    """When its second file cannot be made, the first is closed: nobody leaves what was never entered."""
    archive = Archive(tmp_path, lambda: datetime.now(UTC))
    draft = archive.begin("local", "pgdata", "r1")
    part = part_of(draft.files.entries)
    part.parent.mkdir(parents=True)
    part.touch()
    before = open_files()
    with pytest.raises(ArchiveError, match="Starting backup"):
        draft.__enter__()
    assert open_files() == before


def test_a_draft_whose_thread_cannot_begin_closes_all_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine out of threads is not to run out of descriptors as well."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    archive, before = Archive(tmp_path, lambda: datetime.now(UTC)), open_files()
    monkeypatch.setattr("bot.overlap.Thread.start", refuse)
    with archive.begin("local", "pgdata", "r1") as draft:
        draft.spool("dump")
        with pytest.raises(RuntimeError, match="can't start"):
            draft.write(b"x")
    assert open_files() == before


def test_a_draft_that_is_sealed_early_ends_when_all_is_in_it(tmp_path: Path) -> None:
    """What is looked at after that belongs to the backup as well, and to the time that it took."""
    clock = Clock()
    with Archive(tmp_path, clock).begin("local", "pgdata", "r1") as draft:
        fill(draft, small_tar())
        draft.begin_sealing().finish()
        clock.now += timedelta(hours=1)
        sealed = draft.seal()
        assert sealed.ended_at == clock.now
        assert draft.publish(manifest_of(sealed)).manifest.ended_at == clock.now


def test_a_spool_of_zeros_is_read_in_pieces_that_take_little_memory(tmp_path: Path) -> None:
    """A few kilobytes of it are hundreds of mebibytes of content."""
    archive, zeros, count = Archive(tmp_path, lambda: datetime.now(UTC)), bytes(1 << 20), 64
    with archive.begin("local", "pgdata", "r1") as draft:
        spool = draft.spool("dump")
        for _ in range(count):
            spool.write(zeros)
        assert spool.path.stat().st_size < 1 << 14
        sizes = [len(chunk) for chunk in spool.read()]
    assert sum(sizes) == count << 20
    assert max(sizes) <= 16 << 20
