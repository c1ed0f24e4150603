"""What is known of a backup since it was made: when it counts as verified, and what changes that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.operations.holds import (
    drilled,
    failed,
    failed_drill,
    filed_as,
    held,
    is_about,
    is_verified,
    released,
    standing,
    target_of,
    tried,
    verified,
)
from bot.stores.archive import Archive, Backup, Hold, Marks
from tests.support.archives import START, Clock, back_up

LATER = START + timedelta(days=1)


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return back_up(Archive(tmp_path / "archive", Clock()))


def _partial(backup: Backup) -> Backup:
    return replace(backup, manifest=replace(backup.manifest, outcome="partial"))


def test_a_published_backup_is_verified(backup: Backup) -> None:
    """Publishing read it back, so a whole one counts at once, and a partial one never does."""
    assert is_verified(backup, Marks())
    assert standing(backup, Marks()) == "ok"
    assert not is_verified(_partial(backup), Marks())
    assert not is_verified(_partial(backup), verified(Marks(), START))
    assert standing(_partial(backup), Marks()) == "partial"


def test_what_was_found_damaged_counts_only_when_it_verifies_again(backup: Backup) -> None:
    """A failure stays until a later verify succeeds, whatever the clock did in between."""
    bad = failed(verified(Marks(), LATER), START, "a bit is another")
    assert not is_verified(backup, bad)
    assert (standing(backup, bad), bad.failure, bad.verified_at) == ("failed", "a bit is another", LATER)
    good = verified(failed(Marks(), LATER, "x"), START)
    assert is_verified(backup, good)
    assert (good.verified_at, good.failed_at, good.failure) == (START, None, "")


def test_what_a_drill_found_only_a_drill_takes_back(backup: Backup) -> None:
    """Bytes that are as they were written do not make a backup restorable."""
    bad = failed_drill(Marks(), START, "the check did not pass")
    read = verified(bad, LATER)
    assert not is_verified(backup, read)
    assert (read.verified_at, read.drilled_at) == (LATER, None)
    good = drilled(read, LATER)
    assert is_verified(backup, good)
    assert (good.verified_at, good.drilled_at, good.failure) == (LATER, LATER, "")


def test_a_disk_that_hiccups_takes_nothing_back_that_a_drill_found(backup: Backup) -> None:
    """Bytes that could not be read, and then are right again, leave the drill's word as it was."""
    bad = failed_drill(Marks(), START, "the check did not pass")
    read = verified(failed(bad, LATER, "it cannot be read"), LATER)
    assert not is_verified(backup, read)
    assert (read.failed_at, read.failure) == (LATER, "drill: the check did not pass")
    assert is_verified(backup, drilled(read, LATER))


def test_marks_that_cannot_be_read_prove_nothing(backup: Backup) -> None:
    """It may have been in them that the backup is damaged."""
    assert not is_verified(backup, Marks(unreadable="it is not JSON"))


def test_a_hold_is_placed_and_lifted_alone() -> None:
    """Neither touches what else is known of the backup."""
    marks = drilled(Marks(), START)
    hold = Hold(by="Ada", at=START)
    assert held(marks, hold) == replace(marks, hold=hold)
    assert held(held(marks, hold), replace(hold, by="Bob")).hold == replace(hold, by="Bob")
    assert released(held(marks, hold), LATER) == marks


@pytest.mark.parametrize(
    "change",
    [
        lambda marks: held(marks, Hold(by="Ada", at=LATER)),
        lambda marks: released(marks, LATER),
        lambda marks: tried(marks, LATER),
        lambda marks: released(held(marks, Hold(by="Ada", at=LATER)), LATER),
    ],
)
def test_marks_that_could_not_be_read_prove_nothing_when_they_are_replaced(
    tmp_path: Path, change: Callable[[Marks], Marks]
) -> None:
    """A hold, or its end, makes no verified backup of one that may have been found bad; reading it again does."""
    archive = Archive(tmp_path / "archive", Clock())
    backup = back_up(archive)
    backup.files.marks.write_bytes(b"{")
    archive.mark(backup, change)
    marks = archive.marks(backup)
    assert not is_verified(backup, marks)
    assert (marks.unreadable, marks.failed_at, marks.failure) == ("", LATER, "its marks could not be read")
    archive.mark(backup, lambda marks: verified(marks, LATER))
    assert is_verified(backup, archive.marks(backup))


@pytest.mark.parametrize(
    ("targets", "name", "is_it"),
    [
        (("volume:pgdata",), "pgdata", True),
        (("volume:pgdata", "container:db"), "pgdata", True),
        (("volume:pgdata", "volume:web:/srv"), "pgdata", False),
        (("volume:pgdata", "volume:web:/srv"), "web:/srv", True),
        (("container:web", "volume:web:/srv"), "web:/srv", True),
        (("container:web", "volume:web:/srv"), "web:/etc", False),
        ((), "pgdata", False),
    ],
)
def test_a_run_on_a_path_is_not_one_on_the_volume_it_lies_in(
    targets: tuple[str, ...], name: str, is_it: bool
) -> None:
    """A backup of a path holds the volume too, and says nothing about the volume's own backups."""
    assert is_about(targets, name) is is_it


def test_a_path_is_filed_under_its_plain_name() -> None:
    """However a path is typed, its backups are the same ones; what is no path in a container is refused."""
    assert filed_as("pgdata") == "pgdata"
    assert filed_as("web:/srv//data/") == filed_as("web:/srv/./data") == "web:/srv/data"
    with pytest.raises(UsageError):
        filed_as("web:/srv/../etc")


def test_a_backup_is_held_by_the_name_of_its_source(backup: Backup) -> None:
    """Whatever reads, marks or removes backups of one source holds one and the same target."""
    assert target_of(backup) == "volume:pgdata"
