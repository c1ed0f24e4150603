"""Nothing that a run did is taken back before what depends on it: the journal says what is open, whatever else fails.

Where the database is away for a moment, or Docker refuses one call, no former content is lost and no answer is untrue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from bot.engine.witness import changing
from bot.errors import EngineError, StoreError
from bot.model import Status
from bot.stores.claims import Claim
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, refuse_untrue, settings, wait_for

OLD, NEW = {"table": b"old"}, {"table": b"new"}
BY_NOW = "By now everything was taken back."


class Witnessed(FakeEngine):
    """While the audit log takes nothing, only what takes something back is done, as at a real engine."""

    is_mute = False

    def _enter(self, verb: str) -> None:
        call = changing("local", "POST", "/exec")
        if self.is_mute and verb in ("exchange_back", "start", "remove_tree") and call and not call.undoes:
            raise StoreError("The audit log cannot be written.")
        super()._enter(verb)


@pytest.fixture
def engine() -> Witnessed:
    """A volume with a user, and a container with a file of its own."""
    made = Witnessed()
    made.add_volume("pgdata", NEW)
    made.add_container("db", ["pgdata"])
    made.add_container("web", files={"etc/app.conf": b"old"})
    return made


@pytest.fixture
def house(engine: Witnessed, tmp_path: Path) -> Iterator[House]:
    """The road over it."""
    with at_work(settings(tmp_path / "state"), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def unwritable(house: House, monkeypatch: pytest.MonkeyPatch, verb: str) -> Callable[[], None]:
    """From now on nothing of that verb can be struck off, as on a full disk; until the call is made."""
    journal = house.app.dispatcher._ledger.journal
    settle, is_full = journal.settle, [True]

    def fails(entry_id: int, *, at: datetime, kept: bool = False) -> None:
        found = [entry.verb for entry in journal.open_entries() if entry.id == entry_id]
        if is_full and found == [verb]:
            raise StoreError("The database cannot be written.")
        settle(entry_id, at=at, kept=kept)

    monkeypatch.setattr(journal, "settle", fails)
    return is_full.clear


def away_for_a_moment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next question whether a run is still ours is not answered."""
    claims = house.app.dispatcher._ledger.claims
    answer = claims.is_ours

    def fails(_claim: Claim) -> bool:
        monkeypatch.setattr(claims, "is_ours", answer)
        raise StoreError("The database does not answer.")

    monkeypatch.setattr(claims, "is_ours", fails)


def _replacing(house: House, engine: Witnessed) -> str:
    """A backup of the new content, and the line that puts it in the place of the old one."""
    made = house.say("backup pgdata")
    assert made.status is Status.SUCCEEDED, made.reply.text
    engine.put_file("pgdata", "table", b"old")
    return f"restore {made.run_id} --replace"


def test_what_cannot_be_written_down_as_kept_is_taken_back_before_anybody_is_started(
    house: House, engine: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state's disk is full when a replacement is proven: the users run again, on the old content, at once."""
    line, mended = _replacing(house, engine), []
    on: list[dict[str, bytes]] = []

    def fill(_engine: object) -> None:
        engine.is_mute = True
        mended.append(unwritable(house, monkeypatch, "exchange_back"))
        engine.faults.before["start"] = [lambda _: on.append(engine.files("pgdata"))]

    engine.faults.before["exchange"] = [fill]
    run_id = house.accept(line)
    wait_for(lambda: on, saying="that the user is started")
    assert on == [OLD]
    outcome = house.ending(run_id)
    assert (outcome.status, outcome.reply.facts.get("safety")) == (Status.FAILED, None)
    assert "exchange back pgdata" in outcome.reply.text
    assert engine.container("db").state == "running"
    engine.is_mute = False
    mended[0]()
    wait_for(lambda: BY_NOW in str(house.run(run_id).reply), saying="the amended text")
    assert (engine.files("pgdata"), engine.ground.names("/fake/volumes/pgdata")) == (OLD, ["_data"])


def test_an_exchange_whose_taking_back_was_not_tried_keeps_the_rest_waiting(
    house: House, engine: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away only when the exchange is to be taken back: the stage is not cleared meanwhile."""
    line = _replacing(house, engine)

    def fail(_engine: object) -> None:
        away_for_a_moment(house, monkeypatch)
        engine.faults.exchange_stops_half_way = True

    engine.faults.before["exchange"] = [fail]
    outcome = house.say(line)
    assert outcome.status is Status.FAILED
    assert "between the two renamings" in outcome.reply.text
    assert "its targets stay held" not in outcome.reply.text
    assert (engine.files("pgdata"), engine.ground.names("/fake/volumes/pgdata")) == (OLD, ["_data"])
    assert engine.container("db").state == "running"


def test_while_an_exchange_stays_its_users_and_its_stage_wait_and_the_answer_says_so(
    house: House, engine: Witnessed
) -> None:
    """Docker refuses to exchange back: nothing overtakes it, the answer names all three, and later all comes back."""
    line = _replacing(house, engine)
    engine.faults.exchange_stops_half_way = True
    engine.faults.failing["exchange_back"] = EngineError("The daemon refuses.")
    outcome = house.say(line)
    assert outcome.status is Status.FAILED
    for words in (
        "exchange back pgdata: The daemon refuses.",
        "db stays stopped",
        "is kept until the old content",
    ):
        assert words in outcome.reply.text
    assert engine.container("db").state == "exited"
    engine.faults.failing.clear()
    wait_for(lambda: BY_NOW in str(house.run(outcome.run_id).reply), saying="the amended text")
    assert (engine.files("pgdata"), engine.container("db").state) == (OLD, "running")


@pytest.mark.parametrize("place", ["/etc/app.conf", "/etc/other.conf"])
def test_a_copy_that_cannot_be_written_down_as_kept_is_taken_back(
    house: House, engine: Witnessed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The state's disk is full when a copied file is proven: the place is as it was, and the answer is true."""
    (tmp_path / "new").write_bytes(b"new")
    before = engine.layer("web").files()
    mended: list[Callable[[], None]] = []

    def fill(_engine: object) -> None:
        mended.append(unwritable(house, monkeypatch, "put_back_file"))

    # Just before the new file comes to its place; before that the old one gets its second name.
    is_new = place == "/etc/other.conf"
    engine.faults.before["link_in"] = [*([lambda _: None] * (not is_new)), fill]
    outcome = house.say(f"cp {tmp_path}/new web:{place}")
    assert outcome.status is Status.FAILED
    assert "put back file" in outcome.reply.text
    assert f"beside web:{place} stays" in outcome.reply.text
    mended[0]()
    wait_for(lambda: BY_NOW in str(house.run(outcome.run_id).reply), saying="the amended text")
    assert engine.layer("web").files() == before


def test_a_file_that_cannot_be_put_back_keeps_its_other_name(
    house: House, engine: Witnessed, tmp_path: Path
) -> None:
    """Docker refuses for a while to link the old file back: its second name stays, and the next try finds it."""
    (tmp_path / "new").write_bytes(b"new")
    before = engine.layer("web").files()

    def refuse(_engine: object) -> None:
        raise EngineError("The daemon refuses.")

    def begin(_engine: object) -> None:
        engine.faults.before["read_volume"] = [refuse]  # the comparison fails
        engine.faults.before["link_in"] = [refuse] * 3  # and so does the way back

    engine.faults.before["link_in"] = [lambda _: None, begin]
    outcome = house.say(f"cp {tmp_path}/new web:/etc/app.conf")
    assert outcome.status is Status.FAILED
    assert "beside web:/etc/app.conf stays" in outcome.reply.text
    wait_for(lambda: BY_NOW in str(house.run(outcome.run_id).reply), saying="the amended text")
    assert engine.layer("web").files() == before
