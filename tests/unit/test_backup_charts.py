"""`backups --chart`: sizes, durations and ages of what somebody may see, drawn and in words, over a real history."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

import handlers
from bot import cli
from bot.alarmrules import MAX_AGE_LABEL
from bot.app import build
from bot.charts import chart
from bot.errors import EngineError
from bot.model import Outcome, Status
from bot.operations.holds import failed
from tests.fakes import FakeEngine
from tests.support.house import ROLES, House, from_slack, refuse_untrue, settings

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
TOML = (
    ROLES
    + """
[roles.databases]
members = ["U0CAT"]
right = "view"
targets = ["volume:pg*"]
[alarms]
max_age_hours = 192
ages = { "lo*" = 48 }
"""
)


class Archive:
    """A house whose clock only the test moves, with three volumes."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ahead = timedelta(0)

    def clock(self) -> datetime:
        """The bot's."""
        return NOW + self.ahead

    def backed_up(self, *names: str, days: int = 1) -> None:
        """One backup of each on so many days, a day apart; then a day goes by."""
        for _ in range(days):
            for name in names:
                assert self.house.say(f"backup {name}").status is Status.SUCCEEDED
            self.ahead += timedelta(days=1)

    def drawn(self, line: str = "backups --chart", user: str = "") -> tuple[Outcome, bytes]:
        """What is said, and the picture."""
        outcome = self.house.say(from_slack(line, user=user) if user else line)
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        (file,) = outcome.reply.attachments
        with self.house.app.services.outgoing.open(outcome.run_id, file) as content:
            return outcome, content.read()


@pytest.fixture
def archive(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[Archive]:
    """With nothing in it yet."""
    fake_engine.add_volume("logs", {"a": b"1"})
    fake_engine.add_volume("cache", {"a": b"1"}, **{MAX_AGE_LABEL: "6h"})
    made: list[Archive] = []
    clock = lambda: made[0].clock() if made else NOW  # noqa: E731
    app = build(
        settings(tmp_path / "state", toml=TOML), handlers.load(), engines={"local": fake_engine}, clock=clock
    )
    try:
        assert app.sole.take("serve")
        app.begin()
        made.append(Archive(House(app)))
        yield made[0]
        refuse_untrue(app)
    finally:
        app.end()


def _size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as picture:
        picture.verify()
        assert len(content) < 100_000
        return picture.size


def test_a_history_becomes_a_picture_and_the_same_in_words(archive: Archive) -> None:
    """Sizes and durations of all backups, and how old the newest is against the limit of settings and label."""
    archive.backed_up("pgdata", "logs", days=3)
    archive.backed_up("cache")
    outcome, content = archive.drawn()
    text = outcome.reply.text
    assert text.startswith("7 backups.")
    assert "cache 24 h of 6 h, too old; logs 2 d of 2 d; pgdata 2 d of 8 d." in text
    assert "pgdata: 3 backups from 2026-11-20 to 2026-11-22" in text
    assert "cache: 1 backup of 2026-11-23" in text
    (file,) = outcome.reply.attachments
    assert file.name == f"backups-{outcome.run_id}.png"
    assert file.alt in text
    assert file.size == len(content)
    width, height = _size(content)
    assert (width, height > chart.HEIGHT) == (chart.WIDTH, True)
    assert len(outcome.reply.table.rows if outcome.reply.table else ()) == 7


def test_one_volume_and_one_backup_are_enough(archive: Archive) -> None:
    """The picture is of what was asked for."""
    archive.backed_up("pgdata", "logs")
    outcome, content = archive.drawn("backups pgdata --chart")
    assert "pgdata 24 h of 8 d." in outcome.reply.text
    assert "logs" not in outcome.reply.text
    _size(content)


def test_nothing_to_draw_is_said(archive: Archive) -> None:
    """An empty archive gives no picture."""
    outcome = archive.house.say("backups --chart")
    assert outcome.reply.attachments == ()
    assert "0 backups. There is no backup to draw." in outcome.reply.text


def test_only_what_the_asker_may_see(archive: Archive) -> None:
    """Neither the picture nor the list has a volume that no role of theirs reaches."""
    archive.backed_up("pgdata", "logs", days=2)
    outcome, mine = archive.drawn(user="U0CAT")
    assert "2 backups. 2 more are not shown, for your roles do not reach them." in outcome.reply.text
    assert "logs" not in json.dumps([outcome.reply.text, outcome.reply.attachments[0].alt])
    assert {row[1] for row in outcome.reply.table.rows} == {"pgdata"}  # type: ignore[union-attr]
    assert "logs" in archive.drawn(user="U0ANN")[0].reply.text
    assert mine == archive.drawn("backups pgdata --chart", user="U0ANN")[1]


def test_what_was_found_bad_is_not_verified(archive: Archive) -> None:
    """The age is that of the newest one that counts, or there is none."""
    archive.backed_up("pgdata", days=2)
    store = archive.house.app.services.archive
    newest, older = store.backups()
    store.mark(newest, lambda marks: failed(marks, NOW, "rotten"))
    assert "pgdata 2 d of 8 d." in archive.drawn()[0].reply.text
    store.mark(older, lambda marks: failed(marks, NOW, "rotten"))
    assert "pgdata has none." in archive.drawn()[0].reply.text


def test_a_host_that_is_away_costs_no_picture(archive: Archive, fake_engine: FakeEngine) -> None:
    """Labels are then those that the newest backup has kept."""
    archive.backed_up("cache")
    fake_engine.faults.failing["volumes"] = EngineError("Host local does not answer.")
    assert "cache 24 h of 6 h, too old." in archive.drawn()[0].reply.text


def test_another_page_gives_no_other_picture(archive: Archive) -> None:
    """The picture shows all backups, and buttons to other pages leave it out."""
    archive.backed_up("pgdata", days=3)
    outcome, _ = archive.drawn("backups --chart --limit 2")
    assert [button.line for button in outcome.reply.buttons] == ["backups --page 2 --limit 2"]
    assert "pgdata: 3 backups from" in outcome.reply.attachments[0].alt


def test_words_are_in_the_language_of_the_reader(archive: Archive) -> None:
    """The picture is the same for all, in the letters that its font has; what it says is in Korean."""
    archive.backed_up("pgdata", days=2)
    plain, english = archive.drawn(user="U0ANN")
    asked = replace(from_slack("backups --chart", user="U0ANN"), language="ko")
    korean = archive.house.say(asked)
    (file,) = korean.reply.attachments
    with archive.house.app.services.outgoing.open(korean.run_id, file) as content:
        assert content.read() == english
    assert file.alt != plain.reply.attachments[0].alt
    assert "pgdata" in file.alt


def test_a_digest_draws_ages_too(archive: Archive) -> None:
    """In chat always, and in a shell when it is asked for."""
    archive.backed_up("pgdata", days=2)
    (file,) = archive.house.say(from_slack("digest")).reply.attachments
    assert "pgdata 24 h of 8 d." in file.alt
    assert archive.house.say("digest").reply.attachments == ()
    outcome, content = archive.drawn("digest --chart")
    assert outcome.reply.attachments[0].name == f"digest-{outcome.run_id}.png"
    _size(content)


def test_a_shell_gets_the_picture_as_a_file(
    tmp_path: Path,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--files` names the directory; the picture lies there, and its path is printed."""
    archive.backed_up("pgdata", days=2)
    for name, place in (("STATE", "state"), ("SETTINGS", "state/settings.toml")):
        monkeypatch.setenv(f"SHIPKEEPER_{name}", str(tmp_path / place))
    (tmp_path / "there").mkdir()
    told = cli.main(
        ["backups", "pgdata", "--chart", "--json", "--files", str(tmp_path / "there")], handlers.load()
    )
    assert told == 0
    (path,) = (tmp_path / "there").glob("backups-*.png")
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["path"] == str(path)
    _size(path.read_bytes())
