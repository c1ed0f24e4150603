"""Names in the archive: every source has a directory of its own, and every file is known for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.stores.archive import Archive
from bot.stores.archive.names import (
    ENTRIES,
    FILE,
    INVENTORY,
    MANIFEST,
    MARKS,
    PART,
    TAR,
    directory_name,
    is_directory_name,
    spool_name,
)
from tests.support.archives import Clock, back_up, ignore, rewrite

_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text("a/%.~-_:é\udc80", min_size=1, max_size=400),
    st.binary(min_size=1, max_size=300).map(lambda name: name.decode("utf-8", "surrogateescape")),
)


@pytest.mark.parametrize(
    ("source", "directory"),
    [
        ("pgdata", "pgdata"),
        ("My_volume.2-x", "My_volume.2-x"),
        ("web:/srv/data", "web%3A%2Fsrv%2Fdata"),
        ("web:/srv/../é ~", "web%3A%2Fsrv%2F..%2F%C3%A9%20%7E"),
        (".", "%2E"),
        ("..", "%2E."),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("-rf", "%2Drf"),
        ("_x", "%5Fx"),
        ("a%2Fb", "a%252Fb"),
        ("a\0b\n", "a%00b%0A"),
        ("a:/\udcff", "a%3A%2F%FF"),
    ],
)
def test_a_source_has_a_plain_directory(source: str, directory: str) -> None:
    """A volume's directory bears its name; anything else is percent-encoded."""
    assert directory_name(source) == directory


@given(source=_NAMES, other=_NAMES)
def test_no_two_sources_share_a_directory(source: str, other: str) -> None:
    """Different names have different directories, each a single visible name that the file system takes."""
    found = directory_name(source)
    assert is_directory_name(found)
    assert found.isascii()
    assert "/" not in found
    assert len(found) <= 200
    assert (found == directory_name(other)) == (source == other)
    assert (found == directory_name(found)) == ("%" not in found)


@pytest.mark.parametrize("length", [201, 300, 400])
def test_long_names_are_told_apart_by_all_of_them(length: int) -> None:
    """Names that differ only behind the cut have different directories, and so has the directory's own name."""
    first, second = (directory_name("x" * (length - 1) + end) for end in "ab")
    assert first != second
    assert len({first, second, directory_name(first), directory_name(first[:-1])}) == 4
    assert directory_name("é" * length) != directory_name("é" * length + "x")


@pytest.mark.parametrize("source", ["web:/srv/data", "..", "x" * 300, "a:/" + "é" * 300, "a:/\udcff"])
def test_any_source_is_saved_and_found_by_its_name(tmp_path: Path, source: str) -> None:
    """The manifest's name decides; it is found with and without naming it, and nothing lies elsewhere."""
    archive = Archive(tmp_path / "archive", Clock())
    backup = back_up(archive, source)
    assert backup.volume == source
    assert backup.files.directory.parent.resolve() == (tmp_path / "archive" / "local").resolve()
    assert archive.backups() == archive.backups("local", source) == (backup,)
    assert archive.find("r1", volume=source) == backup
    assert archive.backups("local", source + "x") == ()
    archive.prove(backup, ignore)
    archive.discard("local", source, backup.id)
    assert archive.backups() == (backup,)


def test_a_manifest_of_another_source_is_damaged(tmp_path: Path) -> None:
    """A backup that somebody moved into another source's directory is not believed."""
    archive = Archive(tmp_path / "archive", Clock())
    backup = back_up(archive, "web:/srv")
    rewrite(backup.files.manifest, volume={"name": "web:/srw", "driver": "", "labels": {}, "options": {}})
    assert archive.backups() == ()
    assert "another place" in archive.damaged()[0].reason


@pytest.mark.parametrize("run", ["7f3a2c", "r1.tar", "a.b", "r1.dump", "x.marks"])
@pytest.mark.parametrize("ending", [TAR, ENTRIES, INVENTORY, MANIFEST, MARKS])
@pytest.mark.parametrize("part", ["", PART])
def test_every_file_is_known_for_what_it_is(run: str, ending: str, part: str) -> None:
    """Whatever the run is called, its files are taken for nothing else, and not for another run's."""
    match = FILE.fullmatch(f"20261103T040506Z-{run}{ending}{part}")
    assert match
    assert (match["run"], match["ending"], match["part"], match["spool"]) == (run, ending, part or None, None)


@pytest.mark.parametrize("run", ["7f3a2c", "r1.tar", "a.b"])
def test_a_spool_is_known_for_what_it_is(run: str) -> None:
    """A spool belongs to its run and is neither a tar nor a list."""
    match = FILE.fullmatch(f"20261103T040506Z-{run}.dump-1.part")
    assert match
    assert (match["id"], match["ending"], match["spool"]) == (f"20261103T040506Z-{run}", None, "dump-1")


@pytest.mark.parametrize("name", ["", "a.b", "zst", "json", "A", "../x", "a/b", "1", "x" * 40])
def test_names_that_could_be_mistaken_are_no_spools(name: str) -> None:
    """A spool's name never looks like that of another file."""
    with pytest.raises(ValueError, match="spool"):
        spool_name(name)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "README.tar.zst", "20261103T040506Z-r1", "20261103T040506Z-r1.tar.zst.bak", "x.part"],
)
def test_other_files_are_not_ours(name: str) -> None:
    """What does not follow the pattern is never looked at."""
    assert FILE.fullmatch(name) is None
