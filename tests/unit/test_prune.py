"""Prune: exactly what was shown goes, and nothing goes when a backup failed, shrank or is held."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import ArchiveError, Cancelled
from bot.model import Status
from bot.operations.holds import failed, held
from bot.operations.prune import Rules, Ruling, judge, prune, room_of
from bot.operations.prunetold import Asked, in_rows, in_words, plan_of, reply_after_crash
from bot.operations.retention import Retention
from bot.stores.archive import SAFETY, Archive, Backup, Content, Hold, Problem, Problems, SourceFacts
from tests.fakes import FakeEngine
from tests.support.archives import START, Clock, files_below, fill, manifest_of, small_tar
from tests.support.fake_run import FakeRun

KEEP_ONE = Retention(last=1, floor=1)
KEEP_TWO = Retention(last=2, floor=1)
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path, clock: Clock) -> Archive:
    return Archive(tmp_path / "archive", clock)


@pytest.fixture
def run(archive: Archive) -> FakeRun:
    return FakeRun(FakeEngine(), archive)


def _back_up(
    archive: Archive, clock: Clock, run_id: str, volume: str = "pgdata", **changes: object
) -> Backup:
    """A backup of the small tar, a day after the one before."""
    clock.now += DAY
    with archive.begin("local", volume, run_id) as draft:
        fill(draft, small_tar())
        return draft.publish(manifest_of(draft.seal(), **changes))


def _partial(archive: Archive, clock: Clock, run_id: str) -> Backup:
    lost = Problems(count=1, listed=(Problem(path="a", reason="vanished"),))
    return _back_up(archive, clock, run_id, outcome="partial", problems=lost)


def _rules(retention: Retention = KEEP_TWO, *, failure: str = "", insisting: bool = False) -> Rules:
    return Rules(retention=retention, last_failure=lambda _: failure, despite_shrink=insisting)


def _judge(archive: Archive, clock: Clock, rules: Rules, *sources: str) -> tuple[Ruling, ...]:
    return judge(archive, "local", sources or ("pgdata",), rules, clock())


def _kept(rulings: tuple[Ruling, ...]) -> list[str]:
    return [v.backup.manifest.run_id for ruling in rulings for v in ruling.verdicts if v.is_kept]


def _left(archive: Archive) -> list[str]:
    return [backup.manifest.run_id for backup in archive.backups()]


def _shrunk(archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Three backups, of which the newest says to be a tenth of the others."""
    made = [_back_up(archive, clock, run_id, **changes) for run_id in ("r1", "r2", "r3")]
    sizes = dict(zip((one.id for one in made), (1000, 1000, 100), strict=True))
    listed = archive.backups

    def backups(
        host: str | None = None, volume: str | None = None, *, anew: bool = False
    ) -> tuple[Backup, ...]:
        return tuple(_sized(one, sizes[one.id]) for one in listed(host, volume, anew=anew))

    monkeypatch.setattr(archive, "backups", backups)


def _sized(backup: Backup, size: int) -> Backup:
    return replace(backup, manifest=replace(backup.manifest, raw=Content(bytes=size, sha256="a" * 64)))


def test_what_was_shown_is_what_goes(archive: Archive, clock: Clock, run: FakeRun) -> None:
    """The verdicts name every backup with a reason, and the action leaves exactly those that were to stay."""
    for number in range(5):
        _back_up(archive, clock, f"r{number}")
    rulings = _judge(archive, clock, _rules())
    assert _kept(rulings) == ["r4", "r3"]
    table = in_rows(rulings)
    assert table is not None
    verdicts = [(row[0], row[4], row[5]) for row in table.rows]
    assert verdicts == [
        ("r4", "keep", "last, one of the newest 1 verified"),
        ("r3", "keep", "last"),
        ("r2", "remove", "no rule keeps it"),
        ("r1", "remove", "no rule keeps it"),
        ("r0", "remove", "no rule keeps it"),
    ]
    assert in_words(rulings, dry_run=True) == "3 backups would be removed, 2 kept."
    shown = room_of(rulings[0].removed)
    before = sum(path.stat().st_size for path in archive.root.rglob("*") if path.is_file())
    assert prune(archive, run, rulings) == shown
    after = sum(path.stat().st_size for path in archive.root.rglob("*") if path.is_file())
    assert (_left(archive), before - after) == (["r4", "r3"], shown)
    assert len(files_below(archive.root)) == 6
    assert prune(archive, run, _judge(archive, clock, _rules())) == 0


def test_each_volume_is_judged_by_itself(archive: Archive, clock: Clock, run: FakeRun) -> None:
    """Many new backups of one volume do not push another's out; sources that are not named are not touched."""
    for number in range(4):
        _back_up(archive, clock, f"p{number}", "pgdata")
    for number in range(3):
        _back_up(archive, clock, f"l{number}", "logs")
    _back_up(archive, clock, "x0", "web:/srv")
    rulings = _judge(archive, clock, _rules(), "logs", "pgdata")
    prune(archive, run, rulings)
    assert _left(archive) == ["x0", "l2", "l1", "p3", "p2"]


def test_dumps_and_safety_backups_take_no_place_of_a_volumes_bytes(archive: Archive, clock: Clock) -> None:
    """Three dumps and a restore's safety backup later, the newest two copies of the files are still there."""
    copies = [_back_up(archive, clock, f"copy{number}") for number in range(3)]
    dumps = [
        _back_up(archive, clock, f"dump{number}", source=SourceFacts(kind="dump", container="db"))
        for number in range(3)
    ]
    safety = _back_up(archive, clock, "safety", purpose=SAFETY)
    (ruling,) = judge(archive, "local", ["pgdata"], _rules(), clock.now)
    assert {one.id for one in ruling.removed} == {copies[0].id, dumps[0].id}
    assert safety.id not in {one.id for one in ruling.removed}


def test_safety_backups_go_by_the_same_rules_among_themselves(archive: Archive, clock: Clock) -> None:
    """Where `cp` and `restore` alone back something up, it is pruned as well, however little there was last."""
    for number in range(6):
        _back_up(archive, clock, f"s{number}", "web:/srv", purpose=SAFETY)
    _back_up(archive, clock, "p0")
    for number in range(6, 10):
        _back_up(archive, clock, f"s{number}", purpose=SAFETY)
    rulings = _judge(archive, clock, _rules(), "web:/srv", "pgdata")
    assert _kept(rulings) == ["s5", "s4", "s9", "s8", "p0"]
    assert rulings[0].verdicts[0].why == "last, one of the newest 1 verified"
    assert not any(ruling.refused for ruling in rulings)


def test_a_smaller_safety_backup_is_no_loss(
    archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody put something else there: what was there before says nothing of what may be missing."""
    _shrunk(archive, clock, monkeypatch, purpose=SAFETY)
    (ruling,) = _judge(archive, clock, _rules(KEEP_ONE))
    assert (len(ruling.removed), ruling.refused) == (2, "")


def test_without_rules_nothing_goes(archive: Archive, clock: Clock) -> None:
    """A retention that says nothing keeps everything."""
    for number in range(9):
        _back_up(archive, clock, f"r{number}")
    (ruling,) = _judge(archive, clock, _rules(Retention()))
    assert (len(ruling.verdicts), ruling.removed, ruling.refused) == (9, (), "")


def test_after_a_failed_backup_nothing_goes(archive: Archive, clock: Clock) -> None:
    """It names the run that failed; where nothing would go anyway there is nothing to refuse."""
    for number in range(3):
        _back_up(archive, clock, f"r{number}")
    (ruling,) = _judge(archive, clock, _rules(failure="run 7f3a2c1b: failed"))
    assert (ruling.removed, ruling.has_shrunk) == ((), False)
    assert "did not succeed (run 7f3a2c1b: failed)" in ruling.refused
    assert {verdict.is_kept for verdict in ruling.verdicts} == {True}
    assert ruling.verdicts[-1].why == "nothing is pruned"
    assert ruling.refused in in_words((ruling,), dry_run=False)
    (ruling,) = _judge(archive, clock, _rules(Retention(last=3, floor=1), failure="run 7f3a2c1b: failed"))
    assert ruling.refused == ""


def test_a_volume_that_shrank_waits_for_a_person(
    archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing goes until somebody insists; then what the rules say goes. A failed run is not overruled by that."""
    _shrunk(archive, clock, monkeypatch)
    (ruling,) = _judge(archive, clock, _rules())
    assert (ruling.removed, ruling.has_shrunk) == ((), True)
    assert "less than half" in ruling.refused
    (ruling,) = _judge(archive, clock, _rules(insisting=True))
    assert ([one.manifest.run_id for one in ruling.removed], ruling.refused) == (["r1"], "")
    (ruling,) = _judge(archive, clock, _rules(failure="run 7f3a2c1b: partial", insisting=True))
    assert (ruling.removed, ruling.has_shrunk) == ((), False)


def test_held_backups_stay_as_long_as_they_are_held(archive: Archive, clock: Clock) -> None:
    """A hold with an end counts up to it, one without until it is lifted."""
    made = [_back_up(archive, clock, f"r{number}") for number in range(5)]
    until = clock() + DAY
    archive.mark(made[0], lambda marks: held(marks, Hold(by="Ada", at=clock())))
    archive.mark(made[1], lambda marks: held(marks, Hold(by="Ada", at=clock(), until=until)))
    assert _kept(_judge(archive, clock, _rules())) == ["r4", "r3", "r1", "r0"]
    clock.now = until
    assert _kept(_judge(archive, clock, _rules())) == ["r4", "r3", "r0"]


def test_only_verified_backups_take_places(archive: Archive, clock: Clock) -> None:
    """Partial ones and those found damaged push no good one out, however new they are."""
    made = [_back_up(archive, clock, f"r{number}") for number in range(3)]
    _partial(archive, clock, "partial")
    damaged = _back_up(archive, clock, "damaged")
    archive.mark(damaged, lambda marks: failed(marks, clock(), "a bit is another"))
    kept = _kept(_judge(archive, clock, _rules()))
    assert {"r2", "r1"} <= set(kept)
    assert made[0].manifest.run_id not in kept


def _fail(_: Backup) -> None:
    raise ArchiveError("The disk failed.")


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda run, _: setattr(run, "raise_at", 2), Cancelled, "1 of 3 backups were removed, and stay so"),
        (lambda _, archive: setattr(archive, "remove", _fail), ArchiveError, "0 of 3 backups were removed"),
    ],
    ids=["cancelled", "failed"],
)
def test_an_end_in_the_middle_tells_how_far_it_came(
    archive: Archive,
    clock: Clock,
    run: FakeRun,
    spoil: Callable[[FakeRun, Archive], None],
    kind: type[Exception],
    words: str,
) -> None:
    """What is gone cannot be taken back, so it is said; the oldest go first, so the best are still there."""
    for number in range(5):
        _back_up(archive, clock, f"r{number}")
    rulings = _judge(archive, clock, _rules())
    spoil(run, archive)
    with pytest.raises(kind) as ended:
        prune(archive, run, rulings)
    said = " ".join([str(ended.value), *getattr(ended.value, "__notes__", ())])
    assert words in said
    assert _left(archive)[:4] == ["r4", "r3", "r2", "r1"]


def test_room_that_cannot_be_measured_ends_nothing(
    archive: Archive, clock: Clock, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much is freed is only told: what a disk does not say of it counts as nothing."""
    for number in range(4):
        _back_up(archive, clock, f"r{number}")
    rulings, stat = _judge(archive, clock, _rules()), Path.stat

    def refuse(path: Path, **more: bool) -> os.stat_result:
        if path.name.endswith(".tar.zst"):
            raise OSError(errno.EIO, "the kernel's own words", str(path))
        return stat(path, **more)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "stat", refuse)
        freed = prune(archive, run, rulings)
    assert freed > 0
    assert _left(archive) == ["r3", "r2"]


def test_one_of_which_only_leftovers_stay_is_counted_as_removed(
    archive: Archive, clock: Clock, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest goes first, so a disk that fails after that has lost the backup all the same."""
    for number in range(5):
        _back_up(archive, clock, f"r{number}")
    rulings, unlink = _judge(archive, clock, _rules()), Path.unlink

    def refuse(path: Path) -> None:
        if path.name.endswith(".tar.zst"):
            raise OSError(errno.EIO, "the kernel's own words", str(path))
        unlink(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ArchiveError) as raised:
        prune(archive, run, rulings)
    assert "1 of 3 backups were removed" in " ".join(raised.value.__notes__)
    assert _left(archive) == ["r4", "r3", "r2", "r1"]


def test_after_a_crash_it_is_told_what_is_gone(archive: Archive, clock: Clock) -> None:
    """The plan's steps name what was to go; what of it is not in the archive any more was removed."""
    made = [_back_up(archive, clock, f"r{number}") for number in range(3)]
    plan = plan_of(Asked(source=None, host="local"), _judge(archive, clock, _rules(KEEP_ONE)), ())
    assert reply_after_crash(archive, "local", plan) is reply_after_crash(archive, "local", None) is None
    archive.remove(made[0])
    reply = reply_after_crash(archive, "local", plan)
    assert reply is not None
    assert (reply.status, "1 of 2 backups" in reply.text) == (Status.INTERRUPTED, True)
    archive.remove(made[1])
    reply = reply_after_crash(archive, "local", plan)
    assert reply is not None
    assert reply.status is Status.SUCCEEDED


def test_after_a_crash_backups_of_one_run_are_told_apart(archive: Archive, clock: Clock) -> None:
    """A snapshot's backups of several volumes share an id, and one on another host may: each is counted for itself."""
    made = {}
    for run_id, volume in (("r0", "pgdata"), ("r0", "uploads"), ("r1", "pgdata"), ("r1", "uploads")):
        clock.now = START + DAY * int(run_id[1])
        made[volume, run_id] = _back_up(archive, clock, run_id, volume)
    assert made["pgdata", "r0"].id == made["uploads", "r0"].id
    rulings = _judge(archive, clock, _rules(KEEP_ONE), "pgdata", "uploads")
    plan = plan_of(Asked(source=None, host="local"), rulings, ())
    archive.remove(made["pgdata", "r0"])
    reply = reply_after_crash(archive, "local", plan)
    assert reply is not None
    assert (reply.status, "1 of 2 backups" in reply.text) == (Status.INTERRUPTED, True)
    clock.now = START + DAY
    with archive.begin("far", "uploads", "r0") as draft:
        fill(draft, small_tar())
        assert draft.publish(manifest_of(draft.seal())).id == made["uploads", "r0"].id
    archive.remove(made["uploads", "r0"])
    reply = reply_after_crash(archive, "local", plan)
    assert reply is not None
    assert (reply.status, "2 of 2 backups" in reply.text) == (Status.SUCCEEDED, True)
