"""Replacing what a volume holds, on an engine in memory that fails, and a run that dies, at every single step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from bot.engine import HostPath, Volume
from bot.errors import ArchiveError, BotError, Cancelled, Conflict, EngineError, LostHold, StoreError
from bot.model import Status
from bot.operations.backup import Still, back_up, back_up_still
from bot.operations.backupplan import Wish
from bot.operations.backupplan import plan as plan_backup
from bot.operations.filling import Filler
from bot.operations.quiesce import QuiescePolicy
from bot.operations.replace import Means, replace
from bot.operations.replaced import Replaced, reply_after_crash, reply_of
from bot.operations.replaceplan import ReplacePlan, plan_replace
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup
from bot.words import size
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun

SAVED = {"a": b"one", "conf/b": b"two" * 500, "conf/c": b"three"}
PRESENT = {"a": b"changed", "new": b"in no backup", "conf/b": b"also changed"}
ROOT = {"mode": 0o2750, "uid": 70, "gid": 71}


class Mortal:
    """An engine whose caller dies: at the n-th call, just `before` or just after it is carried out."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.calls: list[str] = []
        self.die_at: int | None = None
        self.before = True
        self.die_in = ""
        self.error: Callable[[], BaseException] = lambda: LostHold("7f3a2c")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if not callable(found):
            return found

        @wraps(found)
        def called(*given: Any, **named: Any) -> Any:
            self.calls.append(name)
            is_last = self.die_at == len(self.calls)
            if is_last and self.before:
                raise self.error()
            try:
                return found(*given, **named)
            finally:
                if is_last or name == self.die_in:
                    raise self.error()

        return called


@dataclass
class World:
    """A volume with one content in a backup and another one now, two users that run and one that does not."""

    archive: Archive
    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        self.engine.add_volume("pgdata", SAVED, team="db")
        self.engine.tree("pgdata").change("", **ROOT)
        self.engine.add_container("db", ["pgdata"])
        self.engine.add_container("web", ["pgdata"])
        self.engine.add_container("old", ["pgdata"], state="exited")
        self.mortal = Mortal(self.engine)
        self.backup = self.back_up("pgdata", "0a0a0a0a")
        for path in SAVED:
            self.engine.tree("pgdata").remove(path)
        for path, data in PRESENT.items():
            self.engine.put_file("pgdata", path, data)
        self.engine.tree("pgdata").change("", mode=0o700, uid=1)
        self.run = FakeRun(self.mortal, self.archive)  # type: ignore[arg-type]
        self.policy = QuiescePolicy()

    def back_up(self, source: str, run_id: str) -> Backup:
        run = FakeRun(self.engine, self.archive)
        run.run_id = run_id
        made = plan_backup(self.engine, Wish(source=source), QuiescePolicy())
        return back_up(self.engine, self.archive, run, made).backup

    def plan(self, text: str = "pgdata", path: str = "", backup: Backup | None = None) -> ReplacePlan:
        return plan_replace(self.mortal, backup or self.backup, text, path)  # type: ignore[arg-type]

    def means(self, plan: ReplacePlan) -> Means:
        engine: Any = self.mortal
        return Means(
            policy=self.policy,
            safety=lambda downtime: back_up_still(
                engine, self.archive, self.run, Still(source=plan.place.source, downtime=downtime)
            ),
        )

    def replace(self, plan: ReplacePlan | None = None) -> Replaced:
        made = plan or self.plan()
        engine: Any = self.mortal
        return replace(engine, self.archive, self.run, made, self.means(made))

    def states(self) -> dict[str, str]:
        return {name: self.engine.container(name).state for name in ("db", "web", "old")}

    def beside(self, directory: str = "/fake/volumes/pgdata") -> list[str]:
        return self.engine.ground.names(directory)

    def content(self) -> str:
        """`old` or `new`: what the volume wholly is, and what its running users see."""
        whole = {"old": (PRESENT, (0o700, 1, 71)), "new": (SAVED, (0o2750, 70, 71))}
        for word, (files, facts) in whole.items():
            root = self.engine.tree("pgdata").node("")
            if self.engine.files("pgdata") == files and (root.mode, root.uid, root.gid) == facts:
                for user in ("db", "web"):
                    if self.engine.container(user).state == "running":
                        seen = self.engine.seen_by(user).files()
                        assert {path.removeprefix("v0/"): data for path, data in seen.items()} == files, user
                return word
        raise AssertionError(f"a mixture: {self.engine.files('pgdata')}")

    def refuse_half(self) -> str:
        """Fail unless everything is whole; what the volume holds."""
        assert self.run.entries == []
        assert self.beside() == ["_data"]
        assert not self.engine.helpers()
        assert self.states() == {"db": "running", "web": "running", "old": "exited"}
        return self.content()


def clock() -> datetime:
    return datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Archive(tmp_path / "archive", clock))


def worlds(tmp_path: Path) -> Iterator[World]:
    """New ones for ever, each with an archive of its own."""
    number = 0
    while True:
        number += 1
        yield World(Archive(tmp_path / f"archive{number}", clock))


def test_the_content_is_exchanged_as_a_whole(world: World) -> None:
    """Files, root and users are as the backup and the plan say; what was there is a held backup of the run's."""
    done = world.replace()
    assert world.refuse_half() == "new"
    assert done.safety.manifest.purpose == "safety"
    assert done.safety.manifest.run_id == world.run.run_id
    hold = world.archive.marks(done.safety).hold
    assert hold is not None
    assert (hold.by, hold.until) == ("restore 7f3a2c", done.safety.manifest.ended_at + timedelta(days=7))
    assert done.entries == 5
    reply = reply_of(done, "7f3a2c", "local")
    assert reply.status is Status.SUCCEEDED
    assert reply.facts["safety"] == done.safety.id
    assert [button.line for button in reply.buttons] == ["undo 7f3a2c"]


def test_users_run_while_the_stage_is_filled(world: World) -> None:
    """Nobody is stopped before the new content is proven, and the safety backup is made while they are."""
    world.replace()
    calls = world.mortal.calls
    assert calls.index("write_volume") < calls.index("stop") < calls.index("exchange") < calls.index("start")
    assert "read_volume" in calls[calls.index("stop") : calls.index("exchange")]
    assert calls.count("stop") == calls.count("start") == 2


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_dying_at_any_call_leaves_old_or_new(tmp_path: Path, before: bool) -> None:
    """Whatever the last call was, the journal played back leaves one content wholly, and everybody as they were."""
    found: dict[str, set[str]] = {}
    for number, world in enumerate(worlds(tmp_path), start=1):
        world.mortal.die_at, world.mortal.before = number, before
        plan = plan_replace(world.engine, world.backup, "pgdata")
        try:
            world.replace(plan)
        except LostHold:
            last = world.mortal.calls[-1]
        else:
            break
        world.mortal.die_at = None
        FakeRun.recover(world.run)
        found.setdefault(world.refuse_half(), set()).add(last)
    assert number > 30
    assert "exchange" in found["old"]
    assert "start" in found["new"]
    assert world.refuse_half() == "new"


@pytest.mark.parametrize("half", [True, False], ids=["half", "whole"])
def test_dying_while_the_journal_is_played_back(tmp_path: Path, half: bool) -> None:
    """The process that takes an exchange back may die as well, at any of its calls: the next one makes it whole."""
    for number, world in enumerate(worlds(tmp_path), start=1):
        world.engine.faults.exchange_stops_half_way = half
        world.mortal.die_in = "exchange"
        with pytest.raises(LostHold):
            world.replace()
        world.mortal.die_in = ""
        world.mortal.calls.clear()
        world.mortal.die_at, world.mortal.before = number, bool(number % 2)
        try:
            world.run.recover()
        except LostHold:
            world.mortal.die_at = None
            FakeRun.recover(world.run)
        else:
            break
        assert world.refuse_half() == "old"
    assert number > 15


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_an_engine_that_fails_at_any_call_leaves_old_or_new(tmp_path: Path, before: bool) -> None:
    """Whichever call fails once, the run takes back what it began; after the exchange it says so and goes on."""
    for number, world in enumerate(worlds(tmp_path), start=1):
        plan = plan_replace(world.engine, world.backup, "pgdata")
        world.mortal.die_at, world.mortal.before = number, before
        world.mortal.error = lambda: EngineError("The engine does not answer.")
        done: Replaced | None = None
        with suppress(EngineError):
            done = world.replace(plan)
        if len(world.mortal.calls) < number:
            break
        FakeRun.recover(world.run)  # what could not be taken back at once
        assert world.refuse_half() == ("new" if done else "old"), world.mortal.calls[number - 1]
    assert number > 30


def test_a_run_may_be_cancelled_at_every_check(tmp_path: Path) -> None:
    """Wherever it is told to end, the old content is at its place; behind the exchange it is not asked any more."""
    for moment, world in enumerate(worlds(tmp_path), start=1):
        world.run.raise_at = moment
        try:
            world.replace()
        except Cancelled:
            assert world.refuse_half() == "old"
        else:
            break
    assert moment > 10
    assert world.refuse_half() == "new"


# ---- what is refused, and left as it was ----------------------------------------------------------------


def refused(world: World, error: type[BotError], words: str, plan: ReplacePlan | None = None) -> BotError:
    with pytest.raises(error, match=words) as raised:
        world.replace(plan)
    assert world.refuse_half() == "old"
    return raised.value


def test_a_damaged_backup_replaces_nothing(world: World) -> None:
    """One changed byte is found before anything is made on the host."""
    data = bytearray(world.backup.files.tar.read_bytes())
    data[len(data) // 2] ^= 1
    world.backup.files.tar.chmod(0o600)
    world.backup.files.tar.write_bytes(data)
    refused(world, ArchiveError, "damaged")
    assert "create_tool" not in world.mortal.calls


def test_a_partial_backup_replaces_nothing(world: World) -> None:
    """What is not sound may be looked at in a new volume, but takes the place of nothing."""
    world.engine.faults.during = [(600, lambda engine: engine.put_file("pgdata", "a", b"meanwhile"))]
    partial = world.back_up("pgdata", "0b0b0b0b")
    assert not partial.is_ok
    with pytest.raises(Conflict, match="partial"):
        world.plan(backup=partial)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (Volume(name="other", driver="local", options={"size": "1g"}), "local volume with options"),
        (Volume(name="other", driver="nfs"), "driver nfs"),
    ],
)
def test_only_plain_local_volumes_are_replaced(world: World, volume: Volume, words: str) -> None:
    """Of anything else nobody knows where its files lie; the sentence says what to do instead."""
    world.engine.create_volume(volume)
    with pytest.raises(Conflict, match=f"{words}.*leave out --replace"):
        world.plan("other")


def test_a_path_in_a_containers_own_layer_is_not_replaced(world: World) -> None:
    """Nothing could be exchanged there in one step."""
    world.engine.add_container("app", files={"/etc/app/app.conf": b"x"})
    with pytest.raises(Conflict, match="own layer"):
        world.plan("app:/etc/app")


@pytest.mark.parametrize("state", ["paused", "restarting"])
def test_a_user_that_sleeps_is_in_the_way(world: World, state: str) -> None:
    """It could neither be stopped in good order nor be left as it is."""
    world.engine.add_container("asleep", ["pgdata"], state=state)
    plan = world.plan()
    with pytest.raises(Conflict, match="asleep is paused or restarting"):
        plan.refuse_users(plan.targets)


def test_users_that_may_not_be_stopped_or_are_not_held(world: World) -> None:
    """With --quiesce none a running user is a refusal; so is one that the run does not hold."""
    plan = plan_replace(world.engine, world.backup, "pgdata", may_stop=False)
    with pytest.raises(Conflict, match="used by db, web"):
        plan.refuse_users(plan.targets)
    with pytest.raises(Conflict, match="not held by it"):
        world.plan().refuse_users(["volume:pgdata", "container:db"])
    with pytest.raises(Conflict, match="or where it lies, changed"):
        world.plan().refuse_users([one for one in world.plan().targets if one != "volume:pgdata"])
    world.plan().refuse_users(world.plan().targets)
    for user in ("db", "web"):
        world.engine.stop(world.engine.container(user), 0)
    plan = plan_replace(world.engine, world.backup, "pgdata", may_stop=False)
    plan.refuse_users(plan.targets)


def test_too_little_room_is_named(world: World) -> None:
    """Needed is what the backup holds and a twentieth more."""
    world.engine.free = 4_000
    error = refused(world, EngineError, "4.0 kB are free")
    missing = int(world.backup.manifest.raw.bytes * 1.05) - 4_000
    assert f"{size(missing)} are missing" in str(error)
    assert error.reason is Reason.DISK_FULL
    assert "write_volume" not in world.mortal.calls


def test_a_container_that_came_since_the_plan_is_left_alone(world: World) -> None:
    """Nobody is stopped when the running users are no longer those of the plan."""
    plan = world.plan()
    world.engine.add_container("late", ["pgdata"])
    refused(world, Conflict, "now: db, late, web", plan)
    assert "stop" not in world.mortal.calls


def test_a_container_started_meanwhile_keeps_the_old_content(world: World) -> None:
    """Before the exchange it is a refusal, and the one that was started runs on undisturbed."""
    world.engine.faults.before["info"] = [lambda engine: engine.add_container("late", ["pgdata"])]
    refused(world, Conflict, "Somebody started late")
    assert world.engine.container("late").state == "running"


def test_a_partial_safety_backup_ends_it(world: World) -> None:
    """What could not be brought back is not replaced."""
    world.engine.faults.before["info"] = [_disturb]
    refused(world, EngineError, "safety backup of volume pgdata came out partial")


def _disturb(engine: FakeEngine) -> None:
    """From now on, a file is written anew while it is read."""
    engine.faults.during = [(600, lambda one: one.put_file("pgdata", "a", PRESENT["a"]))]


def test_what_was_written_otherwise_is_found_in_the_stage(world: World) -> None:
    """The stage is read back before anybody is stopped."""
    stage = "/fake/volumes/pgdata/.shipkeeper-7f3a2c/new/volume/a"

    def spoil(engine: FakeEngine) -> None:
        engine.ground.rewrite(stage, b"eno")

    world.engine.faults.before["read_volume"] = [spoil]
    error = refused(world, EngineError, "“a”")
    assert error.reason is Reason.DIFFERS
    assert "stop" not in world.mortal.calls


def test_downtime_ends_a_replacement_that_takes_too_long(world: World) -> None:
    """While the safety backup stalls the time runs out: everybody is started, and nothing was exchanged."""
    world.policy = QuiescePolicy(max_downtime=timedelta(milliseconds=200))
    world.engine.faults.before["info"] = [lambda engine: setattr(engine.faults, "stall_at_byte", 512)]
    error = refused(world, EngineError, "limits.max_downtime")
    assert error.reason is Reason.DOWNTIME
    assert "exchange" not in world.mortal.calls


def test_downtime_counts_behind_the_exchange_too(world: World) -> None:
    """Once exchanged, nobody is woken beside it: it is taken back first, and then they are started."""
    world.policy = QuiescePolicy(max_downtime=timedelta(seconds=2))
    world.engine.faults.before["exchange"] = [lambda _: threading.Event().wait(2.1)]
    error = refused(world, EngineError, "was not exchanged and compared by then")
    assert error.reason is Reason.DOWNTIME
    calls = world.mortal.calls
    assert calls.index("exchange") < calls.index("exchange_back") < calls.index("start")
    assert calls.count("start") == 2


def test_downtime_counts_to_the_end_of_the_comparison(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put in order and compared behind the last thing that was looked at takes its time, too."""
    world.policy = QuiescePolicy(max_downtime=timedelta(seconds=2))
    compare = Filler.compare_exchanged

    def slowly(self: Filler, tool: str, path: str, check: Callable[[], None]) -> None:
        compare(self, tool, path, check)
        threading.Event().wait(2.1)

    monkeypatch.setattr(Filler, "compare_exchanged", slowly)
    error = refused(world, EngineError, "was not exchanged and compared by then")
    assert error.reason is Reason.DOWNTIME
    assert "exchange_back" in world.mortal.calls


def test_an_exchange_that_fails_is_taken_back(world: World) -> None:
    """Half-way, the old content is aside: it comes back before anybody is started."""
    world.engine.faults.exchange_stops_half_way = True
    refused(world, EngineError, "between the two renamings")
    calls = world.mortal.calls
    assert calls.index("exchange_back") < calls.index("start")


def test_a_container_started_in_the_exchange_is_not_robbed(world: World) -> None:
    """What somebody started on the exchanged content keeps it; when that is stopped, the old content comes back."""

    def start(engine: FakeEngine) -> None:
        engine.add_container("late", ["pgdata"])

    def then(engine: FakeEngine) -> None:
        engine.faults.before["users_of"] = [start]

    world.engine.faults.before["exchange"] = [then]
    with pytest.raises(Conflict, match="Somebody started late") as raised:
        world.replace()
    assert "Stop late" in str(getattr(raised.value, "__notes__", ""))
    assert world.engine.files("pgdata") == SAVED
    assert world.run.journal == ["clear_stage", "start", "start", "exchange_back"]
    assert world.states()["db"] == "exited"
    with pytest.raises(Conflict, match="Stop late"):
        world.run.recover()
    world.engine.stop(world.engine.container("late"), 0)
    world.run.recover()
    assert world.refuse_half() == "old"


def test_while_an_exchange_cannot_be_taken_back_nothing_overtakes_it(world: World) -> None:
    """The users stay stopped and the stage with the old content stays, until the old content is at its place."""
    world.engine.faults.exchange_stops_half_way = True
    world.engine.faults.failing = {"exchange_back": EngineError("The engine does not answer.")}
    with pytest.raises(EngineError, match="between the two"):
        world.replace()
    assert world.run.journal == ["clear_stage", "start", "start", "exchange_back"]
    assert sorted(world.beside()) == [".shipkeeper-7f3a2c"]
    assert set(world.states().values()) == {"exited"}
    world.engine.faults.failing = {}
    world.run.recover()
    assert world.refuse_half() == "old"


def test_an_exchange_that_cannot_be_written_down_as_kept_is_taken_back(world: World) -> None:
    """When the database is away at that moment, nobody is started on the new content: the old comes back first."""

    class Forgetful(FakeRun):
        def _settle(self, step: Any, entry: Any) -> None:
            if entry[0] == "exchange_back" and step.kept:
                raise StoreError("The database cannot be written.")
            super()._settle(step, entry)

    world.run.__class__ = Forgetful
    with pytest.raises(StoreError):
        world.replace()
    assert world.states()["db"] == "exited"
    assert sorted(world.beside()) == [".shipkeeper-7f3a2c", "_data"]
    world.run.__class__ = FakeRun
    world.run.recover()
    assert world.refuse_half() == "old"
    assert world.states()["db"] == "running"


def test_a_user_that_is_not_healthy_afterwards_is_named(world: World) -> None:
    """The content is new and proven; the result is partial, says who is ill, and offers the way back."""
    world.policy = QuiescePolicy(health=timedelta(seconds=1))
    world.engine.set_health("db", "healthy")
    world.engine.faults.before["exchange"] = [lambda engine: engine.set_health("db", "unhealthy")]
    done = world.replace()
    assert world.refuse_half() == "new"
    reply = reply_of(done, "7f3a2c", "local")
    assert (reply.status, reply.facts["reason"]) == (Status.PARTIAL, "unhealthy")
    assert "“db”" in reply.text
    assert reply.buttons[0].line == "undo 7f3a2c"


def test_what_goes_wrong_behind_the_exchange_is_no_failure_of_it(world: World) -> None:
    """A stage that cannot be cleared is told beside the success, and stays in the journal."""
    world.engine.faults.failing = {"remove_tree": EngineError("It is busy.")}
    done = world.replace()
    assert done.notes == ("It is busy.",)
    assert world.run.journal == ["clear_stage"]
    assert reply_of(done, "7f3a2c", "local").status is Status.PARTIAL
    world.engine.faults.failing = {}
    world.run.recover()
    assert world.refuse_half() == "new"


# ---- parts, bind mounts, and what else may be replaced ----------------------------------------------------


def test_only_one_file_is_exchanged(world: World) -> None:
    """`--path` leaves everything beside it as it is now; a file that is not there any more comes back."""
    done = world.replace(world.plan(path="conf/b"))
    assert world.engine.files("pgdata") == {**PRESENT, "conf/b": SAVED["conf/b"]}
    assert done.entries == 3
    again = World(world.archive)
    again.replace(again.plan(path="conf/c"))
    assert again.engine.files("pgdata") == {**PRESENT, "conf/c": SAVED["conf/c"]}
    assert world.beside() == again.beside() == ["_data"]


def test_of_what_was_not_there_before_no_undo_is_promised(world: World) -> None:
    """The reply says that nothing was at the path, and how to take it away; a path that was there has its undo."""
    done = world.replace(world.plan(path="conf/c"))
    backup = done.safety.manifest.run_id
    after_crash = reply_after_crash(world.archive, "7f3a2c", "local", "/conf/c")
    assert after_crash is not None
    for reply in (reply_of(done, "7f3a2c", "local"), after_crash):
        assert "Nothing was at “conf/c” in pgdata before" in reply.text
        assert "remove “conf/c” by hand" in reply.text
        assert f"is backup {backup}, held for 7 days" in reply.text
        assert "undo 7f3a2c" not in reply.text
        assert (reply.buttons, "safety" in reply.facts) == ((), False)
    hold = world.archive.marks(done.safety).hold
    assert hold is not None
    assert hold.note == "what volume pgdata held before"
    again = reply_after_crash(world.archive, "7f3a2c", "local", "conf/b")
    assert again is not None
    assert [button.line for button in again.buttons] == ["undo 7f3a2c"]


def test_after_a_crash_the_result_claims_nothing_of_what_is_taken_back(world: World) -> None:
    """What could not be taken back yet is said behind it, and must not contradict it."""
    world.replace()
    reply = reply_after_crash(world.archive, "7f3a2c", "local", "")
    assert reply is not None
    assert "The bot was stopped just after that." in reply.text
    for claim in ("taken back", "started", "everything"):
        assert claim not in reply.text


def test_a_directory_is_exchanged_with_all_that_is_in_it(world: World) -> None:
    """What is in the directory now and not in the backup is gone."""
    world.engine.put_file("pgdata", "conf/extra", b"gone")
    world.replace(world.plan(path="conf"))
    assert world.engine.files("pgdata") == {**PRESENT, "conf/b": SAVED["conf/b"], "conf/c": SAVED["conf/c"]}


def test_an_exchange_of_something_new_is_taken_back_to_nothing(world: World) -> None:
    """When it fails, the file that was not there before is not there again."""
    world.mortal.die_in = "exchange"
    plan = plan_replace(world.engine, world.backup, "pgdata", "conf/c")
    with pytest.raises(LostHold):
        world.replace(plan)
    world.mortal.die_in = ""
    world.run.recover()
    assert world.refuse_half() == "old"


@pytest.mark.parametrize("make", ["nothing", "file", "symlink"])
def test_a_path_needs_its_directories(world: World, make: str) -> None:
    """What is above it must be directories; a link is not followed to wherever it leads."""
    tree = world.engine.tree("pgdata")
    tree.remove("conf")
    if make == "file":
        tree.file("conf", b"")
    if make == "symlink":
        tree.symlink("conf", "../elsewhere")
    with pytest.raises(Conflict, match="“conf” is not a directory"):
        world.replace(world.plan(path="conf/b"))
    assert world.beside() == ["_data"]


def test_a_bind_mounted_directory_is_exchanged(world: World) -> None:
    """Its users mount it by its path, so they are stopped; the stage lies beside it on the host."""
    world.engine.add_directory("/srv/app", {"app.conf": b"saved", "d/e": b"f"})
    world.engine.add_container("web2", binds={"/srv/app": "/etc/app"})
    backup = world.back_up("web2:/etc/app", "0c0c0c0c")
    world.engine.put_file(HostPath("/srv/app"), "app.conf", b"newer")
    world.engine.put_file(HostPath("/srv/app"), "more", b"x")
    plan = world.plan("web2:/etc/app", backup=backup)
    assert plan.targets == ("volume:web2:/etc/app", "path:/srv/app", "container:web2")
    world.replace(plan)
    assert world.engine.files(HostPath("/srv/app")) == {"app.conf": b"saved", "d/e": b"f"}
    assert world.engine.ground.names("/srv") == ["app"]
    assert world.engine.container("web2").state == "running"
    assert world.engine.seen_by("web2").files()["etc/app/app.conf"] == b"saved"


def test_a_single_file_in_a_bind_mount_is_exchanged(world: World) -> None:
    """`CONTAINER:/PATH` may be one file."""
    world.engine.add_directory("/srv/app", {"app.conf": b"saved", "other": b"f"})
    world.engine.add_container("web2", binds={"/srv/app": "/etc/app"})
    backup = world.back_up("web2:/etc/app/app.conf", "0d0d0d0d")
    world.engine.put_file(HostPath("/srv/app"), "app.conf", b"newer")
    world.replace(world.plan("web2:/etc/app/app.conf", backup=backup))
    assert world.engine.files(HostPath("/srv/app")) == {"app.conf": b"saved", "other": b"f"}
    assert world.engine.ground.names("/srv") == ["app"]


def test_whoever_binds_the_files_of_a_volume_is_stopped_too(world: World) -> None:
    """It would go on writing into the old content, which is removed at the end."""
    world.engine.add_container("backdoor", binds={"/fake/volumes/pgdata/_data": "/mnt"})
    plan = world.plan()
    assert "container:backdoor" in plan.targets
    world.replace(plan)
    seen = world.engine.seen_by("backdoor").files()
    assert {path.removeprefix("mnt/"): data for path, data in seen.items()} == SAVED


def test_a_single_file_takes_the_place_of_no_volume(world: World) -> None:
    """A volume that is a file could be mounted by nobody."""
    world.engine.add_directory("/srv/app", {"app.conf": b"saved"})
    world.engine.add_container("web2", binds={"/srv/app": "/etc/app"})
    backup = world.back_up("web2:/etc/app/app.conf", "0d0d0d0d")
    refused(world, Conflict, "is of a single file", world.plan("pgdata", backup=backup))
    assert "stop" not in world.mortal.calls


def test_a_bind_mount_that_is_a_link_on_the_host_is_not_exchanged(world: World) -> None:
    """The link would go, and what it leads to would stay where nobody looks."""
    world.engine.add_directory("/big/app", {"app.conf": b"saved"})
    world.engine.ground.directory("/srv")
    world.engine.ground.symlink("/srv/app", "/big/app")
    world.engine.add_container("web2", binds={"/srv/app": "/etc/app"})
    backup = world.back_up("web2:/etc/app", "0d0d0d0d")
    refused(world, Conflict, "is a link on the host", world.plan("web2:/etc/app", backup=backup))
    assert "stop" not in world.mortal.calls
    assert world.engine.ground.names("/srv") == ["app"]


def test_a_link_put_above_a_path_while_the_users_run_is_not_followed(world: World) -> None:
    """The directories above are looked at once more when nobody can change them any more."""
    world.engine.add_directory("/srv/app/conf", {"b": b"saved"})
    world.engine.add_directory("/srv/other", {"b": b"precious"})
    world.engine.add_container("web2", binds={"/srv/app": "/etc/app"})
    backup = world.back_up("web2:/etc/app", "0d0d0d0d")

    def swap(engine: FakeEngine) -> None:
        engine.ground.remove("/srv/app/conf")
        engine.ground.symlink("/srv/app/conf", "../other")

    plan = world.plan("web2:/etc/app", "conf/b", backup)
    world.engine.faults.before["info"] = [swap]
    refused(world, Conflict, "“conf” is not a directory", plan)
    assert world.engine.files(HostPath("/srv/other")) == {"b": b"precious"}


def test_labels_that_nobody_can_change_are_named(world: World) -> None:
    """A volume made anew with other labels keeps them; the result says which those are."""
    world.engine.remove_container("db")
    world.engine.remove_container("web")
    world.engine.remove_container("old")
    world.engine.remove_volume("pgdata")
    world.engine.create_volume(Volume(name="pgdata", driver="local", labels={"team": "web", "extra": "1"}))
    plan = world.plan()
    assert plan.differing == ("label extra", "label team")
    assert "label team" in reply_of(world.replace(plan), "7f3a2c", "local").text
    assert world.engine.files("pgdata") == SAVED


def test_a_stalled_reading_ends_with_the_cancel(world: World) -> None:
    """A cancel does not wait for an engine that says nothing while the stage is read back."""
    world.engine.faults.stall_at_byte = 512
    stalled = world.engine.faults.stalled

    def cancel() -> None:
        assert stalled.wait(10)
        world.run.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    refused(world, Cancelled, "cancelled")
    canceller.join()
