"""The commands that look after backups, down the whole road: verify, hold, release, prune, check, backups, diff."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import Check
from bot.model import Outcome, Status
from bot.stores.archive import Archive, Backup, Marks
from tests.fakes import FakeEngine
from tests.support.archives import rewrite
from tests.support.house import ROLES, House, at_work, from_slack, refuse_untrue, settings

TOML = (
    ROLES
    + """
[roles.strangers]
members = ["U0EVE"]
right = "view"
[retention]
last = 2
floor = 1
[drills.looks]
volumes = ["pg*"]
image = "look:1"
command = ["look"]
seconds = 5
"""
)


@pytest.fixture
def keeper(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """A house with rules for what to keep, and with a check for drills."""
    fake_engine.checks["look:1"] = lambda _: (0, "fine")
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as made:
        yield made


def _said(house: House, line: str, status: Status = Status.SUCCEEDED) -> Outcome:
    outcome = house.say(line)
    assert outcome.status is status, outcome.reply.text
    return outcome


def _refused(house: House, line: str, words: str) -> None:
    assert words in _said(house, line, Status.REJECTED).reply.text


def _rows(outcome: Outcome) -> list[dict[str, object]]:
    table = outcome.reply.table
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else []


def _backup(house: House, volume: str = "pgdata") -> str:
    return _said(house, f"backup {volume}").run_id


def _left(house: House) -> list[str]:
    return [backup.manifest.run_id for backup in house.app.services.archive.backups()]


def _files(house: House, run_id: str) -> Backup:
    return house.app.services.archive.find(run_id)


def _flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


# ---- verify, backups -----------------------------------------------------------------------------------


def test_verify_is_remembered_and_listed(keeper: House) -> None:
    """`backups` shows when each was last verified; damage shows until it verifies again."""
    taken = _backup(keeper)
    (row,) = _rows(_said(keeper, "backups"))
    published_at = _files(keeper, taken).manifest.ended_at.isoformat()
    assert (row["outcome"], row["verified_at"], row["held"]) == ("ok", published_at, False)
    _said(keeper, f"verify {taken}")
    (row,) = _rows(_said(keeper, "backups"))
    good_at = row["verified_at"]
    assert str(good_at) > published_at
    _flip(_files(keeper, taken).files.tar)
    _said(keeper, f"verify {taken}", Status.FAILED)
    (row,) = _rows(_said(keeper, "backups"))
    assert row["outcome"] == "failed"
    _flip(_files(keeper, taken).files.tar)
    _said(keeper, f"verify {taken}")
    (row,) = _rows(_said(keeper, "backups"))
    assert (row["outcome"], str(row["verified_at"]) > str(good_at)) == ("ok", True)
    refuse_untrue(keeper.app)


def test_a_partial_backup_verifies_and_stays_partial(keeper: House) -> None:
    """Its bytes are as they were stored, which makes it no better than it is."""
    taken = _backup(keeper)
    rewrite(
        _files(keeper, taken).files.manifest,
        outcome="partial",
        problems={"count": 1, "listed": [{"path": "a", "reason": "vanished"}]},
    )
    assert "It stays partial: 1 file was" in _said(keeper, f"verify {taken}").reply.text
    (row,) = _rows(_said(keeper, "backups"))
    assert row["outcome"] == "partial"
    _refused(keeper, f"drill pgdata --backup {taken}", "is partial")
    _refused(keeper, "drill pgdata", "no whole backup of pgdata")


def test_what_shows_is_read_and_no_more(keeper: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of backups that the limit leaves out the marks are not even opened."""
    for _ in range(3):
        _backup(keeper)
    read: list[str] = []
    marks = Archive.marks

    def marks_noted(archive: Archive, backup: Backup) -> Marks:
        read.append(backup.id)
        return marks(archive, backup)

    monkeypatch.setattr(Archive, "marks", marks_noted)
    rows = _rows(_said(keeper, "backups --limit 2"))
    assert [row["backup"] for row in rows] == _left(keeper)[:2]
    assert len(read) == 2


# ---- hold, release -------------------------------------------------------------------------------------


def test_a_held_backup_outlives_pruning(keeper: House) -> None:
    """Who holds it and why is remembered; once released it goes with the next pruning."""
    first, *_ = [_backup(keeper) for _ in range(4)]
    held = keeper.say(from_slack(f'hold {first} --note "for the audit"'))
    assert held.status is Status.SUCCEEDED, held.reply.text
    assert (held.reply.facts["held_by"], held.reply.facts["note"]) == ("u0ann", "for the audit")
    assert [button.line for button in held.reply.buttons] == [f"release {first}", f"details {held.run_id}"]
    assert [row["held"] for row in _rows(_said(keeper, "backups"))] == [False, False, False, True]
    _said(keeper, "prune pgdata")
    assert first in _left(keeper)
    released = _said(keeper, f"release {first}")
    assert (released.reply.facts["was_held_by"], released.reply.facts["note"]) == ("u0ann", "for the audit")
    _said(keeper, "prune pgdata")
    assert first not in _left(keeper)
    refuse_untrue(keeper.app)


def test_a_hold_may_end_by_itself(keeper: House) -> None:
    """It counts to the end of the day that is named, which must be one to come; a new hold replaces the old."""
    taken = _backup(keeper)
    assert "until 2099-01-31 is over (UTC)" in _said(keeper, f"hold {taken} --until 2099-01-31").reply.text
    hold = keeper.app.services.archive.marks(_files(keeper, taken)).hold
    assert hold is not None
    assert hold.until is not None
    assert hold.until.isoformat() == "2099-02-01T00:00:00+00:00"
    _refused(keeper, f"hold {taken} --until 2020-01-31", "is over already")
    _refused(keeper, f"hold {taken} --until 2099-02-30", "no day of the calendar")
    _refused(keeper, f"hold {taken} --until tomorrow", "is not a day")
    assert keeper.app.services.archive.marks(_files(keeper, taken)).hold == hold
    assert "the hold of tester" in _said(keeper, f"hold {taken}").reply.text


def test_what_is_not_held_cannot_be_released(keeper: House) -> None:
    """Nor can what is not there; nothing changes."""
    taken = _backup(keeper)
    _refused(keeper, f"release {taken}", "is not held")
    _refused(keeper, "release 00000000", "There is no backup 00000000")
    _refused(keeper, "hold 00000000", "There is no backup 00000000")


def test_releasing_a_safety_backup_is_said(keeper: House) -> None:
    """It is allowed, with a word on what cannot be undone afterwards."""
    taken = _backup(keeper)
    _said(keeper, f"hold {taken}")
    rewrite(_files(keeper, taken).files.manifest, purpose="safety")
    assert "cannot be undone" in _said(keeper, f"release {taken}").reply.text


# ---- prune ---------------------------------------------------------------------------------------------


def test_a_dry_run_equals_the_action(keeper: House, fake_engine: FakeEngine) -> None:
    """The same table, the same backups, the same bytes; only then they are gone."""
    fake_engine.add_volume("logs", {"a": b"b"})
    for volume in ("pgdata", "logs", "pgdata", "pgdata", "logs", "logs"):
        _backup(keeper, volume)
    before = _left(keeper)
    shown = _said(keeper, "prune --dry-run")
    assert (_left(keeper), shown.reply.text) == (before, "2 backups would be removed, 4 kept.")
    assert [(button.line, button.danger) for button in shown.reply.buttons][:-1] == [
        ("prune --host local", True)
    ]
    done = _said(keeper, shown.reply.buttons[0].line)
    assert done.reply.table == shown.reply.table
    assert done.reply.facts["freed_bytes"] == shown.reply.facts["would_free_bytes"]
    going = [row["backup"] for row in _rows(shown) if row["verdict"] == "remove"]
    assert _left(keeper) == [run_id for run_id in before if run_id not in going]
    assert _said(keeper, "prune").reply.text == "0 backups removed, 4 kept."
    refuse_untrue(keeper.app)


def test_pruning_waits_after_a_failed_backup(keeper: House, fake_engine: FakeEngine) -> None:
    """While the newest backup run of a volume did not succeed, nothing of that volume goes, and it is said why."""
    fake_engine.add_volume("logs", {"a": b"b"})
    for volume in ("pgdata", "logs") * 3:
        _backup(keeper, volume)
    fake_engine.faults.cut_at_byte = 700
    failed = keeper.say("backup pgdata")
    assert failed.status is Status.FAILED
    fake_engine.faults.cut_at_byte = None
    shown = _said(keeper, "prune --dry-run", Status.PARTIAL)
    done = _said(keeper, "prune", Status.PARTIAL)
    assert done.reply.table == shown.reply.table
    assert f"run {failed.run_id}: failed" in done.reply.text
    assert len(_left(keeper)) == 5
    _refused(keeper, "prune pgdata", "did not succeed")
    _backup(keeper)
    _said(keeper, "prune")
    assert len(_left(keeper)) == 4


def test_who_may_not_back_up_cannot_stop_pruning(keeper: House) -> None:
    """A backup that was denied was no backup run at all."""
    for _ in range(3):
        _backup(keeper)
    assert keeper.say(from_slack("backup pgdata", user="U0EVE")).status is Status.DENIED
    _said(keeper, "prune pgdata")
    assert len(_left(keeper)) == 2


def test_a_backup_that_was_refused_before_it_began_stops_no_pruning(
    keeper: House, fake_engine: FakeEngine
) -> None:
    """Nothing was tried, so nothing failed; and the archive has no trace of it."""
    fake_engine.add_volume("odd", {"a": b"b"})
    for volume in ("pgdata", "pgdata", "pgdata"):
        _backup(keeper, volume)
    fake_engine.add_container("app", ["pgdata", "odd"], labels={"shipkeeper.quiesce": "doze"})
    _refused(keeper, "backup pgdata", "which is none of")
    _refused(keeper, "backup odd", "which is none of")
    _said(keeper, "prune pgdata")
    assert len(_left(keeper)) == 2
    archive = keeper.app.settings.archive_path
    assert [path.name for path in (archive / "local").iterdir()] == ["pgdata"]


def test_a_backup_that_failed_leaves_no_directory(keeper: House, fake_engine: FakeEngine) -> None:
    """What was made for it goes with it."""
    fake_engine.faults.cut_at_byte = 700
    _said(keeper, "backup pgdata", Status.FAILED)
    assert list(keeper.app.settings.archive_path.iterdir()) == []


def test_a_shrunken_volume_waits_for_a_person(keeper: House, fake_engine: FakeEngine) -> None:
    """The reply offers to go on all the same, as something dangerous; that does what it says."""
    fake_engine.put_file("pgdata", "large", bytes(100_000))
    for _ in range(3):
        _backup(keeper)
    fake_engine.put_file("pgdata", "large", b"")
    _backup(keeper)
    outcome = _said(keeper, "prune pgdata", Status.REJECTED)
    assert "less than half" in outcome.reply.text
    (button,) = outcome.reply.buttons
    assert (button.line, button.danger) == ("prune pgdata --host local --despite-shrink", True)
    assert len(_left(keeper)) == 4
    _said(keeper, button.line)
    assert len(_left(keeper)) == 2


def test_without_retention_nothing_is_pruned(house: House) -> None:
    """It says so, and how to change that."""
    for _ in range(3):
        _backup(house)
    assert "No retention is set" in _said(house, "prune").reply.text
    assert len(_left(house)) == 3


def test_pruning_holds_every_volume_that_it_looks_at(keeper: House, fake_engine: FakeEngine) -> None:
    """While one of them is busy it does not begin; a volume without backups is not known."""
    _backup(keeper)
    fake_engine.faults.stall_at_byte = 512
    running = keeper.accept("backup pgdata")
    assert fake_engine.faults.stalled.wait(10)
    _refused(keeper, "prune --dry-run", f"held by run {running}")
    _refused(keeper, f"hold {_left(keeper)[0]}", f"held by run {running}")
    fake_engine.faults.stall_at_byte = None
    fake_engine.faults.go_on.set()
    assert keeper.ending(running).status is Status.SUCCEEDED
    _refused(keeper, "prune logs", "There are no backups of logs on host local")
    refuse_untrue(keeper.app)


# ---- check ---------------------------------------------------------------------------------------------


def test_the_directory_is_the_catalogue(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """With the database deleted the archive says the same as before, of backups, holds and damage."""
    state = tmp_path / "state"
    made = settings(state, toml=TOML, SHIPKEEPER_ARCHIVE=str(tmp_path / "archive"))
    with at_work(made, {"local": fake_engine}) as house:
        taken = _backup(house)
        _said(house, f"verify {taken}")
        _said(house, f"hold {taken}")
        checked = _said(house, "check --rebuild")
        (row,) = _rows(checked)
        assert (row["volume"], row["backups"], row["held"]) == ("pgdata", 1, 1)
        listed = _said(house, "backups")
    shutil.rmtree(state)
    made = settings(state, toml=TOML, SHIPKEEPER_ARCHIVE=str(tmp_path / "archive"))
    with at_work(made, {"local": fake_engine}) as house:
        again = _said(house, "check --rebuild")
        assert (again.reply.text, again.reply.table) == (checked.reply.text, checked.reply.table)
        assert _said(house, "backups").reply.table == listed.reply.table


def test_check_counts_what_was_found_bad_since(keeper: House) -> None:
    """A flipped bit is not seen at a glance; once `verify` found it, `check` says so, until it is mended."""
    backup = _files(keeper, _backup(keeper))
    whole = backup.files.tar.read_bytes()
    _flip(backup.files.tar)
    assert keeper.say(f"verify {backup.id}").status is Status.FAILED
    outcome = keeper.say("check")  # also with what else the doctor finds in a test's house
    assert (outcome.status, outcome.reply.facts["damaged"]) == (Status.PARTIAL, 1)
    assert "found bad at" in outcome.reply.text
    backup.files.tar.write_bytes(whole)
    assert keeper.say(f"verify {backup.id}").status is Status.SUCCEEDED
    assert keeper.say("check").reply.facts["damaged"] == 0
    assert keeper.say("check --rebuild").status is Status.SUCCEEDED


def test_check_tells_of_damage_and_leftovers(keeper: House) -> None:
    """A damaged backup makes it partial and is named with the reason; a file without a backup is named, too."""
    first, second = _backup(keeper), _backup(keeper)
    assert _said(keeper, "check --rebuild").reply.facts["backups"] == 2
    damaged, lost = _files(keeper, first).files, _files(keeper, second).files
    damaged.tar.unlink()
    lost.manifest.unlink()
    outcome = _said(keeper, "check", Status.PARTIAL)
    facts = outcome.reply.facts
    assert (facts["backups"], facts["damaged"]) == (0, 1)
    assert damaged.manifest.name in outcome.reply.text
    assert lost.tar.name in outcome.reply.text
    assert facts["leftovers"] == len([path for path in lost.directory.iterdir() if lost.id in path.name])


# ---- diff ----------------------------------------------------------------------------------------------


def test_diff_shows_what_changed_until_now(keeper: House, fake_engine: FakeEngine) -> None:
    """What was written since the backup is listed by name, with sizes; the volume is only looked at."""
    taken = _backup(keeper)
    assert "nothing changed" in _said(keeper, f"diff {taken}").reply.text
    fake_engine.put_file("pgdata", "PG_VERSION", b"16 \n")
    fake_engine.put_file("pgdata", "new", b"12345")
    outcome = _said(keeper, f"diff {taken}")
    assert (outcome.reply.facts["added"], outcome.reply.facts["changed"]) == (1, 1)
    assert "to the nanosecond" in outcome.reply.text
    first, second = _rows(outcome)
    assert (first["path"], first["change"], first["old_bytes"], first["new_bytes"]) == (
        "PG_VERSION",
        "changed",
        3,
        4,
    )
    assert (second["path"], second["change"], second["new_bytes"]) == ("new", "added", 5)
    refuse_untrue(keeper.app)


def test_diff_of_two_backups(keeper: House, fake_engine: FakeEngine) -> None:
    """Between two backups content counts; the limit cuts the list and not the counts."""
    first = _backup(keeper)
    for number in range(5):
        fake_engine.put_file("pgdata", f"f{number}", b"x")
    second = _backup(keeper)
    outcome = _said(keeper, f"diff {first} {second} --limit 2")
    assert (outcome.reply.facts["added"], len(_rows(outcome))) == (5, 2)
    assert "by SHA-256" in outcome.reply.text
    assert "The first 2 by name" in outcome.reply.text
    assert _said(keeper, f"diff {second} {first}").reply.facts["removed"] == 5


def test_diff_with_what_is_gone(keeper: House, fake_engine: FakeEngine) -> None:
    """A volume that is not there any more cannot be compared, and neither can a backup that never was."""
    fake_engine.add_volume("logs", {"a": b"b"})
    taken = _backup(keeper, "logs")
    fake_engine.remove_volume("logs")
    _refused(keeper, f"diff {taken}", "There is no volume")
    _refused(keeper, "diff 00000000", "There is no backup")


# ---- drill ---------------------------------------------------------------------------------------------


def test_a_drill_shows_in_the_list(keeper: House, fake_engine: FakeEngine) -> None:
    """The newest backup is tried with the check of the settings, nothing of it stays, and `backups` knows."""
    _backup(keeper)
    taken = _backup(keeper)
    outcome = _said(keeper, "drill pgdata")
    assert outcome.reply.facts["backup"] == _files(keeper, taken).id
    assert "Checks that passed: looks" in outcome.reply.text
    assert [volume.name for volume in fake_engine.volumes()] == ["pgdata"]
    newest, oldest = _rows(_said(keeper, "backups"))
    assert newest["proven_restorable_at"] is not None
    assert newest["verified_at"] == newest["proven_restorable_at"]
    assert oldest["proven_restorable_at"] is None
    refuse_untrue(keeper.app)


def test_a_drill_whose_check_fails(keeper: House, fake_engine: FakeEngine) -> None:
    """It fails with what the check said, and a verify does not make up for that."""
    taken = _backup(keeper)
    fake_engine.checks["look:1"] = lambda _: (1, "this is no cluster")
    assert "this is no cluster" in _said(keeper, "drill pgdata", Status.FAILED).reply.text
    assert "does not count" in _said(keeper, f"verify {taken}").reply.text
    (row,) = _rows(_said(keeper, "backups"))
    assert (row["outcome"], row["proven_restorable_at"]) == ("failed", None)
    assert [volume.name for volume in fake_engine.volumes()] == ["pgdata"]
    refuse_untrue(keeper.app)


def test_checks_are_those_of_the_settings(keeper: House) -> None:
    """What the settings say of a drill is what is run."""
    rule = keeper.app.services.drills["looks"]
    assert rule.volumes == ("pg*",)
    assert rule.check == Check(image="look:1", words=("look",), limit=timedelta(seconds=5))
