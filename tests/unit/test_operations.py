"""Verify over an engine in memory, and the comparison of what was restored with what a backup lists."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.entry import Entry
from bot.errors import ArchiveError, Cancelled, EngineError
from bot.operations.backup import back_up
from bot.operations.backupplan import Wish, plan
from bot.operations.comparison import refuse_differences
from bot.operations.quiesce import QuiescePolicy
from bot.operations.verify import verify
from bot.stores.archive import Archive, Backup
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun

CLOCK = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
EMPTY = Entry(path=".", kind="directory", size=0, mode=0o755, uid=0, gid=0, mtime=0)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", lambda: CLOCK)


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine()
    made.add_volume("pgdata", {"a": b"one", "b": b"two" * 500})
    return made


@pytest.fixture
def run(engine: FakeEngine, archive: Archive) -> FakeRun:
    return FakeRun(engine, archive)


@pytest.fixture
def backup(engine: FakeEngine, archive: Archive, run: FakeRun) -> Backup:
    """A whole backup of pgdata."""
    return back_up(engine, archive, run, plan(engine, Wish(source="pgdata"), QuiescePolicy())).backup


def test_verify_says_what_was_proven(archive: Archive, run: FakeRun, backup: Backup) -> None:
    """A whole backup is read whole."""
    found = verify(archive, run, backup)
    assert (found.entries, found.raw_bytes) == (3, backup.manifest.raw.bytes)
    assert "verifying" in run.steps


def test_verify_refuses_a_damaged_backup(archive: Archive, run: FakeRun, backup: Backup) -> None:
    """One changed byte is enough."""
    data = bytearray(backup.files.tar.read_bytes())
    data[-1] ^= 1
    backup.files.tar.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"):
        verify(archive, run, backup)


def test_verify_may_be_cancelled(archive: Archive, run: FakeRun, backup: Backup) -> None:
    """The check is asked while reading."""
    run.checks, run.raise_at = 0, 2
    with pytest.raises(Cancelled):
        verify(archive, run, backup)


def file(path: str, **changes: object) -> Entry:
    return replace(EMPTY, **{"path": path, "kind": "file", "sha256": "0" * 64, **changes})  # type: ignore[arg-type]


def link(path: str, to: str) -> Entry:
    return replace(EMPTY, path=path, kind="hardlink", link=to)


def test_hard_links_are_compared_as_groups() -> None:
    """It does not matter which name of a group comes first, but it does matter who belongs to it."""
    before = [EMPTY, file("a", size=3), link("b", "a"), link("c", "a")]
    refuse_differences(lambda: before, [EMPTY, file("c", size=3), link("a", "c"), link("b", "c")], "v")
    with pytest.raises(EngineError, match="“c” shares"):
        refuse_differences(lambda: before, [EMPTY, file("a", size=3), link("b", "a"), file("c", size=3)], "v")
    with pytest.raises(EngineError, match="has another size"):
        refuse_differences(lambda: before, [EMPTY, file("c", size=4), link("a", "c"), link("b", "c")], "v")


def test_times_are_compared_as_the_engine_keeps_them() -> None:
    """Broken seconds and times before 1970 are no difference; another second is."""
    refuse_differences(
        lambda: [file("a", mtime=5.75), file("b", mtime=-9)], [file("a", mtime=5), file("b", mtime=0)], "v"
    )
    with pytest.raises(EngineError, match="another mtime"):
        refuse_differences(lambda: [file("a", mtime=5)], [file("a", mtime=6)], "v")


@pytest.mark.parametrize(
    "change",
    [{"kind": "fifo"}, {"mode": 0o4755}, {"uid": 1}, {"gid": 1}, {"sha256": "1" * 64}, {"size": 1},
     {"kind": "symlink", "link": "x"}, {"device": (1, 3)}],
)  # fmt: skip
def test_every_property_is_compared(change: dict[str, object]) -> None:
    """No property can differ unseen."""
    with pytest.raises(EngineError, match="“a” has another"):
        refuse_differences(lambda: [file("a")], [file("a", **change)], "v")


def test_missing_and_additional_things_are_named_five_at_most() -> None:
    """The message counts all differences and shows the first five."""
    with pytest.raises(EngineError, match="in 9 places") as raised:
        refuse_differences(lambda: [file("gone")], [file(f"new{number}") for number in range(8)], "v")
    assert "“gone” is missing" in str(raised.value)
    assert "“new3”" in str(raised.value)
    assert "“new4”" not in str(raised.value)
