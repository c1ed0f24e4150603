"""The undo registry: every verb may be carried out twice, and also when what it is about is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL, Exchange, HostPath, Volume
from bot.errors import Conflict, EngineError
from bot.operations.context import (
    CLEAR_STAGE,
    DISCARD_DRAFT,
    EXCHANGE_BACK,
    PUT_BACK_FILE,
    REMOVE_CLONE,
    REMOVE_FILES,
    REMOVE_HELPER,
    REMOVE_PART,
    REMOVE_SNAPSHOT,
    REMOVE_VOLUME,
    RUN_HOOK,
    START,
    UNPAUSE,
    UNTAG,
)
from bot.operations.undo import registry
from bot.stores.archive import Archive
from bot.stores.journal import Entry
from bot.undo import waits_for
from tests.fakes import FakeEngine

RUN = "7f3a2c1b"
WHERE = "/fake/volumes/pgdata"
STAGE = f".shipkeeper-{RUN}"
BACK = {
    "directory": WHERE,
    "place": "_data",
    "new": f"{STAGE}/new/volume",
    "aside": f"{STAGE}/old",
    "run": RUN,
    "storage": "pgdata",
    "users": "",
}
CLEAR = {"directory": WHERE, "stage": STAGE, "run": RUN}
Undo = Callable[[str, Mapping[str, str]], None]


@pytest.fixture
def engine() -> FakeEngine:
    """A volume with a stage beside it."""
    made = FakeEngine()
    made.add_volume("pgdata", {"a": b"old"})
    made.ground.file(f"{WHERE}/{STAGE}/new/volume/a", b"new")
    return made


@pytest.fixture
def undo(engine: FakeEngine, tmp_path: Path) -> Callable[[str, Mapping[str, str]], None]:
    """Carries a verb out twice; the second time must change nothing."""
    verbs = registry(lambda _: engine, Archive(tmp_path / "archive", lambda: datetime.now(UTC)))

    def carry_out(verb: str, arguments: Mapping[str, str]) -> None:
        verbs[verb]("local", arguments)
        verbs[verb]("local", arguments)

    return carry_out


def exchanged(engine: FakeEngine) -> None:
    engine.create_tool("by-hand", HostPath(WHERE), run_id=RUN, read_only=False)
    engine.exchange("by-hand", Exchange(place="_data", new=BACK["new"], aside=BACK["aside"]))
    engine.remove_helper("by-hand")


def test_every_verb_has_its_undo(tmp_path: Path, engine: FakeEngine) -> None:
    """No entry that a run can write down is unknown to the one who plays it back."""
    verbs = registry(lambda _: engine, Archive(tmp_path, lambda: datetime.now(UTC)))
    assert set(verbs) == {
        CLEAR_STAGE, DISCARD_DRAFT, EXCHANGE_BACK, REMOVE_HELPER, REMOVE_VOLUME, RUN_HOOK, START, UNPAUSE,
        UNTAG, REMOVE_CLONE, REMOVE_SNAPSHOT, REMOVE_FILES, PUT_BACK_FILE, REMOVE_PART,
    }  # fmt: skip


def test_an_exchange_is_taken_back_and_the_stage_cleared(engine: FakeEngine, undo: Undo) -> None:
    """What stood there stands there again; a tool that may be renaming still, or was left by a former try, is ended."""
    exchanged(engine)
    engine.create_tool(f"shipkeeper-exchange-{RUN}", HostPath(WHERE), run_id=RUN, read_only=False)
    engine.create_tool(f"shipkeeper-undo-{RUN}", HostPath(WHERE), run_id=RUN, read_only=False)
    assert engine.files("pgdata") == {"a": b"new"}
    undo(EXCHANGE_BACK, BACK)
    assert engine.files("pgdata") == {"a": b"old"}
    undo(CLEAR_STAGE, CLEAR)
    assert engine.ground.names(WHERE) == ["_data"]
    assert engine.helpers() == ()


def test_an_exchange_that_never_began_is_nothing_to_take_back(engine: FakeEngine, undo: Undo) -> None:
    """Then nothing is renamed, whoever runs."""
    engine.add_container("db", ["pgdata"])
    undo(EXCHANGE_BACK, BACK)
    assert engine.files("pgdata") == {"a": b"old"}
    undo(CLEAR_STAGE, CLEAR)
    assert engine.files("pgdata") == {"a": b"old"}


def test_a_stage_that_is_gone_proves_nothing(engine: FakeEngine, undo: Undo) -> None:
    """Somebody removed it by hand: nothing counts as taken back until people have looked and say so."""
    exchanged(engine)
    engine.ground.remove(f"{WHERE}/{STAGE}")
    engine.add_container("db", ["pgdata"])  # and need not stop anybody for it
    with pytest.raises(EngineError, match="make that directory, empty"):
        undo(EXCHANGE_BACK, BACK)
    engine.ground.directory(f"{WHERE}/{STAGE}")
    undo(EXCHANGE_BACK, BACK)
    assert engine.files("pgdata") == {"a": b"new"}


def test_a_volume_that_is_gone_leaves_nothing_to_undo(engine: FakeEngine, undo: Undo) -> None:
    """Its directory, and the stage in it, went with it."""
    engine.remove_volume("pgdata")
    undo(EXCHANGE_BACK, BACK)
    undo(CLEAR_STAGE, CLEAR)
    assert engine.helpers() == ()


def test_a_container_is_started_however_long_its_stop_may_last(engine: FakeEngine, undo: Undo) -> None:
    """A stop that was asked for by a process that died goes on in the engine; the start waits for its end."""
    found = engine.add_container("db", ["pgdata"])
    engine.faults.before["start"] = [lambda _: None] * 2 + [lambda one: one.stop(found, 0)]
    undo(START, {"container": found.id, "started_at": found.started_at, "name": "db", "grace": "60"})
    assert engine.container("db").started_at != found.started_at
    assert engine.container("db").state == "running"


def test_nothing_is_taken_from_under_a_running_container(engine: FakeEngine, undo: Undo) -> None:
    """The exchange stays until it stops."""
    exchanged(engine)
    late = engine.add_container("late", ["pgdata"])
    with pytest.raises(Conflict, match="Stop late"):
        undo(EXCHANGE_BACK, BACK)
    assert engine.ground.names(WHERE) == [STAGE, "_data"]
    engine.stop(late, 0)
    undo(EXCHANGE_BACK, BACK)
    undo(CLEAR_STAGE, CLEAR)
    assert engine.files("pgdata") == {"a": b"old"}


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        (START, {"container": "1", "name": "db"}, "db stays stopped until"),
        (START, {"container": "3", "name": "other"}, ""),
        (RUN_HOOK, {"container": "4", "name": "web"}, "waits until that container is back"),
        (CLEAR_STAGE, CLEAR, f"{WHERE}/{STAGE} is kept until"),
        (REMOVE_FILES, {"run": RUN}, "beside web:/etc/x stays until"),
        (REMOVE_HELPER, {"name": "helper"}, ""),
    ],
)
def test_what_depends_on_another_waits_for_it(verb: str, arguments: Mapping[str, str], says: str) -> None:
    """The users, the stage and a file's second name wait for the former content; what ends helpers does not."""

    def entry(verb: str, arguments: Mapping[str, str]) -> Entry:
        return Entry(id=1, run_id=RUN, host="local", verb=verb, arguments=arguments)

    newer = (
        entry(PUT_BACK_FILE, {"place": "web:/etc/x"}),
        entry(EXCHANGE_BACK, {**BACK, "users": "1 2"}),
        entry(UNPAUSE, {"container": "4"}),
    )
    reason = waits_for(entry(verb, arguments), newer)
    assert says in reason
    assert bool(says) is bool(reason)
    assert waits_for(entry(verb, arguments), ()) == ""


def test_only_the_runs_own_volume_is_removed(engine: FakeEngine, undo: Undo) -> None:
    """One that somebody else made under that name stays."""
    engine.create_volume(Volume(name="mine", driver="local", labels={RUN_LABEL: RUN}))
    for name in ("mine", "pgdata"):
        undo(REMOVE_VOLUME, {"name": name, "run": RUN})
    assert [volume.name for volume in engine.volumes()] == ["pgdata"]
