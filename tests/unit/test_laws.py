"""The laws of the road, each with tests that fail when it is broken."""

from __future__ import annotations

import ast
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import handlers
from bot.app import App
from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict, EngineError, LostHold
from bot.kinds import VolumeName
from bot.model import Button, Plan, Reply, Right, Status
from bot.permissions import Rules
from bot.services import Services
from bot.settings import Settings
from bot.stores.claims import Claim
from bot.stores.journal import Entry
from bot.workers import Signal
from tests.fakes import FakeEngine
from tests.support.house import (
    House,
    at_work,
    built,
    from_slack,
    invocation,
    refuse_untrue,
    settings,
    wait_for,
)

PAUSED = "backup pgdata --quiesce pause"
_CHANGES = {
    "create_volume",
    "remove_volume",
    "pause",
    "unpause",
    "stop",
    "start",
    "create_helper",
    "remove_helper",
    "write_volume",
}


class Watched(FakeEngine):
    """A fake engine that remembers what it was asked, and lets a test look just before each change."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.before_change: Callable[[], None] = lambda: None
        self.add_volume("pgdata", {"base/1/table": b"rows" * 1000, "PG_VERSION": b"15\n"})
        self.add_volume("logs", {"today": b"quiet\n"})
        self.add_container("db", ["pgdata", "logs"])
        self.calls.clear()

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if call in _CHANGES]

    def _enter(self, verb: str) -> None:
        if verb in _CHANGES:
            self.before_change()
        self.calls.append(verb)
        super()._enter(verb)


@dataclass(frozen=True)
class Arguments:
    """What `probe` takes."""

    volume: VolumeName = arg("what it holds")
    wait: bool = arg("queue", default=False)


class Probe:
    """A command that holds a volume and whose body the test writes."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.body: Callable[[Services, RunContext], Reply | None] = lambda services, run: None  # noqa: ARG005

    def _run(self, _arguments: Arguments, services: Services, run: RunContext) -> Reply:
        self.ran.append(run.run_id)
        return self.body(services, run) or Reply(text="Probed.")

    def commands(self) -> dict[str, Command]:
        """All commands, and the probe."""
        probe = Command(
            name="probe",
            summary="Do what a test says",
            right=Right.OPERATE,
            arguments=Arguments,
            run=self._run,
            targets=lambda arguments, services: (f"volume:{arguments.volume}",),  # noqa: ARG005
        )
        return {**handlers.load(), "probe": probe}


@pytest.fixture
def engine() -> Watched:
    """A host whose container `db` uses the volumes `pgdata` and `logs`."""
    return Watched()


@pytest.fixture
def probe() -> Probe:
    """The command that tests write."""
    return Probe()


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    """Settings with operators."""
    return settings(tmp_path / "state", toml=f"{_ROLES}\n[limits]\ngrace = 5\n")


_ROLES = '[roles.operators]\nmembers = ["U0ANN"]\nright = "admin"\n'


@pytest.fixture
def house(made: Settings, engine: Watched, probe: Probe) -> Iterator[House]:
    """A house at work that knows the probe; afterwards nothing may be left half done."""
    with at_work(made, {"local": engine}, commands=probe.commands()) as house:
        yield house
        refuse_untrue(house.app)


def _execute(app: App, *statements: str) -> None:
    with app.database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _kinds(app: App, run_id: str) -> list[str]:
    """The run's audit lines, oldest first."""
    return [line.event.kind for line in reversed(app.services.audit.lines(limit=100, run_id=run_id))]


def _held(app: App, run_id: str) -> tuple[str, ...]:
    return app.dispatcher._ledger.claims.targets_of(run_id)


def _stalled(house: House, engine: Watched, line: str) -> str:
    """A run that reads its volume until the test lets it go on."""
    engine.faults.stall_at_byte = 512
    run_id = house.accept(line)
    assert engine.faults.stalled.wait(10), house.run(run_id)
    return run_id


# ---- 1. stored before acknowledged -------------------------------------------------------------------


def test_accepting_stores_and_does_nothing_else(made: Settings, engine: Watched) -> None:
    """`accept` leaves a durable row and asks the engine nothing."""
    with built(made, {"local": engine}) as app:
        run_id = app.dispatcher.accept(from_slack(PAUSED, key="k")).run_id
        with built(made, {"local": engine}) as other:
            assert other.services.runs.get(run_id).invocation.line == PAUSED
        assert engine.calls == []
        assert not list(app.settings.archive_path.rglob("*"))


def test_the_unconfirmed_is_never_executed(made: Settings, engine: Watched, probe: Probe) -> None:
    """What Slack was not told of waits, ends `expired` in the end, and `interrupted` at the next start."""
    with at_work(made, {"local": engine}, commands=probe.commands()) as house:
        untold = house.app.dispatcher.accept(from_slack("probe pgdata")).run_id
        first = house.say("probe pgdata").run_id
        assert house.run(untold).status is Status.QUEUED
        old = invocation("probe logs", at=datetime.now(UTC) - timedelta(seconds=11))
    with at_work(made, {"local": engine}, commands=probe.commands()) as house:
        assert house.run(untold).status is Status.INTERRUPTED
        second = house.say("probe pgdata").run_id
        abandoned = house.app.dispatcher.accept(old).run_id
        assert house.ending(abandoned).status is Status.EXPIRED
        house.app.dispatcher.confirm(untold, timedelta(seconds=1))
        assert probe.ran == [first, second]
        refuse_untrue(house.app)


def test_a_late_confirmation_expires(house: House, probe: Probe) -> None:
    """What Slack was told too late is not run: Slack has shown an error for it."""
    run_id = house.app.dispatcher.accept(from_slack("probe pgdata")).run_id
    house.app.dispatcher.confirm(run_id, timedelta(seconds=2.6))
    outcome = house.ending(run_id)
    assert outcome.status is Status.EXPIRED
    assert "Nothing was run" in outcome.reply.text
    assert house.say("probe pgdata").status is Status.SUCCEEDED
    assert run_id not in probe.ran


def test_a_confirmation_in_time_executes_once(house: House, probe: Probe) -> None:
    """Confirming lets the run go on; confirming again, even late, changes nothing."""
    run_id = house.app.dispatcher.accept(from_slack("probe pgdata")).run_id
    house.app.dispatcher.confirm(run_id, timedelta(seconds=2.4))
    house.app.dispatcher.confirm(run_id, timedelta(seconds=2.4))
    house.app.dispatcher.confirm(run_id, timedelta(seconds=60))
    assert house.ending(run_id).status is Status.SUCCEEDED
    assert probe.ran == [run_id]


# ---- 2. exactly one effect ---------------------------------------------------------------------------


def _deliver(apps: list[App], key: str) -> set[str]:
    gate = threading.Barrier(len(apps))

    def once(app: App) -> str:
        gate.wait(timeout=10)
        return app.dispatcher.accept(from_slack("probe pgdata", key=key), told=True).run_id

    with ThreadPoolExecutor(len(apps)) as pool:
        return set(pool.map(once, apps))


def test_twenty_deliveries_are_one_effect(house: House, probe: Probe) -> None:
    """The same key from twenty threads at once is one run, executed once; a later one gets the same answer."""
    (run_id,) = _deliver([house.app] * 20, "slack:T0:1")
    first = house.ending(run_id)
    again = house.app.dispatcher.accept(from_slack("probe pgdata", key="slack:T0:1"), told=True)
    assert (again.run_id, again.is_new) == (run_id, False)
    assert house.ending(again.run_id) == first
    assert house.say("probe logs").status is Status.SUCCEEDED
    assert probe.ran.count(run_id) == 1
    assert len(probe.ran) == 2


def test_two_programs_are_one_effect(house: House, made: Settings, engine: Watched, probe: Probe) -> None:
    """The same key through two programs on one database is one run as well."""
    with built(made, {"local": engine}, commands=probe.commands()) as other:
        (run_id,) = _deliver([house.app, other] * 10, "slack:T0:1")
        house.ending(run_id)
        assert probe.ran == [run_id]


def test_a_key_holds_over_a_restart(made: Settings, engine: Watched, probe: Probe) -> None:
    """A delivery that comes again after a restart gets the first answer, and nothing is done."""
    ids = set()
    for _ in range(2):
        with at_work(made, {"local": engine}, commands=probe.commands()) as house:
            ids.add(house.say(from_slack("probe pgdata", key="slack:T0:1")).run_id)
            refuse_untrue(house.app)
    assert len(ids) == 1
    assert probe.ran == list(ids)


def test_a_button_works_once(house: House, probe: Probe) -> None:
    """Two people who press one button make one run; the second is told whose it was."""
    probe.body = lambda *_: Reply(text="Press.", buttons=(Button(label="Again", line="probe logs"),))
    offered = house.say(from_slack("probe pgdata"))
    (message,) = [m for m in house.app.outbox.behind(9) if m.run.id == offered.run_id]
    token = message.buttons[0].token
    presses = [
        invocation("probe logs", actor=from_slack("x").actor, key=f"press:{n}", token=token) for n in range(2)
    ]
    first, second = (house.say(press) for press in presses)
    assert [first.status, second.status] == [Status.SUCCEEDED, Status.REJECTED]
    assert f"was pressed already, by run {first.run_id}" in second.reply.text
    assert probe.ran == [offered.run_id, first.run_id]


def test_a_forged_button_does_nothing(house: House, probe: Probe) -> None:
    """A token that was never given out is refused."""
    outcome = house.say(invocation("probe logs", token="forged"))
    assert outcome.status is Status.REJECTED
    assert probe.ran == []


# ---- 3. one holder a target --------------------------------------------------------------------------


def test_a_busy_volume_is_refused_with_its_holder(house: House, engine: Watched) -> None:
    """A second backup of the volume is rejected at once, with who holds it and since when."""
    holder = _stalled(house, engine, PAUSED)
    refused = house.say("backup pgdata")
    assert refused.status is Status.REJECTED
    since = house.run(holder).started_at
    assert since is not None
    assert f"held by run {holder} (`{PAUSED}`, by tester) since {since:%Y-%m-%d}" in refused.reply.text
    assert house.say(f"restore {holder}").status is Status.REJECTED
    engine.faults.go_on.set()
    assert house.ending(holder).status is Status.SUCCEEDED
    assert house.say("backup pgdata").status is Status.SUCCEEDED


def test_a_container_is_a_target_too(house: House, engine: Watched) -> None:
    """Two volumes of one container are not backed up at once when both would pause it."""
    holder = _stalled(house, engine, PAUSED)
    refused = house.say("backup logs --quiesce stop")
    assert refused.status is Status.REJECTED
    assert f"container db is held by run {holder}" in refused.reply.text
    engine.faults.go_on.set()
    house.ending(holder)


def test_waiting_queues_behind_the_holder(house: House, engine: Watched) -> None:
    """`--wait` begins when the holder has ended, not before."""
    holder = _stalled(house, engine, PAUSED)
    waiting = house.accept("backup pgdata --wait")
    wait_for(lambda: house.app.services.runs.get(waiting).epoch >= 2, saying="a first try")
    assert house.run(waiting).plan is None
    engine.faults.go_on.set()
    assert house.ending(waiting).status is Status.SUCCEEDED
    began, ended = house.run(waiting).started_at, house.run(holder).ended_at
    assert began is not None
    assert ended is not None
    assert began >= ended


def test_what_waits_can_be_cancelled(house: House, engine: Watched, probe: Probe) -> None:
    """A run that waits for its volume is ended by a cancel, whenever that arrives."""
    holder = _stalled(house, engine, PAUSED)
    waiting = house.accept("probe pgdata --wait")
    wait_for(lambda: house.run(waiting).epoch >= 2, saying="a first try")
    house.app.services.runs.ask_to_cancel(
        waiting, "U0ANN"
    )  # the flag alone, as a cancel in between leaves it
    engine.faults.go_on.set()
    assert house.ending(waiting).status is Status.CANCELLED
    house.ending(holder)
    assert probe.ran == []


# ---- 4. written down before done ---------------------------------------------------------------------


def test_started_stands_before_the_first_change(house: House, engine: Watched) -> None:
    """When the engine is first asked to change something, the audit log already says `started`."""
    seen: list[list[str]] = []
    engine.before_change = lambda: seen.append(
        [line.event.kind for line in house.app.services.audit.lines(limit=1)]
    )
    run_id = house.say(PAUSED).run_id
    assert len(seen) > 3
    assert all(kinds == ["started"] for kinds in seen)
    assert _kinds(house.app, run_id) == ["started", "succeeded"]


@pytest.mark.parametrize("breakage", ["json('{')", "RAISE(ABORT, 'the row is refused')"])
def test_without_a_record_nothing_is_done(house: House, engine: Watched, breakage: str) -> None:
    """When `started` cannot be written, the engine is asked to change nothing and no target is held."""
    _execute(
        house.app,
        "CREATE TRIGGER broken BEFORE INSERT ON audit WHEN NEW.kind = 'started' "
        f"BEGIN SELECT {breakage}; END",
    )
    outcome = house.say(PAUSED)
    assert outcome.status in (Status.FAILED, Status.REJECTED)
    assert "Nothing was changed" in outcome.reply.text
    assert engine.changes == []
    assert _held(house.app, outcome.run_id) == ()
    assert _kinds(house.app, outcome.run_id) == [outcome.status.value]


def test_an_ending_waits_for_its_record(house: House, probe: Probe) -> None:
    """An ending whose audit line cannot be written is not shown; once it can be, it comes, once."""
    tried = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: tried.set() if "ending cannot be written" in record.msg else None  # type: ignore[method-assign]
    logging.getLogger("bot").addHandler(handler)
    try:
        _execute(
            house.app,
            "CREATE TRIGGER broken BEFORE INSERT ON audit WHEN NEW.kind = 'succeeded' "
            "BEGIN SELECT json('{'); END",
        )
        run_id = house.accept("probe pgdata")
        assert tried.wait(10)
        assert house.run(run_id).status is Status.RUNNING
        _execute(house.app, "DROP TRIGGER broken")
        assert house.ending(run_id).status is Status.SUCCEEDED
    finally:
        logging.getLogger("bot").removeHandler(handler)
    assert _kinds(house.app, run_id) == ["started", "succeeded"]
    assert probe.ran == [run_id]


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        (PAUSED, ["started", "succeeded"]),
        ("backup missing", ["rejected"]),
        ("backup pgdata --quiet", ["rejected"]),
        ("nonsense", ["rejected"]),
        ("help", ["succeeded"]),
        ("", ["rejected"]),
    ],
)
def test_every_run_has_one_ending(house: House, line: str, kinds: list[str]) -> None:
    """Whatever was asked, the record has its one ending, and `started` only where something could change."""
    assert _kinds(house.app, house.say(line).run_id) == kinds


# ---- 5. do returns undo ------------------------------------------------------------------------------


def test_a_cancel_takes_back(house: House, engine: Watched) -> None:
    """A cancelled run ends `cancelled`, with everything as it was."""
    run_id = _stalled(house, engine, PAUSED)
    assert engine.container("db").state == "paused"
    assert house.say(f"cancel {run_id}").status is Status.SUCCEEDED
    engine.faults.go_on.set()
    assert house.ending(run_id).status is Status.CANCELLED
    assert engine.container("db").state == "running"


def _dead(app: App, engine: Watched, *entries: tuple[str, dict[str, str]]) -> str:
    """A run whose holder died in the middle: it holds its volume, the container is paused."""
    run_id = app.dispatcher.accept(from_slack(PAUSED), told=True).run_id
    claim = _claim(app, run_id)
    ledger = app.dispatcher._ledger
    plan = Plan(text="Back it up.", targets=("volume:pgdata",))
    ledger.claims.start(claim, plan, app.housekeeper._endings.event(claim.run, None, plan.text))
    for verb, arguments in entries:
        entry = Entry(id=0, run_id=run_id, host="local", verb=verb, arguments=arguments)
        ledger.journal.write(entry, epoch=claim.epoch, at=app.services.clock())
    engine.pause(engine.container("db"))
    return run_id


def _claim(app: App, run_id: str) -> Claim:
    claim = app.dispatcher._ledger.claims.claim(app.services.runs.get(run_id), "dead")
    assert claim is not None
    return claim


def _life(engine: Watched) -> dict[str, str]:
    container = engine.container("db")
    return {"container": container.id, "started_at": container.started_at, "name": container.name}


def test_the_next_start_takes_back(made: Settings, engine: Watched) -> None:
    """What a dead holder left is taken back by the next start, newest first, before anything else is done."""
    life = _life(engine)
    with built(made, {"local": engine}) as app:
        dead = _dead(app, engine, ("unpause", life), ("remove_helper", {"name": "left"}))
        engine.create_helper("left", "pgdata", run_id=dead, read_only=True)
    engine.calls.clear()
    with at_work(made, {"local": engine}) as house:
        outcome = house.ending(dead)
        assert outcome.status is Status.INTERRUPTED
        assert "stopped in the middle" in outcome.reply.text
        assert engine.changes[:2] == ["remove_helper", "unpause"]
        assert engine.container("db").state == "running"
        refuse_untrue(house.app)


def test_what_cannot_be_looked_at_after_a_crash_is_not_told_as_not_done(
    made: Settings, engine: Watched, probe: Probe
) -> None:
    """Whether it had been done is open while somebody who knows does not answer, and the reply says just that."""

    def unknown(_run_id: str, _services: Services) -> Reply:
        raise EngineError("Docker does not answer.")

    with built(made, {"local": engine}) as app:
        dead = _dead(app, engine, ("unpause", _life(engine)))
    commands = probe.commands()
    commands["backup"] = replace(commands["backup"], done=unknown)
    with at_work(made, {"local": engine}, commands=commands) as house:
        outcome = house.ending(dead)
        assert outcome.status is Status.INTERRUPTED
        assert "whether it had been done cannot be told now: “Docker does not answer.”" in outcome.reply.text
        assert "taken back" not in outcome.reply.text
        refuse_untrue(house.app)


def test_an_unknown_undo_stays_open(made: Settings, engine: Watched) -> None:
    """An undo that this version does not know is reported and kept; the others are carried out."""
    life = _life(engine)
    with built(made, {"local": engine}) as app:
        dead = _dead(app, engine, ("unpause", life), ("melt", {"name": "ice"}))
    with at_work(made, {"local": engine}) as house:
        outcome = house.ending(dead)
        assert outcome.status is Status.INTERRUPTED
        assert "does not know how to take back “melt”" in outcome.reply.text
        assert engine.container("db").state == "running"
        (left,) = house.app.dispatcher._ledger.journal.open_entries()
        assert left.verb == "melt"
        assert _held(house.app, dead) == ("volume:pgdata",)


def test_an_undo_that_breaks_does_not_stop_the_others(made: Settings, engine: Watched) -> None:
    """An entry that makes our own code break is reported and kept; the others are carried out."""
    life = _life(engine)
    with built(made, {"local": engine}) as app:
        dead = _dead(app, engine, ("unpause", life), ("remove_helper", {"nom": "spelt wrong"}))
    with at_work(made, {"local": engine}) as house:
        outcome = house.ending(dead, seconds=10)
        assert outcome.status is Status.INTERRUPTED
        assert "remove helper: something broke on our side" in outcome.reply.text
        assert engine.container("db").state == "running"


def test_what_cannot_be_taken_back_stays_held(house: House, engine: Watched) -> None:
    """A failing undo joins the run's own error and keeps the targets; once it works, all is freed and told."""
    engine.faults.cut_at_byte = 2000
    engine.faults.failing["unpause"] = EngineError("The daemon refuses to unpause.")
    outcome = house.say(PAUSED)
    assert outcome.status is Status.FAILED
    assert outcome.reply.text.startswith("The engine broke off after 2000 bytes.")
    assert "taking back “unpause” failed: The daemon refuses to unpause." in outcome.reply.text
    assert "its targets stay held until then" in outcome.reply.text
    assert _held(house.app, outcome.run_id) == ("container:db", "volume:pgdata")
    assert house.say("backup pgdata").status is Status.REJECTED

    engine.faults.failing.clear()
    engine.faults.cut_at_byte = None
    amended = "By now everything was taken back."
    wait_for(lambda: amended in str(house.run(outcome.run_id).reply), saying="the amended text")
    assert engine.container("db").state == "running"
    assert _held(house.app, outcome.run_id) == ()
    assert _kinds(house.app, outcome.run_id) == ["started", "failed"]
    assert house.say("backup pgdata").status is Status.SUCCEEDED


@pytest.mark.parametrize("verb", ["start", "unpause"])
def test_a_post_hook_waits_for_a_container_that_cannot_be_woken(
    house: House, engine: Watched, verb: str
) -> None:
    """It is not struck off as if it had nothing to do: once the container is back, its line is run, and only once."""
    ran: list[str] = []

    def shell(words: Sequence[str]) -> tuple[bytes, str, int]:
        ran.append(words[-1])
        return b"", "", 0

    engine.remove_container("db")
    engine.add_container(
        "db", ["pgdata"], labels={f"shipkeeper.backup.{which}": f"{which} line" for which in ("pre", "post")}
    )
    engine.programs["db"] = shell
    engine.faults.failing[verb] = EngineError("The daemon refuses.")
    outcome = house.say(f"backup pgdata --quiesce {'stop' if verb == 'start' else 'pause'}")
    assert outcome.status is Status.FAILED
    assert f"{verb} db: The daemon refuses." in outcome.reply.text
    assert "run hook db: waits until that container is back." in outcome.reply.text
    assert ran == ["pre line"]
    engine.faults.failing.clear()
    wait_for(lambda: not _held(house.app, outcome.run_id), saying="the freed targets")
    assert ran == ["pre line", "post line"]
    assert engine.container("db").state == "running"


def test_taking_back_on_a_mute_docker_keeps_no_question_waiting(made: Settings, engine: Watched) -> None:
    """While what several dead holders left waits for Docker, `help` is answered."""
    with built(made, {"local": engine}) as app:
        dead = [_dead(app, engine, ("unpause", _life(engine)))]
        for name in ("one", "two"):
            run_id = app.dispatcher.accept(invocation("backup logs"), told=True).run_id
            entry = Entry(id=0, run_id=run_id, host="local", verb="remove_helper", arguments={"name": name})
            app.dispatcher._ledger.journal.write(
                entry, epoch=_claim(app, run_id).epoch, at=app.services.clock()
            )
            dead.append(run_id)
    answered = threading.Event()

    def mute() -> None:
        answered.wait(20)

    engine.before_change = mute
    with at_work(made, {"local": engine}) as house:
        assert house.say("help", seconds=5).status is Status.SUCCEEDED
        assert not any(house.run(run_id).status.is_ending for run_id in dead)
        answered.set()
        assert {house.ending(run_id).status for run_id in dead} == {Status.INTERRUPTED}


def _ended_with_a_debt(app: App, engine: Watched) -> str:
    """A run that is over, whose container could not be woken; its process is gone."""
    dead = _dead(app, engine, ("unpause", _life(engine)))
    engine.faults.failing["unpause"] = EngineError("The daemon refuses to unpause.")
    app.dispatcher.execute(dead, Signal())
    engine.faults.failing.clear()
    assert app.services.runs.get(dead).status is Status.INTERRUPTED
    assert _held(app, dead)
    return dead


def test_a_death_between_the_last_undo_and_the_freeing_frees_too(made: Settings, engine: Watched) -> None:
    """Everything was taken back, and the process died before it freed the targets: the next one frees them."""
    with built(made, {"local": engine}) as app:
        dead = _ended_with_a_debt(app, engine)
        assert not app.dispatcher._ledger.undoer.play_back(dead)
    with at_work(made, {"local": engine}) as house:
        wait_for(lambda: not _held(house.app, dead), saying="the freed targets")
        assert "By now everything was taken back." in str(house.run(dead).reply)
        assert house.say("backup pgdata").status is Status.SUCCEEDED


def test_a_shell_takes_back_what_ended_runs_left(made: Settings, engine: Watched) -> None:
    """Where no bot serves, the next shell wakes what was left asleep, and its volume is free for it."""
    with built(made, {"local": engine}) as app:
        _ended_with_a_debt(app, engine)
    with built(made, {"local": engine}) as app:
        assert app.sole.take("a shell")
        run_id = app.dispatcher.accept(invocation("backup pgdata"), told=True).run_id
        app.begin(only=frozenset({run_id}))
        assert House(app).ending(run_id).status is Status.SUCCEEDED
        assert engine.container("db").state == "running"


def test_a_success_that_cannot_be_tidied_is_none(house: House, engine: Watched, probe: Probe) -> None:
    """When the body did its work and its clean-up failed, the run is not called succeeded."""
    life = _life(engine)

    def body(_services: Services, run: RunContext) -> None:
        with run.undoable("unpause", **life):
            engine.pause(engine.container("db"))

    probe.body = body
    engine.faults.failing["unpause"] = EngineError("The daemon refuses to unpause.")
    outcome = house.say("probe pgdata")
    assert outcome.status is Status.FAILED
    assert "The daemon refuses to unpause." in outcome.reply.text
    engine.faults.failing.clear()
    wait_for(lambda: not _held(house.app, outcome.run_id), saying="the freed target")


def test_what_is_kept_is_not_taken_back(house: House, engine: Watched, probe: Probe) -> None:
    """A step that is kept is struck off without being carried out; one that is not kept is carried out."""
    life = _life(engine)

    def body(_services: Services, run: RunContext) -> None:
        engine.pause(engine.container("db"))
        with run.undoable("unpause", **life) as step:
            step.keep()

    probe.body = body
    assert house.say("probe pgdata").status is Status.SUCCEEDED
    assert engine.container("db").state == "paused"
    engine.unpause(engine.container("db"))


def test_a_body_lets_those_at_the_door_go_first(house: House, probe: Probe) -> None:
    """A look for whether to go on waits until whoever came to the same bot meanwhile has been told."""
    order, crowd = list[str](), house.app.crowd

    def tell() -> None:
        order.append("told")
        crowd.left()

    def body(_services: Services, run: RunContext) -> None:
        crowd.arrived()
        telling = threading.Thread(target=tell)
        telling.start()
        run.check()
        order.append("gone on")
        telling.join()

    probe.body = body
    assert house.say("probe pgdata").status is Status.SUCCEEDED
    assert order == ["told", "gone on"]


def test_a_body_that_is_in_a_hurry_lets_nobody_go_first(
    house: House, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers may be kept still for it: whoever is at the door waits, and they do not."""
    monkeypatch.setattr("bot.crowd._LONGEST_PAUSE", 30.0)
    order, crowd, looked = list[str](), house.app.crowd, threading.Event()

    def tell() -> None:
        looked.wait(5)
        order.append("told")
        crowd.left()

    def body(_services: Services, run: RunContext) -> None:
        crowd.arrived()
        telling = threading.Thread(target=tell)
        telling.start()
        with run.in_a_hurry():
            with run.in_a_hurry():
                run.check()
            run.check()
            order.append("gone on")
        looked.set()
        run.check()
        order.append("ended")
        telling.join()

    probe.body = body
    assert house.say("probe pgdata").status is Status.SUCCEEDED
    assert order == ["gone on", "told", "ended"]


# ---- 6. one door for errors --------------------------------------------------------------------------


def test_an_error_for_people_reaches_them(house: House, probe: Probe) -> None:
    """The sentence of a BotError is the answer, as it is."""

    def body(_services: Services, _run: RunContext) -> None:
        raise Conflict("The moon is in the way. Nothing was changed. Wait for it to set.")

    probe.body = body
    outcome = house.say("probe pgdata")
    assert outcome.status is Status.REJECTED
    assert outcome.reply.text == "The moon is in the way. Nothing was changed. Wait for it to set."


def test_any_other_error_is_a_reference(house: House, probe: Probe, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours goes to the log with its traceback; people get the run's id and nothing of it."""

    def body(_services: Services, _run: RunContext) -> None:
        raise RuntimeError("token xoxb-1 in /etc/passwd")

    probe.body = body
    outcome = house.say("probe pgdata")
    assert outcome.status is Status.FAILED
    assert f"reference {outcome.run_id}" in outcome.reply.text
    assert "xoxb" not in outcome.reply.text
    assert "Traceback" in caplog.text
    assert "RuntimeError: token xoxb-1 in /etc/passwd" in caplog.text


# ---- 7. permission at every door and again at execution ------------------------------------------------


def test_permission_is_asked_at_the_gate(house: House, probe: Probe, engine: Watched) -> None:
    """Who has no role is denied before anything is looked up."""
    engine.calls.clear()
    outcome = house.say(from_slack("probe pgdata", user="U0EVE"))
    assert outcome.status is Status.DENIED
    assert "Nothing was changed" in outcome.reply.text
    looked = [call for call in engine.calls if call not in ("helpers", "snapshots")]  # the housekeeper’s
    assert (probe.ran, looked) == ([], [])


@pytest.mark.parametrize("line", ["verify 12345678", "restore 12345678"])
def test_who_may_not_use_a_command_learns_nothing_of_what_exists(house: House, line: str) -> None:
    """Without the command, a name that does not exist is denied like one that does."""
    assert house.say(from_slack(line, user="U0EVE")).status is Status.DENIED
    assert house.say(from_slack(line)).status is Status.REJECTED


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_a_command_with_help_is_help(house: House, flag: str) -> None:
    """`backup --help` is answered as `help backup` is."""
    asked, usual = house.say(f"backup {flag}"), house.say("help backup")
    assert (asked.status, asked.reply) == (Status.SUCCEEDED, usual.reply)


def test_permission_is_asked_again_at_execution(house: House, probe: Probe, engine: Watched) -> None:
    """Who lost the right while the run waited for its volume is denied when it would begin."""
    holder = _stalled(house, engine, PAUSED)
    waiting = house.accept(from_slack("probe pgdata --wait"))
    wait_for(lambda: house.run(waiting).epoch >= 2, saying="a first try")
    house.app.services.policy.replace(Rules())
    engine.faults.go_on.set()
    assert house.ending(waiting).status is Status.DENIED
    house.ending(holder)
    assert probe.ran == []


def test_a_button_is_pressed_with_ones_own_rights(house: House, probe: Probe) -> None:
    """A button that an operator was offered does nothing for somebody else, and stays good."""
    probe.body = lambda *_: Reply(text="Press.", buttons=(Button(label="Again", line="probe logs"),))
    offered = house.say(from_slack("probe pgdata"))
    (message,) = [m for m in house.app.outbox.behind(9) if m.run.id == offered.run_id]
    token = message.buttons[0].token
    eve = from_slack("x", user="U0EVE")
    stranger = invocation("probe logs", actor=eve.actor, origin=eve.origin, place=eve.place, token=token)
    assert house.say(stranger).status is Status.DENIED
    assert house.say(invocation("probe logs", token=token)).status is Status.SUCCEEDED


# ---- fencing, and the one way to a handler -------------------------------------------------------------


def test_a_former_holder_touches_nothing(house: House, engine: Watched, probe: Probe) -> None:
    """A body whose run was taken over can write nothing and does not even undo; the next holder does."""
    life = _life(engine)
    lost: list[BaseException] = []
    at_the_end: list[str] = []

    def body(_services: Services, run: RunContext) -> None:
        try:
            with run.undoable("unpause", **life):
                engine.pause(engine.container("db"))
                _claim(house.app, run.run_id)
        except LostHold as error:
            lost.append(error)
            at_the_end.append(engine.container("db").state)
            raise

    probe.body = body
    run_id = house.accept("probe pgdata")
    wait_for(lambda: lost, saying="the loss")
    wait_for(lambda: not house.app.queue.workers(), saying="the end of the body")
    assert at_the_end == ["paused"]
    assert len(house.app.dispatcher._ledger.journal.open_entries(run_id)) == 1
    assert _kinds(house.app, run_id) == ["started"]
    house.app.dispatcher.execute(run_id, Signal())
    assert house.ending(run_id).status is Status.INTERRUPTED
    assert engine.container("db").state == "running"


def test_a_failing_body_without_its_hold_undoes_nothing(house: House, engine: Watched, probe: Probe) -> None:
    """Losing the hold comes before the body's own error: nothing is undone on the way out."""
    life = _life(engine)
    left: list[str] = []

    def body(_services: Services, run: RunContext) -> None:
        try:
            with run.undoable("unpause", **life):
                engine.pause(engine.container("db"))
                _claim(house.app, run.run_id)
                raise EngineError("The daemon is away.")
        finally:
            left.append(engine.container("db").state)

    probe.body = body
    run_id = house.accept("probe pgdata")
    wait_for(lambda: left and not house.app.queue.workers(), saying="the end of the body")
    assert left == ["paused"]
    house.app.dispatcher.execute(run_id, Signal())
    assert house.ending(run_id).status is Status.INTERRUPTED


def test_handlers_are_reached_by_the_dispatcher_alone() -> None:
    """Only the dispatcher calls a command's `run`; schedules ask what it is about and would do; endings, `done`."""
    callers: dict[str, set[str]] = {}
    root = Path(handlers.__file__).parents[1]
    for file in sorted([*root.glob("bot/**/*.py"), *root.glob("handlers/*.py")]):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("run", "plan", "done", "targets"):
                of = ast.unparse(node.value).rsplit(".", 1)[-1]
                if of == "command":
                    callers.setdefault(node.attr, set()).add(file.relative_to(root).as_posix())
    assert callers == {
        "run": {"bot/dispatch.py"},
        "plan": {"bot/dispatch.py", "bot/schedules/making.py"},
        "targets": {"bot/dispatch.py", "bot/schedules/making.py"},
        "done": {"bot/ending.py"},
    }
