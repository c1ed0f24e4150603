"""What is asked often costs the same with a million runs as with a thousand: by an index, from its newer end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.model import Actor, Status
from bot.stores import standing as standing_room
from bot.stores.audit import Audit
from bot.stores.auditfilter import Filter
from bot.stores.pasts import Pasts
from bot.stores.tallies import Tallies
from tests.stores.bench import Bench
from tests.stores.explained import plans
from tests.support.house import invocation

SORTED = "USE TEMP B-TREE FOR ORDER BY"
"""How SQLite says that it has to see all that fits before it can show the newest."""


@pytest.fixture
def sqlite(bench: Bench, dialect: str) -> Bench:
    """A database that tells its plans."""
    if dialect != "sqlite":
        pytest.skip("PostgreSQL plans by what the tables hold; the bench measures it")
    return bench


def test_the_newest_runs_of_a_status_are_found_by_its_index(sqlite: Bench) -> None:
    """Not by sorting every run that ever succeeded."""
    (plan,) = plans(sqlite.database, lambda: sqlite.runs.newest(limit=20, status=Status.SUCCEEDED))
    assert "runs_by_status (status=?)" in plan
    assert SORTED not in plan


def test_the_runs_behind_one_are_found_by_the_same_index(sqlite: Bench) -> None:
    """Without going through all that are newer, however far back somebody's few are looked for."""
    run = sqlite.submit("help")
    (plan,) = plans(sqlite.database, lambda: sqlite.runs.newest(limit=20, status=Status.SUCCEEDED, after=run))
    assert "runs_by_status (status=? AND created_at<?)" in plan
    (plan,) = plans(sqlite.database, lambda: sqlite.runs.newest(limit=20, after=run))
    assert "runs_by_time (created_at<?)" in plan
    assert SORTED not in plan


def test_the_newest_runs_of_a_person_are_found_by_theirs(sqlite: Bench) -> None:
    """Also for somebody who never sent anything, which is asked for each Home page."""
    (plan,) = plans(sqlite.database, lambda: sqlite.runs.newest(limit=1, actor="U0NEW"))
    assert "runs_by_actor (actor_id=?)" in plan
    assert SORTED not in plan


def test_the_last_run_of_a_schedule_is_one_step_away(sqlite: Bench) -> None:
    """From the end of its row in the index; the others of it are not looked through."""
    first, second = plans(sqlite.database, lambda: sqlite.runs.last_of(["nightly", "hourly"]))
    assert first == second
    assert "runs_by_schedule (schedule=?)" in first
    assert SORTED not in first


def test_the_last_planned_run_of_a_schedule_is_looked_for_from_the_end_of_its_row(sqlite: Bench) -> None:
    """As a rule it is the first one there, and other schedules' runs are never looked at."""
    (plan,) = plans(sqlite.database, lambda: sqlite.runs.planned("nightly", "backup db:/v0"))
    assert "runs_by_schedule (schedule=?)" in plan
    assert SORTED not in plan


def test_how_long_runs_took_is_looked_for_in_a_quarter(sqlite: Bench) -> None:
    """A line that never succeeded would else have all runs looked through."""
    run = sqlite.submit("backup pgdata")
    (plan,) = plans(sqlite.database, lambda: Pasts(sqlite.database).took(run, 20))
    assert "runs_by_status (status=? AND created_at>?)" in plan


def test_what_took_longer_ago_than_a_quarter_does_not_count(bench: Bench) -> None:
    """Runs of the last 92 days say how long one usually takes."""
    old = bench.submit("backup pgdata")
    claim = bench.passed_on(old)
    bench.later(90)
    bench.finish(claim)
    bench.later(timedelta(days=91).total_seconds())
    assert Pasts(bench.database).took(bench.submit("backup pgdata"), 20) == (90.0,)
    bench.later(timedelta(days=1).total_seconds())
    assert Pasts(bench.database).took(bench.submit("backup pgdata"), 20) == ()


def test_endings_are_added_up_piece_by_piece(sqlite: Bench) -> None:
    """Each piece begins where the last one ended; all of them together are one walk through the log."""
    (plan,) = plans(sqlite.database, lambda: Tallies(sqlite.database).ended_after(7, 100))
    assert "SEARCH audit USING INTEGER PRIMARY KEY (rowid>?)" in plan
    assert SORTED not in plan


def test_lines_that_end_nothing_are_passed_over(bench: Bench) -> None:
    """However many there are between two endings, and at the end of the log."""
    run = bench.submit("backup pgdata")
    for kind in (*["docker"] * 7, "failed", *["docker"] * 7, "succeeded", *["docker"] * 7):
        bench.audit.record(bench.event(run, kind))
    tallies = Tallies(bench.database)
    (first,) = tallies.ended_after(0, 3)
    (second,) = tallies.ended_after(first.seq, 3)
    assert [first.ending, second.ending] == ["failed", "succeeded"]
    assert tallies.ended_after(second.seq, 3) == ()


def test_entries_by_somebody_are_found_from_the_newest_on(sqlite: Bench) -> None:
    """By id in one index and by name in another, each only as far as a page needs."""
    (plan,) = plans(sqlite.database, lambda: sqlite.audit.found(Filter(by="ann"), limit=20))
    assert "audit_by_actor_id (actor_id=?)" in plan
    assert "audit_by_actor_name (actor_name=?)" in plan
    assert "MULTI-INDEX OR" not in plan


def test_entries_by_id_and_by_name_come_in_one_order(bench: Bench) -> None:
    """Newest first, each once, and a page goes on where the one before ended."""
    people = (Actor(id="U1", name="ann"), Actor(id="ann", name="other"), Actor(id="ann", name="ann"))
    for number in range(12):
        run = bench.submit(invocation("whoami", actor=people[number % 3], at=bench.now))
        bench.audit.record(bench.event(run, "succeeded"))
    bench.audit.record(bench.event(bench.submit("whoami"), "succeeded"))
    wanted = Filter(by="ann")
    assert bench.audit.count(wanted) == 12
    pages = [bench.audit.found(wanted, limit=5, before=before) for before in (0, 5, 10)]
    assert [line.seq for page in pages for line in page] == list(range(12, 0, -1))


def test_entries_about_a_target_are_found_among_what_targets_there_are(sqlite: Bench) -> None:
    """From one target to the next by their index, and not from entry to entry."""
    (plan,) = plans(sqlite.database, lambda: sqlite.audit.found(Filter(target="volume7"), limit=20))
    assert "audit_by_targets (targets=?)" in plan
    assert "SEARCH further USING COVERING INDEX audit_by_targets (targets>?)" in plan
    assert "SCAN audit" not in plan


def test_the_last_ending_is_looked_for_from_the_newest_on(sqlite: Bench) -> None:
    """Nothing is sorted, and whether a rejected run had begun is asked of that run alone."""
    sqlite.audit.record(sqlite.event(sqlite.submit("backup pgdata"), "rejected"))
    newest, began, beyond = plans(sqlite.database, lambda: _last(sqlite.audit))
    assert "audit_by_command (command=?)" in newest
    assert "audit_by_command (command=? AND seq<?)" in beyond
    assert "audit_by_run (run_id=?)" in began
    assert SORTED not in newest + beyond


def test_the_last_ending_is_found_behind_many_of_others(bench: Bench) -> None:
    """Piece by piece, as far as it takes, and no further than the log goes."""
    for number in range(120):
        run = bench.submit("backup pgdata")
        targets = ("volume:pgdata", "volume:web:/srv") if number else ("volume:pgdata",)
        bench.audit.record(bench.event(run, "failed", *targets))
    found = bench.audit.last_ending("backup", "local", "volume:pgdata", lambda all_: len(all_) == 1)
    assert found is not None
    assert found.targets == ("volume:pgdata",)
    assert bench.audit.last_ending("backup", "local", "volume:pgdata", lambda all_: not all_) is None


def _last(audit: Audit) -> object:
    return audit.last_ending("backup", "local", "volume:pgdata", lambda _: True)


def test_counting_goes_back_a_day(sqlite: Bench) -> None:
    """After the first time: older runs are over, and were counted."""
    sqlite.submit("whoami")
    sqlite.runs.counts()
    sqlite.later(timedelta(days=2).total_seconds())
    told = plans(sqlite.database, sqlite.runs.counts)
    assert told
    assert all("created_at>?" in plan or "runs_by_status (status=?)" in plan for plan in told), told


def test_counts_are_right_whatever_ends_and_comes(bench: Bench) -> None:
    """An old run that is open keeps those after it from being counted for good; when it ends it counts as ended."""
    waits = bench.submit("backup pgdata")
    assert bench.runs.counts() == {Status.QUEUED: 1}
    for day in range(1, 5):
        bench.later(timedelta(days=1).total_seconds())
        bench.finish(bench.claim(bench.submit("whoami")))
        assert bench.runs.counts() == {Status.QUEUED: 1, Status.SUCCEEDED: day}
    bench.finish(bench.claim(waits), Status.FAILED)
    for day in range(5, 8):
        bench.later(timedelta(days=1).total_seconds())
        assert bench.runs.counts() == {Status.FAILED: 1, Status.SUCCEEDED: day - 1}
        bench.finish(bench.claim(bench.submit("whoami")))
    assert bench.runs.counts() == {Status.FAILED: 1, Status.SUCCEEDED: 7}


def test_a_clock_that_was_wrong_miscounts_for_an_hour_at_most(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored days too early is counted when all are counted anew."""
    bench.later(timedelta(days=9).total_seconds())
    bench.runs.counts()
    bench.later(-timedelta(days=9).total_seconds())
    bench.finish(bench.claim(bench.submit("whoami")))
    monkeypatch.setattr(standing_room, "_ANEW_SECONDS", 0.0)
    bench.runs._standing._anew_at = 0.0
    assert bench.runs.counts() == {Status.SUCCEEDED: 1}
