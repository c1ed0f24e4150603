"""Files of the machine that the bot runs on: a crash, wherever it comes, leaves what was there or what is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.errors import LostHold
from bot.operations.local import found_written, new_file
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun

OLD, NEW = b"old\n", b"new\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file that is to be replaced."""
    made = tmp_path / "app.conf"
    made.write_bytes(OLD)
    return made


@pytest.fixture
def run() -> FakeRun:
    """Who writes."""
    return FakeRun(FakeEngine())


def _die_after(run: FakeRun, place: Path, *, force: bool) -> None:
    """The file is written, and the process dies before the journal can say that it stays."""

    def die() -> None:
        with new_file(run, place, force=force) as write:
            assert write([NEW]).size == len(NEW)
            raise LostHold(run.run_id)

    with pytest.raises(LostHold):
        die()
    assert place.read_bytes() == NEW


def _alone(place: Path) -> bool:
    return [path.name for path in place.parent.iterdir()] == [place.name]


def _no_links(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_what_was_replaced_is_back_after_a_crash(
    run: FakeRun, place: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    """Also where the disk knows no second names; taking it back twice does no more."""
    if not has_links:
        monkeypatch.setattr(os, "link", _no_links)
    _die_after(run, place, force=True)
    entries = list(run.entries)
    for _ in range(2):
        run.entries = list(entries)
        run.recover()
        assert place.read_bytes() == OLD
        assert _alone(place)


def test_what_took_nothing_s_place_is_gone_after_a_crash(run: FakeRun, place: Path) -> None:
    """Nothing was there before, so nothing is there afterwards, with and without --force."""
    for force in (False, True):
        place.unlink(missing_ok=True)
        _die_after(run, place, force=force)
        run.recover()
        assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_a_crash_before_the_place_is_taken_changes_nothing(
    run: FakeRun, place: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    """The old file has two names then, or only the other one; it has its own in the end."""
    if not has_links:
        monkeypatch.setattr(os, "link", _no_links)

    def die(_part: Path, _place: Path) -> Path:
        raise LostHold(run.run_id)

    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", die)
        with pytest.raises(LostHold), new_file(run, place, force=True) as write:
            write([NEW])
    run.recover()
    assert place.read_bytes() == OLD
    assert _alone(place)


def test_what_somebody_else_put_there_before_the_place_was_taken_stays(
    run: FakeRun, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not what the run would take back."""

    def die(_part: Path, _place: Path) -> Path:
        place.unlink()
        place.write_bytes(b"theirs\n")
        raise LostHold(run.run_id)

    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", die)
        with pytest.raises(LostHold), new_file(run, place, force=True) as write:
            write([NEW])
    run.recover()
    assert place.read_bytes() == b"theirs\n"
    assert _alone(place)


def test_what_stays_is_found_after_a_crash_with_nothing_beside_it(run: FakeRun, place: Path) -> None:
    """The journal said that it stays, and the old file had not been removed yet."""
    _die_after(run, place, force=True)
    (_, arguments) = run.entries[0]
    assert found_written(arguments).size == len(NEW)
    assert place.read_bytes() == NEW
    assert _alone(place)


def test_a_replaced_file_leaves_nothing_beside_it(run: FakeRun, place: Path) -> None:
    """Once the journal says that the new one stays."""
    with new_file(run, place, force=True) as write:
        write([NEW])
        assert not _alone(place)
    assert (place.read_bytes(), run.journal, _alone(place)) == (NEW, [], True)
