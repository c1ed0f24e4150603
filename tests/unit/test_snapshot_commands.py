"""`snapshot`, `snapshots` and `restore SNAPSHOT` over the whole road, on an engine and a registry in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.snapshot_contract import Commit
from bot.errors import Cancelled, EngineError
from bot.model import Outcome, Status
from bot.operations.registries import Known, Registries, Rules
from bot.operations.undo import registry
from tests.fakes import FakeEngine
from tests.support.fake_registry import FakeRegistry
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings, wait_for

ROLES = """
[roles.web]
members = ["U0ANN"]
commands = ["snapshot", "restore", "snapshots"]
targets = ["container:web*"]
[snapshots]
repository = "kept/{container}"
tag = "{run}"
"""


@pytest.fixture
def engine() -> FakeEngine:
    """A container with a volume and a secret in its environment."""
    made = FakeEngine()
    made.add_volume("data", {"a": b"saved"})
    made.add_container("web", {"data": "/data"}, files={"/own": b"x"}, variables=("PASSWORD",))
    return made


@pytest.fixture
def house(engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The road; afterwards nothing is left half done."""
    monkeypatch.setattr("bot.operations.snapshotundo._ALWAYS_SECONDS", 0)
    with at_work(settings(tmp_path / "state", toml=ROLES), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def _table(outcome: Outcome) -> list[dict[str, object]]:
    table = outcome.reply.table
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else []


def test_from_snapshot_to_clone(house: House, engine: FakeEngine) -> None:
    """What is made is listed with its backups, planned on request, and restored under the name that was asked for."""
    made = house.say("snapshot web --with-volumes --note why")
    assert made.status is Status.SUCCEEDED, made.reply.text
    assert made.reply.facts["reference"] == f"kept/web:{made.run_id}"
    (row,) = _table(house.say("snapshots web"))
    assert (row["snapshot"], row["backups"], row["by"], row["note"]) == (made.run_id, "data", "tester", "why")
    assert _table(house.say("snapshots other")) == []
    planned = house.say(f"restore {made.run_id} --as web-2 --dry-run")
    assert "data-web-2 from the backup of data" in planned.reply.text
    assert len(engine.boxes) == 1
    done = house.say(f"restore {made.run_id} --as web-2")
    assert done.status is Status.SUCCEEDED, done.reply.text
    assert engine.files("data-web-2") == {"a": b"saved"}
    again = house.say(f"restore data/{made.run_id}")
    assert again.reply.facts["volume"] == f"data-restored-{made.run_id}"


def test_power_over_the_host_is_shown_and_given_again_only_to_our_own(
    house: House, engine: FakeEngine
) -> None:
    """A clone of our snapshot has it, and the plan says so; an image that only says that it is one gets nothing."""
    engine.add_container("web-root", powers=("all rights on its host",), files={"/own": b"x"})
    engine.add_directory("/srv", {})
    engine.add_container("web-bound", binds={"/srv": "/srv"})
    made = {name: house.say(f"snapshot {name}") for name in ("web-root", "web-bound")}
    lines = {
        "web-root": f"restore {made['web-root'].run_id} --as web-again",
        "web-bound": f"restore {made['web-bound'].run_id} --as web-too --share-volumes",
    }
    planned = house.say(f"{lines['web-root']} --dry-run")
    assert (
        "more power over its host than other containers, as the original had: all rights"
        in planned.reply.text
    )
    for name, line in lines.items():
        image = str(made[name].reply.facts["image"])
        _put_in_place_of(engine, image, "sha256:another")
        refused = house.say(line)
        assert refused.status is Status.REJECTED
        assert "anybody who builds one can write such labels. Nothing was made" in refused.reply.text
        _put_in_place_of(engine, "sha256:another", image)
        assert house.say(line).status is Status.SUCCEEDED, name


def _put_in_place_of(engine: FakeEngine, old: str, new: str) -> None:
    """The image gives its place to another one with the same name and labels."""
    kept = engine.committed.pop(old)
    engine.committed[new] = replace(kept, seen=replace(kept.seen, id=new))
    engine.kept_images[new] = replace(engine.kept_images.pop(old), id=new)


def test_flags_of_backups_and_of_snapshots_exclude_each_other(house: House) -> None:
    """Nothing is guessed: what cannot be meant together is refused, and an unknown id is told of."""
    assert house.say("restore 7f3a2c1b --as web-2 --replace").status is Status.REJECTED
    assert "There is no backup 7f3a2c1b" in house.say("restore 7f3a2c1b").reply.text
    assert "There is no snapshot 7f3a2c1b" in house.say("restore 7f3a2c1b --as web-2").reply.text


def test_roles_are_asked_for_all_that_is_touched(house: House, engine: FakeEngine) -> None:
    """Who may touch the container alone may snapshot it, but neither read its volumes nor share them."""
    made = house.say(from_slack("snapshot web"))
    assert made.status is Status.SUCCEEDED, made.reply.text
    for line in ("snapshot web --with-volumes", f"restore {made.run_id} --share-volumes"):
        assert house.say(from_slack(line)).status is Status.DENIED, line
    assert house.say(from_slack(f"restore {made.run_id} --as other")).status is Status.DENIED
    assert house.say(from_slack(f"restore {made.run_id}")).status is Status.SUCCEEDED
    assert len(engine.boxes) == 2


def test_push_without_a_registry_is_refused_first(house: House, engine: FakeEngine) -> None:
    """Where there is nothing to push to, nothing is made."""
    assert house.say("snapshot web --push").status is Status.REJECTED
    assert engine.images() == ()


def test_what_a_dead_bot_had_done_is_told(house: House) -> None:
    """A snapshot that was proven before the bot died is a snapshot, with what belongs to it; else there is none."""
    made = house.say("snapshot web --with-volumes")
    services = house.app.services
    done = services.commands["snapshot"].done
    assert done is not None
    told = done(made.run_id, services)
    assert told is not None
    assert (told.status, told.facts["reference"]) == (Status.SUCCEEDED, made.reply.facts["reference"])
    failed = house.say("snapshot web --tag kept/web:" + made.run_id)
    assert failed.status is Status.REJECTED
    assert done(failed.run_id, services) is None
    cloned = house.say(f"restore {made.run_id}")
    after = services.commands["restore"].done
    assert after is not None
    told = after(cloned.run_id, services)
    assert told is not None
    assert f"web-restored-{made.run_id}" in told.text


def test_a_registry_that_is_away_makes_a_snapshot_no_less_done(engine: FakeEngine, tmp_path: Path) -> None:
    """After a crash the snapshot is told as made, and of its push that nobody can tell now."""
    company = FakeRegistry()
    engine.registries = {company.host: company}
    known = Registries([Known(registry=company, rules=Rules())])
    with at_work(settings(tmp_path / "state", toml=ROLES), {"local": engine}, registries=known) as house:
        made = house.say(f"snapshot web --push --tag {company.host}/kept/web:1")
        assert made.status is Status.SUCCEEDED, made.reply.text
        run = house.run(made.run_id)
        assert run.plan is not None
        assert f"image:{company.host}/kept/web:1" in run.plan.targets
        done = house.app.services.commands["snapshot"].done
        assert done is not None
        company.down = True
        told = done(made.run_id, house.app.services)
        assert told is not None
        assert (told.status, told.facts["snapshot"]) == (Status.PARTIAL, made.run_id)
        assert "whether it is pushed cannot be told now" in told.text
        company.down = False
        again = done(made.run_id, house.app.services)
        assert again is not None
        assert again.facts["digest"] == made.reply.facts["digest"]


def test_an_engine_that_fails_leaves_no_loose_end(house: House, engine: FakeEngine) -> None:
    """A commit that Docker refuses fails the run, and everything is as it was."""
    engine.faults.failing["commit"] = EngineError("no space left on device")
    assert house.say("snapshot web").status is Status.FAILED
    assert engine.container("web").state == "running"
    assert engine.images() == ()


def test_what_somebody_else_made_is_never_taken_back(house: House, engine: FakeEngine) -> None:
    """A container or a volume under the name that a dead run had chosen, but not made by it, stays."""
    verbs = registry(house.app.services.engine, house.app.services.archive)
    verbs["remove_clone"]("local", {"run": "aaaaaaaa", "name": "web", "volumes": "data"})
    assert engine.container("web").state == "running"
    assert engine.files("data") == {"a": b"saved"}


def test_a_start_sweeps_what_came_late_and_nothing_that_was_kept(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot whose push was cancelled was proven and stays, even without its name; a late image goes."""
    monkeypatch.setattr("bot.operations.snapshotundo._ALWAYS_SECONDS", 0)
    company = FakeRegistry()
    engine.registries = {company.host: company}
    known = Registries([Known(registry=company, rules=Rules(namespace="team"))])
    made = settings(tmp_path / "state", toml=ROLES)

    def cancel(_host: FakeEngine) -> None:
        raise Cancelled("Cancelled.")

    engine.faults.before["push"] = [cancel]
    with at_work(made, {"local": engine}, registries=known) as house:
        kept = house.say("snapshot web --push")
        assert (kept.status, "was proven by then, and stays" in kept.reply.text) == (Status.CANCELLED, True)
        engine.faults.failing["tag"] = EngineError("broken")
        failed = house.say("snapshot web")
        assert failed.status is Status.FAILED
    (image,) = engine.snapshots()
    engine.kept_images[image.id] = replace(engine.kept_images[image.id], references=())
    engine.commit(engine.container("web"), Commit(run_id=failed.run_id, author="", message=""))
    with at_work(made, {"local": engine}, registries=known) as house:
        wait_for(lambda: len(engine.snapshots()) == 1, saying="the sweep")
        refuse_untrue(house.app)
    assert engine.snapshots()[0].id == image.id
