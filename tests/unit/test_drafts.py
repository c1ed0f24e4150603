"""Drafts: lists and spools can be read while they grow, the inventory is proven, and nothing is left over."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bot.entry import Item
from bot.errors import ArchiveError
from bot.stores.archive import Archive, SourceFacts
from bot.tar.stream import TarReader
from tests.support.archives import (
    Clock,
    back_up,
    files_below,
    fill,
    ignore,
    item_of,
    manifest_of,
    over,
    small_tar,
)

ITEMS = [
    item_of(".", kind="directory", size=4096, links=3),
    item_of("a\udcff", attributes={}),
    item_of("s", kind="symlink", link="../\udcfe", mode=0o777),
    item_of("dev", kind="char", device=(1, 3)),
    item_of("sock", kind="socket", size=0),
]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", Clock())


def test_the_inventory_stands_beside_the_backup(archive: Archive) -> None:
    """Every item comes back as it was, from another archive over the same directory, and prove reads them all."""
    with archive.begin("local", "pgdata", "r1") as draft:
        for item in ITEMS:
            draft.item(item)
        fill(draft, small_tar())
        backup = draft.publish(manifest_of(draft.seal()))
    (found,) = Archive(archive.root, Clock()).backups()
    assert found == backup
    assert backup.manifest.inventory is not None
    assert backup.manifest.inventory.count == len(ITEMS)
    assert list(archive.items(found)) == ITEMS
    ticks: list[int] = []
    archive.prove(found, ticks.append)
    assert ticks[-1] == len(small_tar())
    assert len(files_below(archive.root)) == 4


def test_without_items_there_is_no_inventory(archive: Archive) -> None:
    """A backup of something that nobody could walk through has no fourth file, and no items."""
    backup = back_up(archive)
    assert backup.manifest.inventory is None
    assert list(archive.items(backup)) == []
    assert len(files_below(archive.root)) == 3


def test_lists_are_read_while_they_grow(archive: Archive) -> None:
    """Again and again, before and after more came, and after the seal, without harm to what is stored."""
    with archive.begin("local", "pgdata", "r1") as draft:
        assert list(draft.items()) == list(draft.entries_so_far()) == []
        seen: list[Item] = []
        for item in ITEMS:
            draft.item(item)
            seen.append(item)
            assert list(draft.items()) == list(draft.items()) == seen
        fill(draft, small_tar())
        entries = list(draft.entries_so_far())
        assert len(entries) == draft.entries == 4
        sealed = draft.seal()
        assert list(draft.items()) == ITEMS
        assert list(draft.entries_so_far()) == entries
        backup = draft.publish(manifest_of(sealed))
    archive.prove(backup, ignore)
    assert list(archive.items(backup)) == ITEMS
    assert list(archive.entries(backup)) == entries


def test_a_list_that_is_being_read_may_grow(archive: Archive) -> None:
    """A reading ends where the list ended when it began, however much is added meanwhile."""
    with archive.begin("local", "pgdata", "r1") as draft:
        for number in range(20_000):
            draft.item(item_of(f"f{number}"))
        reading = draft.items()
        next(reading)
        for number in range(20_000, 30_000):
            draft.item(item_of(f"f{number}"))
        assert sum(1 for _ in reading) == 19_999
        assert sum(1 for _ in draft.items()) == 30_000


@pytest.mark.parametrize("which", ["entries", "inventory"])
def test_a_list_that_the_disk_changed_is_noticed_early(archive: Archive, which: str) -> None:
    """What the disk gives back before the seal is compared with what was written, and at the seal again."""
    with archive.begin("local", "pgdata", "r1") as draft:
        for item in ITEMS:
            draft.item(item)
        fill(draft, small_tar())
        read = draft.entries_so_far if which == "entries" else draft.items
        list(read())
        (part,) = (path for path in draft.part_paths if f".{which}." in path.name)
        data = part.read_bytes()
        with part.open("r+b") as file:
            file.seek(len(data) // 2)
            file.write(bytes([data[len(data) // 2] ^ 1]))
        with pytest.raises(ArchiveError, match="damaged"):
            list(read())
        with pytest.raises(ArchiveError, match="damaged"):
            draft.seal()


@pytest.mark.parametrize("harm", ["flip", "cut", "append", "gone"])
def test_prove_notices_every_damage_to_the_inventory(archive: Archive, harm: str) -> None:
    """One flipped bit, a missing or additional byte is found; a missing file is seen at a glance."""
    backup = back_up(archive, items=100)
    path = backup.files.inventory
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4 if harm == "flip" else 0
    path.write_bytes(data[:-1] if harm == "cut" else data + b"\0" * (harm == "append"))
    if harm == "gone":
        path.unlink()
        assert archive.backups() == ()
        assert "inventory.jsonl.zst is missing" in archive.damaged()[0].reason
    for read in (lambda: list(archive.items(backup)), lambda: archive.prove(backup, ignore)):
        with pytest.raises(ArchiveError, match="damaged"):
            read()


def test_every_flipped_bit_of_a_small_inventory_is_found(archive: Archive) -> None:
    """No byte of the stored inventory can change unseen."""
    backup = back_up(archive, items=2)
    data = backup.files.inventory.read_bytes()
    for place in range(len(data)):
        backup.files.inventory.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ArchiveError, match="damaged"):
            list(archive.items(backup))


def test_a_spool_gives_back_what_it_took(archive: Archive) -> None:
    """Its size and hash are known, it may be read twice and written on, and it takes less room than it holds."""
    pieces = [b"x" * 3_000_000, os.urandom(100), b""]
    with archive.begin("local", "pgdata", "r1") as draft:
        spool = draft.spool("dump")
        for piece in pieces:
            spool.write(piece)
        whole = b"".join(pieces)
        assert spool.raw_bytes == len(whole)
        assert spool.sha256 == hashlib.sha256(whole).hexdigest()
        assert b"".join(spool.read()) == b"".join(spool.read()) == whole
        spool.write(b"more")
        assert b"".join(spool.read()) == whole + b"more"
        assert spool.path.stat().st_size < 100_000
        assert spool.path.name == f"{draft.id}.dump.part"
        with pytest.raises(ArchiveError, match="exists"):
            draft.spool("dump")


def test_a_spool_that_the_disk_changed_is_noticed(archive: Archive) -> None:
    """What comes back is compared with what went in."""
    with archive.begin("local", "pgdata", "r1") as draft:
        spool = draft.spool("dump")
        spool.write(os.urandom(100_000))
        list(spool.read())
        with spool.path.open("r+b") as file:
            file.seek(50_000)
            file.write(b"\0\0\0\0")
        with pytest.raises(ArchiveError, match="damaged"):
            list(spool.read())


@pytest.mark.parametrize("end", ["publish", "discard", "by name", "sweep", "remove"])
def test_spools_go_away(archive: Archive, end: str) -> None:
    """Whatever becomes of the draft, nothing temporary is left."""
    with archive.begin("local", "pgdata", "r1") as draft:
        draft.item(ITEMS[0])
        fill(draft, small_tar())
        spools = [draft.spool(name) for name in ("dump", "walk")]
        spools[0].write(b"x")
        assert set(draft.part_paths) >= {spool.path for spool in spools}
        if end == "remove":
            for spool in spools:
                spool.remove()
                spool.remove()
        if end in ("publish", "remove"):
            draft.publish(manifest_of(draft.seal()))
        if end == "discard":
            draft.discard()
    if end == "by name":
        archive.discard("local", "pgdata", draft.id)
    if end == "sweep":
        assert len(archive.sweep(over)) == 5
    assert len(files_below(archive.root)) == (4 if end in ("publish", "remove") else 0)


def test_nothing_is_taken_before_and_after(archive: Archive) -> None:
    """A draft takes items and spools only between its beginning and its seal."""
    draft = archive.begin("local", "pgdata", "r1")
    for take in (lambda: draft.item(ITEMS[0]), lambda: draft.spool("dump")):
        with pytest.raises(ArchiveError, match="no more data"):
            take()
    with draft:
        fill(draft, small_tar())
        draft.seal()
        for take in (lambda: draft.item(ITEMS[0]), lambda: draft.spool("dump")):
            with pytest.raises(ArchiveError, match="no more data"):
                take()


def test_a_manifest_must_name_the_inventory(archive: Archive) -> None:
    """A manifest that hides the inventory, or makes one up, is not the draft's."""
    with archive.begin("local", "pgdata", "r1") as draft:
        draft.item(ITEMS[0])
        fill(draft, small_tar())
        with pytest.raises(ArchiveError, match="Nothing was published"):
            draft.publish(manifest_of(draft.seal(), inventory=None))
    assert archive.backups() == ()


def test_a_tar_with_another_root_is_proven(archive: Archive) -> None:
    """The tar's names begin with the root that the manifest says, and a proof reads it so."""
    tar = small_tar("base")
    with archive.begin("local", "web:/srv/base", "r1") as draft:
        reader = TarReader(draft.entry, "base")
        reader.feed(tar)
        reader.close()
        draft.write(tar)
        source = SourceFacts(kind="path", container="web", path="/srv/base", root="base")
        backup = draft.publish(manifest_of(draft.seal(), source=source))
    archive.prove(backup, ignore)
    assert {entry.path for entry in archive.entries(backup)} == {".", "d", "d/f", "s"}
