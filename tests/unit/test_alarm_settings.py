"""The settings of alarms: what is refused, what a reload takes, and that the heartbeat's URL stays a secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.alarmrules import AlarmRules
from bot.reload import Means, Reloader
from bot.settings import Settings, SettingsError, read
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.house import built, settings
from tests.support.logged import logged

SECRET = canary("heartbeat")


def _rules(tmp_path: Path, toml: str) -> AlarmRules:
    made = settings(tmp_path / "state", toml=toml)
    with built(made, {"local": FakeEngine()}) as app:
        return app.services.alarm_rules.rules


def test_defaults(tmp_path: Path) -> None:
    """Nobody is told; eight days, a tenth of the disk, three times, twelve hours."""
    assert _rules(tmp_path, "") == AlarmRules(
        channel="",
        max_age=timedelta(days=8),
        ages={},
        unprotected=True,
        free_percent=10,
        slower=3,
        overdue=timedelta(hours=12),
    )


def test_what_is_said_counts(tmp_path: Path) -> None:
    """Hours may have a fraction; zero is no limit; patterns keep their order."""
    rules = _rules(
        tmp_path,
        '[alarms]\nchannel = "C0ALARM"\nmax_age_hours = 0\nages = { "pg*" = 1.5, "*" = 0, "x" = 3 }\n',
    )
    assert (rules.channel, rules.max_age) == ("C0ALARM", None)
    assert list(rules.ages.items()) == [
        ("pg*", timedelta(hours=1, minutes=30)),
        ("*", None),
        ("x", timedelta(hours=3)),
    ]
    assert rules.limit_of("local", "x") is None
    assert rules.limit_of("local", "pgdata") == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('chanel = "C0OPS"', "alarms.chanel: there is no such key; did you mean channel?"),
        ('channel = "#ops"', "alarms.channel"),
        ('channel = "U012ABCDEF"', "alarms.channel"),
        ("max_age_hours = -1", "alarms.max_age_hours"),
        ("max_age_hours = nan", "alarms.max_age_hours"),
        ("max_age_hours = 1e300", "alarms.max_age_hours"),
        ('ages = { "pg*" = -2 }', "alarms.ages"),
        ('ages = { "pg*" = inf }', "alarms.ages"),
        ('ages = { "" = 2 }', "alarms.ages"),
        ('ages = { "pg*" = "often" }', "alarms.ages"),
        ("free_percent = 100", "alarms.free_percent"),
        ("slower = 1", "alarms.slower"),
        ("slower = inf", "alarms.slower"),
        ("overdue_hours = 0", "alarms.overdue_hours"),
        ("heartbeat_seconds = 1", "alarms.heartbeat_seconds"),
        ('digest_zone = "Mars"', "alarms.digest_zone: is no time zone"),
        (f'heartbeat = "ftp://h/{SECRET}"', "alarms.heartbeat: give an address that begins with https://"),
        (f'heartbeat = "{SECRET}"', "alarms.heartbeat: give an address"),
        (f'heartbeat = "https:///{SECRET}"', "alarms.heartbeat: give an address"),
        (f'heartbeat = "https://h:x/{SECRET}"', "alarms.heartbeat: give an address"),
        (f'heartbeat = "https://h/{SECRET} x"', "alarms.heartbeat: give an address"),
        (f'heartbeat = ["https://h/{SECRET}"]', "alarms.heartbeat"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, toml: str, words: str) -> None:
    """Each with its place; the heartbeat's URL is not repeated."""
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path / "state", toml=f"[alarms]\n{toml}\n")
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


def test_the_heartbeat_is_a_secret(tmp_path: Path) -> None:
    """No repr shows it, and the audit log masks it, wherever it comes from."""
    made = settings(tmp_path / "state", toml=f'[alarms]\nheartbeat = "https://hc.example/{SECRET}"\n')
    assert SECRET not in repr(made)
    with built(made, {"local": FakeEngine()}) as app:
        assert SECRET not in repr(app)
        assert "hc.example" in repr(app.heartbeat._pulse)
        assert SECRET not in repr(app.heartbeat._pulse)
        assert SECRET not in app.services.audit._mask(f"see https://hc.example/{SECRET}")


def test_a_reload_takes_all_of_it(tmp_path: Path) -> None:
    """From the next look and the next beat on; what changed is written down without the secret."""
    before = '[alarms]\nmax_age_hours = 26\nheartbeat = "https://hc.example/old"\n'
    made = settings(tmp_path / "state", toml=before)
    file = tmp_path / "state" / "settings.toml"
    environment = {"SHIPKEEPER_STATE": str(tmp_path / "state"), "SHIPKEEPER_SETTINGS": str(file)}

    def again() -> Settings:
        return read(environment)

    with built(made, {"local": FakeEngine()}) as app, logged(level=30) as lines:
        means = Means(read=again, file=file, record=app.record, clock=app.services.clock)
        reloader = Reloader(made, app.swappers, means)
        file.write_text(
            f'[limits]\nper_minute = 0\n[alarms]\nchannel = "C0ALARM"\nages = {{ "pg*" = 4 }}\n'
            f'heartbeat = "https://hc.example/{SECRET}"\nheartbeat_seconds = 30\n'
        )
        reloader.look(was_asked=True)
        rules = app.services.alarm_rules.rules
        assert (rules.channel, rules.max_age) == ("C0ALARM", timedelta(hours=192))
        assert app.services.alarm_channel == "C0ALARM"
        assert rules.limit_of("local", "pg1") == timedelta(hours=4)
        assert SECRET in app.heartbeat._pulse.url
        assert app.heartbeat._pulse.every_seconds == 30
        (line,) = app.services.audit.lines(limit=10)
        assert "alarms.ages.pg*: nothing -> 4.0" in line.event.detail
        assert SECRET not in line.event.detail + "".join(lines)
        file.write_text('[limits]\nper_minute = 0\n[alarms]\nchannel = "ops"\n')
        reloader.look(was_asked=True)
        assert app.services.alarm_channel == "C0ALARM"
