"""Who is put to sleep, in which order, who is woken by whom and when, and what happens when it takes too long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.engine import Container
from bot.errors import Cancelled, Conflict, EngineError, LostHold, StreamCut
from bot.operations.downtime import Downtime
from bot.operations.order import dependents_first
from bot.operations.quiesce import (
    Quiesce,
    QuiescePolicy,
    Sleeper,
    asleep,
    refuse_awake,
    refuse_other_users,
    sleepers,
)
from bot.reasons import Reason
from tests.fakes import FakeEngine
from tests.support.fake_run import FakeRun, Recorder

SOON = timedelta(milliseconds=30)
POLICY = QuiescePolicy(health=timedelta(seconds=5))
IMPATIENT = replace(POLICY, max_downtime=SOON)
HELD_SECONDS = 10.0


@pytest.fixture
def engine() -> Recorder:
    made = Recorder()
    made.add_volume("data", {"a": b"one"})
    return made


@pytest.fixture
def run(engine: Recorder) -> FakeRun:
    return FakeRun(engine)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def service(name: str, *needs: str, project: str = "shop", **labels: str) -> dict[str, str]:
    """The labels that Compose gives to a container of that service."""
    return {
        "com.docker.compose.project": project,
        "com.docker.compose.service": name,
        "com.docker.compose.depends_on": ",".join(needs),
        **labels,
    }


def add(engine: FakeEngine, name: str, *needs: str, **facts: object) -> Container:
    return engine.add_container(name, ["data"], labels=service(name, *needs), **facts)  # type: ignore[arg-type]


def planned(engine: FakeEngine, asked: Quiesce | None, policy: QuiescePolicy = POLICY) -> tuple[Sleeper, ...]:
    return sleepers(engine.users_of("data"), asked, policy)


def names(found: tuple[Sleeper, ...]) -> list[str]:
    return [one.container.name for one in found]


def box(name: str, *needs: str, project: str = "shop", as_service: str = "") -> Container:
    labels = service(as_service or name, *needs, project=project)
    return Container(id=name, name=name, state="running", started_at="1", labels=labels)


def acts(engine: Recorder) -> list[str]:
    return [line for line in engine.log if not line.startswith("journal")]


# ---- who, and in which order ---------------------------------------------------------------------------


def test_the_flag_wins_over_the_label_and_the_label_over_the_settings(engine: Recorder) -> None:
    """Each container is kept still as the nearest voice says, and only running ones are."""
    for name, label in (("a", "none"), ("b", "pause"), ("c", "stop"), ("d", None)):
        labels = {} if label is None else {"shipkeeper.quiesce": label}
        engine.add_container(name, ["data"], labels=labels)
    engine.add_container("e", ["data"], state="exited")
    engine.add_container("f", ["data"], state="paused")

    def modes(asked: Quiesce | None, policy: QuiescePolicy) -> dict[str, str]:
        return {one.container.name: one.mode.value for one in planned(engine, asked, policy)}

    stopping = replace(POLICY, default=Quiesce.STOP)
    assert modes(None, POLICY) == {"b": "pause", "c": "stop"}
    assert modes(None, stopping) == {"b": "pause", "c": "stop", "d": "stop"}
    assert modes(Quiesce.PAUSE, stopping) == dict.fromkeys("abcd", "pause")
    assert modes(Quiesce.NONE, stopping) == {}


def test_a_label_that_says_nothing_known_is_refused(engine: Recorder) -> None:
    """The sentence names the container and the label; a flag makes the label beside the point."""
    engine.add_container("db", ["data"], labels={"shipkeeper.quiesce": "halt"})
    with pytest.raises(Conflict, match=r"“db” has the label shipkeeper\.quiesce=halt"):
        planned(engine, None)
    assert names(planned(engine, Quiesce.PAUSE)) == ["db"]


@pytest.mark.parametrize(
    "spelling",
    ["db:service_healthy:false,cache:service_started:true", "db:service_healthy,cache:service_started",
     "db,cache", " db , cache "],
)  # fmt: skip
def test_dependents_come_first_in_every_spelling_of_compose(spelling: str) -> None:
    """Who needs others is before them, whichever version of Compose wrote the label."""
    found = dependents_first([box("cache"), box("db"), box("zoo", spelling), box("api", "zoo")])
    assert [one.name for one in found] == ["api", "zoo", "cache", "db"]


def test_all_containers_of_a_service_are_needed() -> None:
    """A service that was scaled up is as many containers, and none of them needs the others."""
    found = dependents_first([box("a1", as_service="a"), box("a2", "a", as_service="a"), box("z", "a")])
    assert [one.name for one in found] == ["z", "a1", "a2"]


def test_what_the_labels_do_not_say_is_ordered_by_name() -> None:
    """Strangers, unknown services, the same service of another project and circles change nothing."""
    plain = Container(id="p", name="p", state="running", started_at="1")
    other = box("a", "db", project="blog")
    assert [one.name for one in dependents_first([plain, box("db"), other])] == ["a", "db", "p"]
    circle = [box("c", "a"), box("b", "c"), box("a", "b"), box("d", "a")]
    assert [one.name for one in dependents_first(circle)] == ["d", "a", "b", "c"]
    assert [one.name for one in dependents_first([box("b", "b"), box("a", "gone")])] == ["a", "b"]


# ---- to sleep and awake ----------------------------------------------------------------------------------


def test_each_undo_is_written_down_first_and_all_wake_in_reverse_order(
    engine: Recorder, run: FakeRun
) -> None:
    """Dependents sleep first and wake last, pause and stop side by side, each journaled before it is touched."""
    add(engine, "db")
    add(engine, "app", "db:service_healthy:false")
    engine.add_container("zip", ["data"], labels={"shipkeeper.quiesce": "pause"})
    with asleep(engine, run, planned(engine, None, replace(POLICY, default=Quiesce.STOP)), POLICY) as time:
        assert {engine.state(name) for name in ("db", "app")} == {"exited"}
        assert engine.state("zip") == "paused"
        engine.log.append("body")
        assert run.journal == ["start", "start", "unpause"]
    assert engine.log == [
        "journal start", "stop app", "journal start", "stop db", "journal unpause", "pause zip", "body",
        "unpause zip", "start db", "start app",
    ]  # fmt: skip
    assert run.steps == ["stop app", "stop db", "pause zip"]
    assert run.journal == []
    assert time.seconds > 0
    assert time.notes == ()
    assert time.seconds == time.seconds


def test_without_sleepers_nothing_happens(engine: Recorder, run: FakeRun) -> None:
    """Nobody to keep still: no journal, no clock, no thread."""
    with asleep(engine, run, (), IMPATIENT) as time, time.guarded(lambda: None):
        time.check()
        time.settle()
    assert engine.log == []
    assert time.seconds == 0.0


@pytest.mark.parametrize("mode", [Quiesce.PAUSE, Quiesce.STOP])
def test_who_was_put_to_sleep_by_another_hand_is_not_woken(
    engine: Recorder, run: FakeRun, mode: Quiesce
) -> None:
    """A conflict says that it was not us: its undo is struck off, and everybody before it is woken."""
    engine.add_container("db", ["data"])
    engine.add_container("web", ["data"])
    agreed = planned(engine, mode)
    state = "paused" if mode is Quiesce.PAUSE else "exited"
    if mode is Quiesce.PAUSE:
        FakeEngine.pause(engine, engine.container("web"))
    else:
        engine.end_container("web")
    with pytest.raises(Conflict), asleep(engine, run, agreed, POLICY):
        pytest.fail("the body must not run")
    assert (engine.state("db"), engine.state("web")) == ("running", state)
    assert run.journal == []
    assert not [line for line in acts(engine) if line in ("unpause web", "start web")]


def test_a_run_is_in_a_hurry_while_anybody_sleeps(engine: Recorder, run: FakeRun) -> None:
    """Until all are woken; and never when nobody is."""
    add(engine, "web")
    seen: list[int] = []
    engine.before = {verb: lambda: seen.append(run.hurries) for verb in ("pause", "unpause")}
    with asleep(engine, run, planned(engine, Quiesce.PAUSE), POLICY):
        seen.append(run.hurries)
    assert (seen, run.hurries) == ([1, 1, 1], 0)
    with asleep(engine, run, (), POLICY):
        assert run.hurries == 0


def test_a_cancel_between_two_sleepers_wakes_the_first(engine: Recorder, run: FakeRun) -> None:
    """The run is asked before each container, and whoever sleeps by then is woken."""
    engine.add_container("a", ["data"])
    engine.add_container("b", ["data"])
    run.raise_at = 2
    with pytest.raises(Cancelled), asleep(engine, run, planned(engine, Quiesce.STOP), POLICY):
        pytest.fail("the body must not run")
    assert acts(engine) == ["stop a", "start a"]


def test_whoever_lost_the_run_wakes_nobody(engine: Recorder, run: FakeRun) -> None:
    """The next holder has the journal; the undo plays back from there."""
    engine.add_container("db", ["data"])
    with pytest.raises(LostHold), asleep(engine, run, planned(engine, Quiesce.PAUSE), POLICY):
        raise LostHold
    assert engine.state("db") == "paused"
    assert run.journal == ["unpause"]
    run.recover()
    assert engine.state("db") == "running"


def test_one_that_cannot_be_woken_does_not_keep_the_others_asleep(engine: Recorder, run: FakeRun) -> None:
    """The error comes out after good work too, its entry stays open, and everybody else is awake."""
    engine.add_container("a", ["data"], labels={"shipkeeper.quiesce": "stop"})
    engine.add_container("b", ["data"])
    with (
        pytest.raises(EngineError, match="no start"),
        asleep(engine, run, planned(engine, None, replace(POLICY, default=Quiesce.PAUSE)), POLICY),
    ):
        engine.faults.failing = {"start": EngineError("no start")}
    assert (engine.state("a"), engine.state("b")) == ("exited", "running")
    assert run.journal == ["start"]


# ---- health ----------------------------------------------------------------------------------------------


def test_dependents_wait_until_what_they_need_is_healthy(engine: Recorder, run: FakeRun) -> None:
    """The database is seen healthy before the application is started, even after a cancel."""
    add(engine, "db", health="healthy", healthy_after=2)
    add(engine, "app", "db:service_healthy:false")
    seen: list[str] = []
    engine.faults.before["start"] = [
        lambda _: None,
        lambda host: seen.append(host.boxes["db"].looks_left),
    ]
    run.raise_at = 3
    with pytest.raises(Cancelled), asleep(engine, run, planned(engine, Quiesce.STOP), POLICY):
        run.check()
    assert acts(engine)[-2:] == ["start db", "start app"]
    assert seen == [-1]


def test_a_container_that_stays_ill_is_a_note(engine: Recorder, run: FakeRun) -> None:
    """Nobody else waits longer than the policy allows, and the outcome names who is not well."""
    add(engine, "db", health="healthy")
    add(engine, "app", "db:service_healthy:false")
    agreed = planned(engine, Quiesce.STOP)
    policy = replace(POLICY, health=SOON)
    with asleep(engine, run, agreed, policy) as time:
        engine.set_health("db", "unhealthy")
    assert acts(engine)[-2:] == ["start db", "start app"]
    (note,) = time.notes
    assert "“db” is unhealthy since it was woken" in note


def test_health_is_looked_at_without_dependents_too(engine: Recorder, run: FakeRun) -> None:
    """After good work the run waits for the health of whoever was stopped; the downtime does not grow by it."""
    engine.add_container("db", ["data"], health="healthy", healthy_after=2)
    with asleep(engine, run, planned(engine, Quiesce.STOP), POLICY) as time:
        pass
    assert engine.container("db").health == "healthy"
    assert time.notes == ()
    assert time.seconds < 0.2


@pytest.mark.parametrize(
    ("act", "word"),
    [(lambda engine: engine.end_container("db"), "but is exited now"),
     (lambda engine: engine.remove_container("db"), "could not be looked at")],
)  # fmt: skip
def test_one_that_ends_again_at_once_is_a_note(
    engine: Recorder, run: FakeRun, act: Callable[[FakeEngine], object], word: str
) -> None:
    """Nobody waits for the health of a container that is not there."""
    engine.add_container("db", ["data"], health="healthy")
    agreed = planned(engine, Quiesce.STOP)
    with asleep(engine, run, agreed, POLICY) as time:
        engine.faults.before["container"] = [act]
    assert word in time.notes[0]


def test_a_pause_is_not_blamed_for_what_was_ill_before(engine: Recorder, run: FakeRun) -> None:
    """An unhealthy container stays as it was; one that fell ill while it slept is named at once."""
    engine.add_container("ill", ["data"], health="unhealthy")
    engine.add_container("starting", ["data"], health="healthy", healthy_after=99)
    engine.add_container("well", ["data"], health="healthy")
    with asleep(engine, run, planned(engine, Quiesce.PAUSE), POLICY) as time:
        engine.set_health("well", "unhealthy")
    (note,) = time.notes
    assert "“well” is unhealthy" in note


# ---- the watchdog ------------------------------------------------------------------------------------------


def test_the_watchdog_wakes_everybody_and_ends_the_work(engine: Recorder, run: FakeRun) -> None:
    """When the time is over everybody is woken in order by it, the waiting body is ended, and the reason is told."""
    add(engine, "db", health="healthy", healthy_after=1)
    add(engine, "app", "db:service_healthy:false")
    ended, states = threading.Event(), []

    def work(time: Downtime) -> None:
        try:
            with time.guarded(ended.set):
                assert ended.wait(HELD_SECONDS), "nobody ended the work"
                raise StreamCut("aborted")
        finally:
            states.append(engine.state("db"))
            with pytest.raises(EngineError):
                time.check()
            with pytest.raises(EngineError), time.guarded(lambda: None):
                pytest.fail("the time is over")

    with (
        pytest.raises(EngineError, match=r"^app, db may sleep for 0\.03 s at most") as raised,
        asleep(engine, run, planned(engine, Quiesce.STOP), IMPATIENT) as time,
    ):
        work(time)
    assert raised.value.reason is Reason.DOWNTIME
    assert isinstance(raised.value.__cause__, StreamCut)
    assert states == ["running"]
    assert acts(engine)[:4] == ["stop app", "stop db", "start db", "start app"]
    assert [engine.state(name) for name in ("db", "app")] == ["running", "running"]
    assert run.journal == []


def test_a_body_that_looks_away_fails_all_the_same(engine: Recorder, run: FakeRun) -> None:
    """A body that ends well after the time was over is not done: what it made may not fit together."""
    engine.add_container("db", ["data"])
    with (
        pytest.raises(EngineError, match="everybody is awake again") as raised,
        asleep(engine, run, planned(engine, Quiesce.PAUSE), IMPATIENT) as time,
    ):
        until(lambda: engine.state("db") == "running")
    assert raised.value.reason is Reason.DOWNTIME
    assert time.seconds > 0  # the watchdog's clock begins a moment before the sleep


def test_who_falls_asleep_when_the_time_is_over_is_woken(engine: Recorder, run: FakeRun) -> None:
    """A stop that lasts longer than all sleep may last ends in nobody left asleep."""
    engine.add_container("a", ["data"])
    engine.add_container("b", ["data"])
    woken = threading.Event()
    engine.before["stop"] = lambda: engine.before.update(stop=lambda: woken.wait(HELD_SECONDS))
    engine.before["start"] = woken.set
    with pytest.raises(EngineError) as raised, asleep(engine, run, planned(engine, Quiesce.STOP), IMPATIENT):
        pytest.fail("the body must not run")
    assert raised.value.reason is Reason.DOWNTIME
    assert [engine.state(name) for name in ("a", "b")] == ["running", "running"]
    assert run.journal == []


def test_a_watchdog_that_cannot_wake_leaves_it_to_the_journal(
    engine: Recorder, run: FakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    """Its errors go to the log; the run's own undo tries again."""
    engine.add_container("db", ["data"])
    ended = threading.Event()

    def mend() -> None:
        engine.faults.failing = {}
        ended.set()
        raise EngineError("cannot end")

    engine.faults.failing = {"unpause": EngineError("Docker is mute.")}
    with (
        pytest.raises(EngineError) as raised,
        asleep(engine, run, planned(engine, Quiesce.PAUSE), IMPATIENT) as time,
        time.guarded(mend),
    ):
        assert ended.wait(HELD_SECONDS)
    assert raised.value.reason is Reason.DOWNTIME
    assert engine.state("db") == "running"
    assert "Docker is mute" in caplog.text
    assert "cannot end" in caplog.text


def test_work_that_was_settled_is_not_disturbed(engine: Recorder, run: FakeRun) -> None:
    """Once the body says that it is done in time, the watchdog wakes nobody before it has ended."""
    policy = replace(POLICY, max_downtime=timedelta(seconds=0.3))
    engine.add_container("db", ["data"])
    with asleep(engine, run, planned(engine, Quiesce.PAUSE), policy) as time:
        time.settle()
        assert not threading.Event().wait(1.5 * policy.max_downtime.total_seconds())
        assert engine.state("db") == "paused"
    assert engine.log.count("unpause db") == 1


# ---- what may have changed -----------------------------------------------------------------------------------


def test_users_that_are_not_those_of_the_plan_are_refused(engine: Recorder) -> None:
    """A user that came, went, restarted or changed its label since the plan is named; nobody else matters."""
    engine.add_container("db", ["data"])
    agreed = planned(engine, Quiesce.PAUSE)
    refuse_other_users(engine, "data", agreed, Quiesce.PAUSE, POLICY)
    engine.add_container("old", ["data"], state="exited")
    refuse_other_users(engine, "data", agreed, Quiesce.PAUSE, POLICY)
    engine.add_container("late", ["data"])
    with pytest.raises(Conflict, match=r"volume data are no longer those of the plan \(now: db, late\)"):
        refuse_other_users(engine, "data", agreed, Quiesce.PAUSE, POLICY)
    engine.remove_container("late")
    engine.restart_container("db")
    with pytest.raises(Conflict):
        refuse_other_users(engine, "data", agreed, Quiesce.PAUSE, POLICY)
    refuse_other_users(engine, "data", (), None, POLICY)


def test_a_user_that_is_awake_after_the_read_is_refused(engine: Recorder, run: FakeRun) -> None:
    """Woken or newly come: whoever should have slept is named; who may run does no harm."""
    engine.add_container("db", ["data"])
    engine.add_container("free", ["data"], labels={"shipkeeper.quiesce": "none"})
    policy = replace(POLICY, default=Quiesce.PAUSE)
    agreed = planned(engine, None, policy)
    with asleep(engine, run, agreed, policy):
        refuse_awake(engine, "data", None, policy)
        engine.add_container("late", ["data"])
        with pytest.raises(Conflict, match=r"somebody woke or started late.*Nothing was saved"):
            refuse_awake(engine, "data", None, policy)
        engine.remove_container("late")
        FakeEngine.unpause(engine, engine.container("db"))
        with pytest.raises(Conflict, match="started db,"):
            refuse_awake(engine, "data", None, policy)
    refuse_awake(engine, "data", Quiesce.NONE, policy)


def until(what: Callable[[], bool]) -> None:
    """Look until it is so."""
    pause = threading.Event()
    for _ in range(1000):
        if what():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")
