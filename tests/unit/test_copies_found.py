"""What is said of a copy whose bot died at its end, and how a copy is taken back whose traces somebody removed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import EngineError
from bot.model import Reply
from bot.operations.unplacing import put_back_file
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, settings

OLD, NEW, OTHER = b"old\n", b"new\n", b"somebody else's\n"
PLACE = "etc/app.conf"
SINCE = "Since then it was changed"


@pytest.fixture
def engine() -> FakeEngine:
    """A container with a file of its own."""
    made = FakeEngine()
    made.add_container("web", files={PLACE: OLD})
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What is copied there."""
    path = tmp_path / "new"
    path.write_bytes(NEW)
    return path


def found(house: House, run_id: str) -> Reply:
    """What the next bot says of it."""
    done = house.app.services.commands["cp"].done
    assert done is not None
    reply = done(run_id, house.app.services)
    assert reply is not None
    return reply


def _rewrite(engine: FakeEngine) -> None:
    layer = engine.layer("web")
    layer.remove(PLACE)
    layer.file(PLACE, OTHER)


def _remove(engine: FakeEngine) -> None:
    engine.layer("web").remove(PLACE)


def _make_anew(engine: FakeEngine) -> None:
    engine.remove_container("web")
    engine.add_container("web", files={PLACE: OLD})


def _lose(engine: FakeEngine) -> None:
    engine.remove_container("web")


@pytest.mark.parametrize("since", [_rewrite, _remove, _make_anew, _lose])
def test_what_somebody_did_since_is_not_sworn_to(
    engine: FakeEngine, source: Path, tmp_path: Path, since: Callable[[FakeEngine], None]
) -> None:
    """The next bot tells what the run had proven, and that the place holds something else now."""
    with at_work(settings(tmp_path / "state"), {"local": engine}) as house:
        run_id = house.say(f"cp {source} web:/{PLACE}").run_id
        assert SINCE not in found(house, run_id).text
        since(engine)
        reply = found(house, run_id)
    assert "web:/etc/app.conf is copied" in reply.text
    assert f"{SINCE}: web:/etc/app.conf does not hold" in reply.text
    assert (reply.facts["sha256"], reply.facts["size_bytes"]) == (hashlib.sha256(NEW).hexdigest(), len(NEW))


def test_what_was_taken_away_and_made_anew_was_not_copied(
    engine: FakeEngine, source: Path, tmp_path: Path
) -> None:
    """An undo that took a file away is found as one, whoever made another file there."""
    with at_work(settings(tmp_path / "state"), {"local": engine}) as house:
        copied = house.say(f"cp {source} web:/etc/more.conf")
        undone = house.say(f"undo {copied.run_id}").run_id
        engine.layer("web").file("etc/more.conf", OTHER)
        reply = found(house, undone)
    assert "web:/etc/more.conf is gone again." in reply.text
    assert SINCE in reply.text
    assert reply.facts["sha256"] == ""


def _written(engine: FakeEngine, sha256: bytes) -> dict[str, str]:
    return {
        "holder": engine.container("web").id, "storage": "", "directory": "/etc", "run": "7f3a2c1b", "name": "app.conf",
        "was": "file", "place": f"web:/{PLACE}", "before": hashlib.sha256(OLD).hexdigest(),
        "sha256": hashlib.sha256(sha256).hexdigest() if sha256 else "",
    }  # fmt: skip


@pytest.mark.parametrize("left", [NEW, b""])
def test_without_its_other_name_the_old_file_is_not_called_put_back(engine: FakeEngine, left: bytes) -> None:
    """Somebody removed it: while the place holds what the run left, people are told where the old file is."""
    layer = engine.layer("web")
    layer.remove(PLACE)
    if left:
        layer.file(PLACE, left)
    with pytest.raises(EngineError, match="Backup 7f3a2c1b holds that file"):
        put_back_file(engine, _written(engine, left))
    layer.file(PLACE, OLD)
    put_back_file(engine, _written(engine, left))
    assert layer.files() == {PLACE: OLD}


def test_a_file_of_an_older_version_is_taken_back_as_before(engine: FakeEngine) -> None:
    """What was written down then does not say what was at the place."""
    written = {key: value for key, value in _written(engine, NEW).items() if key not in ("before", "sha256")}
    put_back_file(engine, written)
    assert engine.layer("web").files() == {PLACE: OLD}
