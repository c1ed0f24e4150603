"""Schedules that the settings keep: checked whole, stored at the start and at a reload, and only what differs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import App, build
from bot.errors import StoreError
from bot.model import Actor, Status
from bot.reload import Means, Reloader
from bot.settings import Settings, SettingsError, read
from bot.stores.audit import AuditEvent
from bot.stores.schedules import Kept, Schedule
from bot.times.when import by_cron
from handlers import load
from tests.fakes import FakeEngine
from tests.support.house import ROLES, House, at_work, refuse_untrue, settings
from tests.support.schedules import waiting

NIGHTLY = """
[schedules.nightly]
when = "daily at 03:00"
command = "backup pgdata --quiesce stop"
zone = "Asia/Seoul"
owner = "U0ANN"
channel = "C0OPS"
quiet = true
prune = true
grace_minutes = 90
"""
OFTEN = '[schedules.often]\nwhen = "every 6h"\ncommand = "backup pgdata"\n'
BEGIN = datetime(2027, 1, 31, 12, tzinfo=UTC)


class _Site:
    """An app over one state directory, built anew with other settings, on a clock that tests move."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = BEGIN
        self.engine = FakeEngine()
        self.engine.add_volume("pgdata", {"file": b"rows"})

    def settings(self, toml: str) -> Settings:
        """As they are read from a file with this in it."""
        return settings(self.directory, toml=ROLES + toml)

    @contextmanager
    def started(self, toml: str) -> Iterator[App]:
        """An app that has made the table equal to its settings."""
        app = build(self.settings(toml), load(), engines={"local": self.engine}, clock=lambda: self.now)
        try:
            app.kept_in_settings.sync()
            yield app
        finally:
            app.end()


@pytest.fixture
def site(tmp_path: Path) -> _Site:
    """A site whose clock stands still."""
    return _Site(tmp_path)


def kinds(app: App) -> list[str]:
    """What the audit log has of schedules, oldest first."""
    lines = reversed(app.services.audit.lines(limit=100))
    return [line.event.kind for line in lines if line.event.kind.startswith("schedule-")]


def test_what_is_said_is_what_is_stored(site: _Site) -> None:
    """Every key, and the defaults of those that are left out; each is written down once."""
    with site.started(NIGHTLY + OFTEN) as app:
        nightly, often = app.services.schedules.all()
        assert kinds(app) == ["schedule-added", "schedule-added"]
        (event,) = [line.event for line in app.services.audit.lines(limit=9, target="volume:pgdata")][1:]
        assert (event.actor.id, event.facts["schedule"], event.run_id) == ("cli:settings", "nightly", "")
    assert (nightly.when.cron, nightly.when.zone, nightly.line) == (
        "0 3 * * *",
        "Asia/Seoul",
        "backup pgdata --quiesce stop",
    )
    assert (nightly.owner.id, nightly.channel, nightly.kept) == ("U0ANN", "C0OPS", Kept.SETTINGS)
    assert (nightly.quiet, nightly.prune, nightly.grace) == (True, True, timedelta(minutes=90))
    assert (nightly.created_at, nightly.dealt_with_at) == (BEGIN, BEGIN)
    assert (often.owner, often.channel) == (Actor(id="cli:settings", name="settings"), None)
    assert (often.when.every, often.when.anchor, often.grace) == (
        timedelta(hours=6),
        BEGIN,
        timedelta(days=1),
    )


def test_a_restart_changes_nothing(site: _Site) -> None:
    """Neither rows nor the audit log: an interval is still counted from where it was, and a suspension stays."""
    with site.started(NIGHTLY + OFTEN) as app:
        nightly, _ = app.services.schedules.all()
        with app.database.write() as connection:
            app.services.schedules.suspend(connection, nightly, "its owner may not")
        before = app.services.schedules.all()
    site.now += timedelta(days=2)
    with site.started(NIGHTLY + OFTEN) as app:
        assert app.services.schedules.all() == before
        assert kinds(app) == ["schedule-added", "schedule-added"]


def test_only_another_time_begins_anew(site: _Site) -> None:
    """What was due meanwhile is still to be dealt with when anything else changed."""
    with site.started(NIGHTLY):
        pass
    site.now += timedelta(days=2)
    with site.started(NIGHTLY.replace("pgdata --quiesce stop", "pgdata")) as app:
        changed = app.services.schedules.get("nightly")
        assert (changed.line, changed.dealt_with_at, changed.revision) == ("backup pgdata", BEGIN, 2)
    with site.started(NIGHTLY.replace("03:00", "04:00")) as app:
        changed = app.services.schedules.get("nightly")
        assert (changed.when.cron, changed.dealt_with_at) == ("0 4 * * *", site.now)
        assert changed.created_at == BEGIN
        assert kinds(app) == ["schedule-added", "schedule-changed", "schedule-changed"]


def test_what_is_gone_is_removed_and_the_rest_left_alone(site: _Site) -> None:
    """Of the settings' own; what people made in chat stays."""
    with site.started(NIGHTLY + OFTEN) as app:
        app.services.schedules.add(in_chat("mine"), _event(app))
    with site.started(OFTEN) as app:
        assert [one.name for one in app.services.schedules.all()] == ["mine", "often"]
        assert kinds(app)[-1] == "schedule-removed"


def test_settings_take_a_name_over(site: _Site, caplog: pytest.LogCaptureFixture) -> None:
    """One that was made in chat gives way, with a warning in both logs that says what it was."""
    with site.started("") as app:
        app.services.schedules.add(in_chat("nightly"), _event(app))
    with caplog.at_level(logging.WARNING), site.started(NIGHTLY) as app:
        assert app.services.schedules.get("nightly").kept is Kept.SETTINGS
        newest = app.services.audit.lines(limit=1)[0].event
    assert (newest.kind, newest.detail) == (
        "schedule-changed",
        "The settings took it over from ann; it was `backup other1`, 0 5 * * *.",
    )
    assert newest.detail in caplog.text


def test_a_paused_one_does_not_fire(site: _Site) -> None:
    """Until the settings say otherwise; what was due meanwhile is not made up for."""
    with site.started(OFTEN + "paused = true\n") as app:
        assert app.services.schedules.get("often").paused_by == "settings"
    site.now += timedelta(days=2)
    with site.started(OFTEN) as app:
        resumed = app.services.schedules.get("often")
        assert (resumed.is_on, resumed.dealt_with_at) == (True, site.now)
        assert resumed.when.anchor == BEGIN


@pytest.mark.parametrize("then", ["", OFTEN + "paused = true\n"])
def test_what_has_not_begun_does_not_begin_when_settings_end_it(site: _Site, then: str) -> None:
    """Neither after it was taken out of the settings nor after it was paused there, as in chat."""
    with site.started(OFTEN) as app:
        run_id = waiting(app, "often", site.now + timedelta(minutes=50))
    with site.started(then) as app:
        ended = app.services.runs.get(run_id)
        assert (ended.status, ended.started_at) == (Status.CANCELLED, None)
        assert ended.reply is not None
        assert "Cancelled by settings before it began." in ended.reply.text


def test_a_suspension_ends_with_a_change(site: _Site) -> None:
    """Such as another owner: it fires from then on, and what was due meanwhile is not made up for."""
    with site.started(NIGHTLY) as app, app.database.write() as connection:
        app.services.schedules.suspend(connection, app.services.schedules.get("nightly"), "may not")
    site.now += timedelta(days=2)
    with site.started(NIGHTLY.replace("U0ANN", "U0ADA")) as app:
        changed = app.services.schedules.get("nightly")
        assert (changed.owner.id, changed.suspended, changed.dealt_with_at) == ("U0ADA", None, site.now)


WRONG = [
    ('when = "0 0 31 2 *"\ncommand = "backup pgdata"', "schedules.x: “0 0 31 2 *” is never due"),
    ('when = "hourly"\nzone = "Asia/Soul"\ncommand = "backup pgdata"', "did you mean Asia/Seoul"),
    ('when = "hourly backup pgdata"\ncommand = "backup pgdata"', "`when`: “backup pgdata” stands behind"),
    ('when = "hourly"\ncommand = "bakcup pgdata"', "Did you mean backup?"),
    ('when = "hourly"\ncommand = "backup"', "is missing"),
    ('when = "hourly"\ncommand = "approve 7f3a2c1b"', "no schedule may carry it out"),
    ('when = "hourly"\nprune = true\ncommand = "drill pgdata"', "goes with schedules of `backup` only"),
    ('when = "hourly"\njitter_minutes = 60\ncommand = "backup pgdata"', "A jitter of"),
    ('when = "hourly"\ncommand = "backup web:/"', "A whole container cannot be taken by its files"),
    ('when = "hourly"\ncommand = "backup web:/a/../b"', "must begin with / and hold no “..”"),
    ('when = "hourly"\ncommand = "exec db vacuum pw=hunter2"', "holds a secret of a runbook"),
]
RUNBOOK = """
[runbooks.vacuum]
command = ["vacuumdb"]
containers = ["db*"]
[runbooks.vacuum.parameters.pw]
secret = true
variable = "VACUUM_PASSWORD"
"""


@pytest.mark.parametrize(("section", "sentence"), WRONG)
def test_what_is_wrong_is_said_at_the_start(site: _Site, section: str, sentence: str) -> None:
    """With the schedule's name, and never a secret."""
    with pytest.raises(SettingsError) as refused:
        build(site.settings(f"{RUNBOOK}[schedules.x]\n{section}\n"), load(), engines={"local": site.engine})
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_all_that_is_wrong_is_said_together(site: _Site) -> None:
    """A line for each schedule; what one key alone says is said by the reader of the file."""
    two = '[schedules.a]\nwhen = "x"\ncommand = "y"\n[schedules.b]\nwhen = "hourly"\ncommand = "z"\n'
    with pytest.raises(SettingsError) as refused:
        build(site.settings(two), load(), engines={"local": site.engine})
    assert [line.partition(":")[0].strip(" -") for line in str(refused.value).splitlines()[1:]] == [
        "schedules.a",
        "schedules.b",
    ]
    with pytest.raises(SettingsError) as refused:
        site.settings('[schedules."a b"]\nwhen = "x"\ncommand = "y"\nowner = "ann"\nchannel = "#ops"\n')
    said = str(refused.value)
    assert "schedules.a b.owner: is not a Slack user id" in said
    assert "schedules.a b.channel: is no id of a Slack channel" in said


def test_a_changed_file_counts_at_once(site: _Site) -> None:
    """A reload adds, changes and removes; one that is wrong changes nothing; one that cannot be stored comes again."""
    file = site.directory / "settings.toml"
    with site.started(NIGHTLY) as app:
        looked = _reloader(site, app)
        looked()
        file.write_text(ROLES + NIGHTLY.replace("03:00", "05:00") + OFTEN)
        looked()
        assert [one.when.text for one in app.services.schedules.all()] == ["daily at 05:00", "every 6h"]
        file.write_text(ROLES + NIGHTLY.replace("daily at 03:00", "sometimes"))
        looked()
        assert len(app.services.schedules.all()) == 2
        file.write_text(ROLES + OFTEN)
        looked()
        assert [one.name for one in app.services.schedules.all()] == ["often"]
        last = kinds(app)
    assert last == ["schedule-added", "schedule-changed", "schedule-added", "schedule-removed"]


def test_what_could_not_be_stored_is_stored_later(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away for a moment loses no schedule of the settings."""
    with site.started("") as app:
        looked = _reloader(site, app)
        looked()
        put = app.services.schedules.put

        def away(*_: object) -> None:
            raise StoreError("The disk is full.")

        monkeypatch.setattr(app.services.schedules, "put", away)
        (site.directory / "settings.toml").write_text(ROLES + OFTEN)
        looked()
        assert app.services.schedules.all() == ()
        monkeypatch.setattr(app.services.schedules, "put", put)
        looked()
        assert [one.name for one in app.services.schedules.all()] == ["often"]


def test_chat_lists_and_runs_it_but_does_not_change_it(tmp_path: Path, site: _Site) -> None:
    """It is told where it is kept."""
    with at_work(site.settings(OFTEN), {"local": site.engine}) as house:
        house.app.kept_in_settings.sync()
        assert "under `[schedules.often]`" in _said(house, "pause often", Status.REJECTED)
        assert "under `[schedules.often]`" in _said(house, "unschedule often", Status.REJECTED)
        _said(house, "run-now often", Status.SUCCEEDED)
        table = house.say("schedules").reply.table
        assert table is not None
        assert (table.rows[0][0], table.rows[0][-1]) == ("often", "settings")
        refuse_untrue(house.app)
    assert tmp_path


def _said(house: House, line: str, status: Status) -> str:
    outcome = house.say(line)
    assert outcome.status is status, outcome.reply.text
    return outcome.reply.text


def _reloader(site: _Site, app: App) -> Callable[[], None]:
    environment = {
        "SHIPKEEPER_STATE": str(site.directory),
        "SHIPKEEPER_SETTINGS": str(site.directory / "settings.toml"),
    }
    means = Means(
        read=lambda: read(environment),
        file=site.directory / "settings.toml",
        record=app.record,
        clock=lambda: site.now,
    )
    reloader = Reloader(app.settings, app.swappers, means)

    def look_twice() -> None:
        reloader.look()
        reloader.look()

    return look_twice


def in_chat(name: str) -> Schedule:
    """One that Ann made."""
    return Schedule(
        name=name,
        line="backup other1",
        when=by_cron("0 5 * * *", "UTC"),
        owner=Actor(id="U0ANN", name="ann"),
        language="en",
        channel="C0OPS",
        created_at=BEGIN,
        dealt_with_at=BEGIN,
    )


def _event(app: App) -> AuditEvent:
    made = app.services.audit.lines(limit=1)
    if made:
        return replace(made[0].event, kind="made-in-a-test")
    return app.kept_in_settings._event("made-in-a-test", in_chat("any"), "")
