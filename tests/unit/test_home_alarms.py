"""Alarms on Home pages: only what somebody may see, the oldest first, and the rest counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.model import Actor
from bot.overview import Overview, Overviews
from bot.slack.homealarms import alarms
from bot.slack.homepaper import Paper
from bot.stores.activity import Activity
from bot.stores.alarms import Alarm, Told
from tests.fakes import FakeEngine
from tests.support.house import built, settings

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOML = """
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.few]
members = ["U0CAT"]
right = "operate"
targets = ["volume:other*"]
"""


def _alarm(number: int, text: str = "It is old.") -> Alarm:
    return Alarm(
        key=f"stale:local/v{number}",
        kind=AlarmKind.STALE,
        text=text,
        opened_at=AT + timedelta(hours=number),
        told_at=None,
    )


def _page(*found: Alarm) -> str:
    overview = Overview(
        actor=Actor(id="U0ANN", name="ann"), is_new=False, has_role=True, may=(), alarms=found
    )
    paper = Paper(overview=overview, docker="/docker", tokens={}, picture=None)
    return json.dumps(list(alarms(paper)), ensure_ascii=False)


def test_nothing_is_said_when_all_is_well() -> None:
    """No heading stands there without an alarm."""
    assert _page() == "[]"


def test_the_first_five_are_shown() -> None:
    """With what they are, since when, and a command for the others; their words call nobody."""
    said = _page(*(_alarm(number, f"Number {number} <!channel>.") for number in range(8)))
    assert said.count("backup too old") == 5
    assert "and 3 more" in said
    assert "`/docker alarms`" in said
    assert "<!channel>" not in said


def test_everybody_sees_what_their_roles_reach(tmp_path: Path) -> None:
    """Backups of volumes that somebody may not see are not named; a stranger sees nothing at all."""
    found = Findings(
        conditions=tuple(
            Condition(kind=AlarmKind(key.partition(":")[0]), key=key, text=key)
            for key in ("stale:local/pgdata", "stale:local/other1", "unprotected:local", "host:local")
        )
    )
    with built(settings(tmp_path / "state", toml=TOML), {"local": FakeEngine()}) as app:
        app.services.alarms.settle(found, lambda _: Told(), is_heard=True)
        overviews = Overviews(app.services, Activity(app.database))
        survey = overviews.survey()
        seen = {
            user: {one.key for one in overviews.of(user, survey).alarms}
            for user in ("U0ANN", "U0CAT", "U0EVE")
        }
    assert seen == {
        "U0ANN": {"stale:local/pgdata", "stale:local/other1", "unprotected:local", "host:local"},
        "U0CAT": {"stale:local/other1", "host:local"},
        "U0EVE": set(),
    }
