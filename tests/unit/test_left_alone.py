"""A copy that is taken back after somebody else wrote to its place: their file stays, and people are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import EngineError, LeftAlone
from bot.model import Outcome, Plan, Status
from bot.operations.context import PUT_BACK_FILE, REMOVE_FILES
from bot.operations.unplacing import put_back_file
from bot.stores.journal import Entry
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, built, invocation, refuse_untrue, settings, wait_for

OLD, NEW, OTHER = b"old\n", b"new\n", b"somebody else's\n"
PLACE = "etc/app.conf"
RUN = "7f3a2c1b"
CHANGED = "Somebody else has changed web:/etc/app.conf since this run wrote there, so it stays as it is."


@pytest.fixture
def engine() -> FakeEngine:
    """A container with a file of its own."""
    made = FakeEngine()
    made.add_container("web", files={PLACE: OLD})
    return made


def _rewrite(engine: FakeEngine) -> None:
    """As applications save: another file takes the name."""
    layer = engine.layer("web")
    layer.remove(PLACE)
    layer.file(PLACE, OTHER)


def _copied_over(
    house: House, engine: FakeEngine, source: Path, then: Callable[[FakeEngine], None]
) -> Outcome:
    """A copy to the place, where `then` comes about just after the new file came there."""
    source.write_bytes(NEW)

    def linked(_engine: object) -> None:
        engine.faults.before["read_volume"] = [then]

    engine.faults.before["link_in"] = [lambda _: None, linked]
    return house.say(f"cp {source} web:/{PLACE}")


def test_what_an_application_saves_meanwhile_stays(engine: FakeEngine, tmp_path: Path) -> None:
    """It is told once, with where the former content is; nothing of the run is left beside it."""
    with at_work(settings(tmp_path / "state"), {"local": engine}) as house:
        outcome = _copied_over(house, engine, tmp_path / "new", _rewrite)
        assert outcome.status is Status.FAILED
        assert outcome.reply.text.count(CHANGED) == 1
        assert f"is backup {outcome.run_id}" in outcome.reply.text
        assert "its targets stay held" not in outcome.reply.text
        assert engine.layer("web").files() == {PLACE: OTHER}
        assert house.app.services.archive.find(outcome.run_id).manifest.purpose == "safety"
        refuse_untrue(house.app)


def test_what_is_found_only_later_is_told_later(engine: FakeEngine, tmp_path: Path) -> None:
    """Docker was away when it was to be taken back: the sentence that all is well by now is not said."""

    def away(engine: FakeEngine) -> None:
        _rewrite(engine)
        engine.faults.failing = {
            "look_at": EngineError("Docker is away."),
            "read_volume": EngineError("It is away."),
        }

    with at_work(settings(tmp_path / "state"), {"local": engine}) as house:
        outcome = _copied_over(house, engine, tmp_path / "new", away)
        assert "its targets stay held" in outcome.reply.text
        engine.faults.failing = {}
        wait_for(
            lambda: "By now everything else" in str(house.run(outcome.run_id).reply),
            saying="the amended text",
        )
        text = str(house.run(outcome.run_id).reply)
        assert (text.count(CHANGED), "By now everything was" in text) == (1, False)
        assert engine.layer("web").files() == {PLACE: OTHER}
        refuse_untrue(house.app)


def _written(engine: FakeEngine, run_id: str) -> dict[str, str]:
    return {
        "holder": engine.container("web").id, "storage": "", "directory": "/etc", "run": run_id, "name": "app.conf",
        "was": "file", "place": f"web:/{PLACE}", "before": "", "sha256": "", "size": "0",
    }  # fmt: skip


def test_what_was_written_while_the_bot_was_down_stays(engine: FakeEngine, tmp_path: Path) -> None:
    """The next start leaves it, takes the rest back and says so; the run had not been done."""
    made = settings(tmp_path / "state")
    with built(made, {"local": engine}) as app:
        run_id = app.dispatcher.accept(invocation(f"cp {tmp_path}/new web:/{PLACE}"), told=True).run_id
        ledger = app.dispatcher._ledger
        claim = ledger.claims.claim(app.services.runs.get(run_id), "dead")
        assert claim is not None
        plan = Plan(text="Copy.", targets=("container:web",))
        ledger.claims.start(claim, plan, app.housekeeper._endings.event(claim.run, None, plan.text))
        for verb in (REMOVE_FILES, PUT_BACK_FILE):
            entry = Entry(id=0, run_id=run_id, host="local", verb=verb, arguments=_written(engine, run_id))
            ledger.journal.write(entry, epoch=claim.epoch, at=app.services.clock())
    engine.layer("web").file(f"etc/.shipkeeper-{run_id}-old", OLD)
    engine.layer("web").file(f"etc/.shipkeeper-{run_id}-new", NEW)
    _rewrite(engine)
    with at_work(made, {"local": engine}) as house:
        outcome = house.ending(run_id)
        assert (outcome.status, outcome.reply.text.count(CHANGED)) == (Status.INTERRUPTED, 1)
        assert engine.layer("web").files() == {PLACE: OTHER}
        refuse_untrue(house.app)


@pytest.mark.parametrize(("now", "stays"), [(NEW, False), (OLD, False), (None, False), (OTHER, True)])
def test_only_what_is_the_runs_or_was_there_before_is_replaced(
    engine: FakeEngine, now: bytes | None, stays: bool
) -> None:
    """Also where nothing stands there at all the old file comes back."""
    layer = engine.layer("web")
    layer.file(f"etc/.shipkeeper-{RUN}-old", OLD)
    layer.file(f"etc/.shipkeeper-{RUN}-new", NEW)
    layer.remove(PLACE)
    if now is not None:
        layer.file(PLACE, now)
    try:
        put_back_file(engine, _written(engine, RUN))
    except LeftAlone:
        assert stays
    assert layer.files()[PLACE] == (OTHER if stays else OLD)


def test_a_directory_that_took_the_name_stays(engine: FakeEngine) -> None:
    """It could never be replaced by a file, so nobody tries for ever."""
    layer = engine.layer("web")
    layer.file(f"etc/.shipkeeper-{RUN}-old", OLD)
    layer.remove(PLACE)
    layer.file(f"{PLACE}/more", OTHER)
    with pytest.raises(LeftAlone):
        put_back_file(engine, _written(engine, RUN))
