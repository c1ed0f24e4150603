"""Proving by turns: `--oldest` goes round all volumes and leaves out what it may not prove."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import Interrupted, NotFound
from bot.model import Outcome, Status
from bot.operations.holds import drilled, failed, is_verified, verified
from bot.operations.rotation import NEVER, Turn, next_to_drill, next_to_verify, sources_of
from bot.operations.verify import verify
from bot.stores.archive import Archive
from tests.fakes import FakeEngine
from tests.support.archives import START, Clock, back_up
from tests.support.fake_run import FakeRun
from tests.support.house import ROLES, House, at_work, from_slack, refuse_untrue, settings

HERE = Turn(host="local")
TOML = (
    ROLES
    + """
[roles.databases]
members = ["U0CAT"]
right = "operate"
targets = ["volume:pg*"]
[drills.looks]
volumes = ["app"]
image = "look:1"
"""
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path, clock: Clock) -> Archive:
    return Archive(tmp_path / "archive", clock)


def _untried(_: str) -> datetime | None:
    return None


def test_nothing_to_prove_is_a_sentence(archive: Archive) -> None:
    """Neither an empty archive nor a pattern that nothing is like breaks anything."""
    with pytest.raises(NotFound, match="nothing to prove"):
        next_to_drill(archive, HERE, _untried)
    with pytest.raises(NotFound, match="nothing to prove"):
        next_to_verify(archive, HERE)
    back_up(archive)
    with pytest.raises(NotFound, match=r"anything like x\*"):
        next_to_drill(archive, Turn(host="local", pattern="x*"), _untried)
    with pytest.raises(NotFound, match="from host far"):
        next_to_verify(archive, Turn(host="far"))


def test_what_was_never_drilled_goes_first_then_the_longest_ago(archive: Archive, clock: Clock) -> None:
    """Of each source it is the newest backup that counts, and any of its drills."""
    for number, name in enumerate(("a1", "b1", "c1")):
        back_up(archive, name, f"{number}a")
        clock.now += timedelta(hours=1)
    order = []
    for _ in range(4):
        chosen = next_to_drill(archive, HERE, _untried)
        clock.now += timedelta(hours=1)
        archive.mark(chosen, lambda marks: drilled(marks, clock.now))
        order.append(chosen.volume)
        back_up(archive, chosen.volume, f"{len(order)}b")
    assert order == ["a1", "b1", "c1", "a1"]
    assert chosen.manifest.run_id == "1b"


def test_a_drill_whose_backup_was_pruned_still_counts(archive: Archive, clock: Clock) -> None:
    """Nightly backups are soon pruned, and their marks with them: then the audit log knows whose turn it was."""
    back_up(archive, "a1", "1")
    clock.now += timedelta(hours=1)
    back_up(archive, "b1", "2")
    tried = {"a1": START + timedelta(days=1)}
    assert next_to_drill(archive, HERE, _untried).volume == "a1"
    assert next_to_drill(archive, HERE, tried.get).volume == "b1"


def test_what_is_known_to_be_bad_has_no_turn(archive: Archive) -> None:
    """A backup that was found bad was told of already; the one before it is tried."""
    back_up(archive, "a1", "1")
    bad = back_up(archive, "a1", "2")
    archive.mark(bad, lambda marks: failed(marks, START, "a bit is another"))
    assert next_to_drill(archive, HERE, _untried).manifest.run_id == "1"
    assert next_to_verify(archive, HERE).manifest.run_id == "1"


def test_verifying_goes_round_all_backups(archive: Archive, clock: Clock) -> None:
    """Each backup for itself, the one that was read longest ago first."""
    for number in range(3):
        back_up(archive, "a1", f"r{number}")
        clock.now += timedelta(hours=1)
    order = []
    for _ in range(4):
        chosen = next_to_verify(archive, HERE)
        clock.now += timedelta(hours=1)
        archive.mark(chosen, lambda marks: verified(marks, clock.now))
        order.append(chosen.manifest.run_id)
    assert order == ["r0", "r1", "r2", "r0"]


def test_one_that_cannot_be_read_to_its_end_does_not_keep_the_others_waiting(
    archive: Archive, clock: Clock
) -> None:
    """Nothing is held against it, and until its turn comes again the others are read."""
    for number in range(3):
        back_up(archive, "a1", f"r{number}")
        clock.now += timedelta(hours=1)
    order = []
    for _ in range(4):
        run, chosen = FakeRun(FakeEngine(), archive), next_to_verify(archive, HERE)
        clock.now += timedelta(hours=1)
        order.append(chosen.manifest.run_id)
        if chosen.manifest.run_id == "r0":
            run.raise_at, run.error = 2, Interrupted("The bot was stopped.")
            with pytest.raises(Interrupted):
                verify(archive, run, chosen, clock)
            assert is_verified(chosen, archive.marks(chosen))
        else:
            verify(archive, run, chosen, clock)
    assert order == ["r0", "r1", "r2", "r0"]


def test_only_what_is_held_is_taken(archive: Archive) -> None:
    """Whoever's turn it became meanwhile: a run proves what it holds."""
    back_up(archive, "a1", "1")
    back_up(archive, "b1", "2")
    held = sources_of(("volume:b1", "container:db"))
    assert next_to_drill(archive, Turn(host="local", held=held), _untried).volume == "b1"
    assert datetime.max.replace(tzinfo=NEVER.tzinfo) > NEVER


# ---- down the whole road ---------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """Three volumes, each with a backup."""
    fake_engine.add_volume("app", {"a": b"1"})
    fake_engine.add_volume("pgsmall", {"b": b"2"})
    fake_engine.checks["look:1"] = lambda _: (0, "fine")
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as made:
        for volume in ("app", "pgdata", "pgsmall"):
            _said(made, f"backup {volume}")
        yield made


def _said(house: House, line: str, status: Status = Status.SUCCEEDED) -> Outcome:
    outcome = house.say(line)
    assert outcome.status is status, outcome.reply.text
    return outcome


def test_weekly_drills_go_round_all_volumes(house: House) -> None:
    """Each is drilled once before any is drilled again, and the run holds what it drills."""
    order = [str(_said(house, "drill --oldest").reply.facts["volume"]) for _ in range(4)]
    assert sorted(order[:3]) == ["app", "pgdata", "pgsmall"]
    assert order[3] == order[0]
    newest = house.app.services.runs.newest(limit=1)[0]
    assert newest.plan is not None
    assert newest.plan.targets == (f"volume:{order[3]}",)
    refuse_untrue(house.app)


def test_one_that_cannot_be_drilled_does_not_keep_the_others_waiting(
    house: House, fake_engine: FakeEngine
) -> None:
    """Its failure is told, and next time it is another one's turn."""
    del fake_engine.checks["look:1"]  # the image is missing: nothing is held against the backup
    seen = []
    for _ in range(3):
        outcome = house.say("drill --oldest")
        seen.append(outcome.status)
    assert sorted(seen) == [Status.REJECTED, Status.SUCCEEDED, Status.SUCCEEDED]


def test_who_may_drill_some_only_names_them_by_a_pattern(house: House) -> None:
    """What is next is refused where it is not theirs; with a pattern only theirs are looked at."""
    assert house.say(from_slack("drill --oldest", user="U0CAT")).status is Status.DENIED
    for _ in range(2):
        outcome = house.say(from_slack("drill --oldest --among pg*", user="U0CAT"))
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    done = {run.reply.facts["volume"] for run in house.app.services.runs.newest(limit=2) if run.reply}
    assert done == {"pgdata", "pgsmall"}


def test_verify_goes_round_as_well(house: House) -> None:
    """The backup that was read longest ago is read again."""
    order = [_said(house, "verify --oldest").reply.facts["volume"] for _ in range(4)]
    assert order == ["app", "pgdata", "pgsmall", "app"]


@pytest.mark.parametrize(
    "line", ["drill pgdata --oldest", "drill --oldest --backup 7f3a2c1b", "drill pgdata --among x", "verify"]
)
def test_what_contradicts_itself_is_refused(house: House, line: str) -> None:
    """Either something is named, or it is the turn of the oldest."""
    _said(house, line, Status.REJECTED)


def test_without_a_name_the_missing_volume_is_asked_for(house: House) -> None:
    """A bare `drill` is not taken for a drill of the oldest: the usage shows both ways."""
    outcome = _said(house, "drill", Status.REJECTED)
    assert "VOLUME|CONTAINER:/PATH is missing" in outcome.reply.text
    assert "[--oldest]" in outcome.reply.text
