"""What three guides in docs/ tell people to type is typed, in their order, to the whole bot, and works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.model import Status
from bot.stores.runrow import Run
from tests.fakes import FakeEngine
from tests.slack.workplace import Workplace
from tests.support.pages import Block, page

pytestmark = pytest.mark.slack

SLACKS_OWN = "/invite"
SAVED = {"base/1/table": b"rows" * 1000, "PG_VERSION": b"15\n"}


@pytest.fixture
def typist(closed: Workplace) -> Iterator[Workplace]:
    """A workplace that each test opens itself, and whose bot has kept every law in the end."""
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


def _typed(work: Workplace, line: str, status: Status = Status.SUCCEEDED) -> Run:
    """Type it as Ann in the channel; the run, which ended so."""
    command, _, text = line.partition(" ")
    return work.ended(work.slash(command, text), status)


def _lines(blocks: list[Block]) -> list[str]:
    return [
        line for block in blocks if not block.kind for line in block.lines if not line.startswith(SLACKS_OWN)
    ]


def test_ten_minutes_to_slack(typist: Workplace) -> None:
    """A stranger asks who they are, gets the role of the guide, and comes to a backup that was tried."""
    guide = page("docs/slack.md")
    role, first = guide.under("4. Give yourself a role"), guide.under("6. The first backup")
    typist.keepers = ["U0ADA"]
    typist.open()
    who, why = _lines(role)
    assert "U0ANN" in _typed(typist, who).reply.text
    (snippet,) = (block.text for block in role if block.kind == "toml")
    typist.more_toml = snippet.replace("U012ABCDEF", "U0ANN")
    typist.restart()
    assert "operators" in str(_typed(typist, why).reply)
    assert len([_typed(typist, line) for line in _lines(first)]) == 4
    assert typist.backups() == 1


def test_restoring_after_an_accident(typist: Workplace) -> None:
    """Each step of the guide does what it says: look, beside the volume, one file, all of it, and back again."""
    typist.open()
    backup = _typed(typist, "/backup pgdata")
    typist.engine.tree("pgdata").remove("base/1/table")
    typist.engine.put_file("pgdata", "PG_VERSION", b"16\n")
    seen, replaced = [], ""
    for line in _lines(page("docs/howto.md").under("Restore after an accident")):
        run = _typed(typist, line.replace("7f3a2c1b", backup.id).replace("5c0ffee1", replaced))
        replaced = run.id
        seen.append(dict(typist.engine.files("pgdata")))
    accident, one_file = {"PG_VERSION": b"16\n"}, {**SAVED, "PG_VERSION": b"16\n"}
    assert seen == [accident] * 5 + [one_file] * 2 + [SAVED, one_file]
    assert typist.engine.files("pgdata-look") == SAVED


def test_moving_a_volume(typist: Workplace) -> None:
    """Both hosts of the guide, the volume on the other one, and the plan of its removal from the first."""
    guide = page("docs/howto.md").under("Move a volume to another host")
    typist.more_toml = next(block.text for block in guide if block.kind == "toml")
    typist.more_engines = {"alpha": FakeEngine("alpha"), "beta": FakeEngine("beta")}
    typist.more_engines["alpha"].add_volume("pgdata", SAVED, team="db")
    typist.open()
    moving = next(block for block in guide if not block.kind)
    backup, restore, removal = moving.lines
    made = _typed(typist, backup)
    _typed(typist, restore.replace("7f3a2c1b", made.id))
    assert typist.more_engines["beta"].files("pgdata") == SAVED
    assert typist.more_engines["beta"].volume("pgdata").labels["team"] == "db"
    planned = _typed(typist, removal, Status.PARTIAL)
    assert planned.reply.text.startswith("Nothing was removed yet.")
    assert typist.more_engines["alpha"].files("pgdata") == SAVED


def test_making_and_looking_after_schedules(typist: Workplace) -> None:
    """All that docs/schedules.md teaches to type is taken; what was unscheduled is gone, the rest is there."""
    guide = page("docs/schedules.md")
    typist.open()
    for heading in ("Making one", "Looking after them", "Pruning, drills, and the digest"):
        for line in _lines(guide.under(heading)):
            _typed(typist, f"/docker {line}")
    assert {one.name for one in typist.bot.app.services.schedules.all()} == {
        "weekly", "often", "nightly-files", "nightly-pg", "drills", "reading", "pg-drills", "monday",
    }  # fmt: skip
    typist.wait_until_quiet()
    assert typist.backups() >= 1  # `run-now`; at 03:00 another one may be due
