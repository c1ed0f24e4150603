"""`check` looks at the machine and at what the bot keeps: each seeded fault is named with its remedy."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import zoneinfo
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import EngineError
from bot.model import Actor, Origin, Outcome, Status
from bot.operations.registries import Known, Registries, Rules
from bot.seals import Head
from bot.secrecy import Login
from bot.stores.audit import AuditEvent
from bot.stores.schedules import Schedule
from bot.times.when import by_cron
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.disks import fill, make_read_only, small_disk
from tests.support.doctored import client_of, refuse_unnamed, rows, troubles
from tests.support.fake_registry import FakeRegistry
from tests.support.house import ROLES, House, at_work, built, settings
from tests.support.registries import RealRegistry

pytestmark = pytest.mark.faults

ANN = Actor(id="cli:ann", name="ann")


@contextmanager
def ward(
    tmp_path: Path, *, registries: Registries | None = None, toml: str = ROLES, **environment: str
) -> Iterator[House]:
    """A house at work in which nothing is wrong yet, but for Slack, which is not set."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    engine = FakeEngine()
    engine.add_volume("pgdata", {"f": b"x" * 100})
    made = settings(state, toml=toml, **environment)
    with at_work(made, {"local": engine}, registries=registries) as house:
        yield house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The same, for a test that breaks it from inside."""
    with ward(tmp_path) as made:
        yield made


def refuse_more(outcome: Outcome, *named: str) -> None:
    """Fail if anything else is named, apart from Slack, which is not set in these tests."""
    assert set(troubles(outcome)) == {"warning slack", *named}


def test_in_a_healthy_house_only_slack_is_named(house: House) -> None:
    """It is not set there, which may be meant."""
    house.say("backup pgdata")
    outcome = house.say("check")
    refuse_more(outcome)
    assert outcome.status is Status.PARTIAL
    facts = outcome.reply.facts
    assert (facts["backups"], facts["wrong"], facts["warnings"]) == (1, 0, 1)
    assert int(str(facts["archive_free_bytes"])) > 0
    assert not list(house.app.settings.archive_path.glob(".shipkeeper*"))


def test_a_read_only_archive(tmp_path: Path) -> None:
    """A disk that the kernel mounted read-only."""
    with small_disk(tmp_path / "disk", 8) as disk:
        make_read_only(disk)
        with ward(tmp_path, SHIPKEEPER_ARCHIVE=str(disk)) as house:
            outcome = house.say("check")
    refuse_unnamed(outcome, "wrong archive", "Read-only file system", "SHIPKEEPER_ARCHIVE")


def test_a_full_archive(tmp_path: Path) -> None:
    """Not a byte fits any more, and nothing is left of the try."""
    with small_disk(tmp_path / "disk", 4) as disk:
        fill(disk)
        with ward(tmp_path, SHIPKEEPER_ARCHIVE=str(disk)) as house:
            outcome = house.say("check")
        assert [path.name for path in disk.iterdir()] == ["ballast"]
    refuse_unnamed(outcome, "wrong archive", "disk is full", "make room")
    refuse_more(outcome, "wrong archive")


def test_an_archive_that_is_nearly_full(tmp_path: Path) -> None:
    """A warning comes before it is too late."""
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk / "ballast").write_bytes(bytes(8_200_000))
        with ward(tmp_path, SHIPKEEPER_ARCHIVE=str(disk)) as house:
            outcome = house.say("check")
    refuse_unnamed(outcome, "warning archive", "nearly full", "prune --dry-run")
    refuse_more(outcome, "warning archive")


def test_a_largest_backup_that_would_not_fit_again(tmp_path: Path) -> None:
    """The next one of its kind would fail in the middle of the night."""
    with small_disk(tmp_path / "disk", 24) as disk, ward(tmp_path, SHIPKEEPER_ARCHIVE=str(disk)) as house:
        engine = house.app.services.engines["local"]
        assert isinstance(engine, FakeEngine)
        engine.add_volume("large", {"f": os.urandom(16_000_000)})
        assert house.say("backup large").status is Status.SUCCEEDED
        outcome = house.say("check")
    refuse_unnamed(outcome, "warning archive", "would not fit once more", "prune --dry-run")


def test_a_damaged_backup(house: House) -> None:
    """One whose file is shorter than it should be."""
    assert house.say("backup pgdata").status is Status.SUCCEEDED
    (backup,) = house.app.services.archive.backups()
    whole = backup.files.tar.read_bytes()
    backup.files.tar.write_bytes(whole[:-1])
    outcome = house.say("check")
    backup.files.tar.write_bytes(whole)
    refuse_unnamed(outcome, "warning backups", "1 damaged", "Make new backups")
    refuse_more(outcome, "warning backups")


@pytest.mark.parametrize("password", [canary("wrong-password")])
def test_a_wrong_registry_password(tmp_path: Path, password: str) -> None:
    """A real registry does not take the login of the settings."""
    with RealRegistry(tmp_path / "registry", users={"bot": "the right one"}) as registry:
        client = client_of(registry.host, Login(username="bot", password=password))
        with ward(tmp_path, registries=Registries([Known(registry=client, rules=Rules())])) as house:
            outcome = house.say("check")
    refuse_unnamed(outcome, "wrong registry", "company", "[registries.company]", "`login company`")
    refuse_more(outcome, "wrong registry")


def test_a_registry_that_is_down_and_one_that_asks_nobody(tmp_path: Path) -> None:
    """The one cannot be reached; to the other everybody could push."""
    down, free = FakeRegistry("down"), FakeRegistry("free", "free.example.com")
    down.down, free.me = True, Login(username="bot", password=canary("password"))
    both = Registries([Known(registry=one, rules=Rules()) for one in (down, free)])
    with ward(tmp_path, registries=both) as house:
        outcome = house.say("check")
    refuse_unnamed(
        outcome, "wrong registry", "down cannot be reached", "See whether registry.example.com runs"
    )
    refuse_unnamed(outcome, "warning registry", "free lets everybody in", "users")


def test_a_host_that_refuses(house: House) -> None:
    """Docker is stopped there."""
    engine = house.app.services.engines["local"]
    assert isinstance(engine, FakeEngine)
    engine.faults.failing["examine"] = EngineError("Docker on host “local” could not be reached.")
    outcome = house.say("check")
    refuse_unnamed(outcome, "wrong host", "could not be reached", "whether Docker runs on host local")
    refuse_more(outcome, "wrong host")


def test_a_host_whose_clock_is_wrong(house: House) -> None:
    """Times of containers would not agree with ours."""
    engine = house.app.services.engines["local"]
    assert isinstance(engine, FakeEngine)
    engine.clock_is_ahead = timedelta(minutes=7)
    outcome = house.say("check")
    refuse_unnamed(outcome, "warning host", "behind that of host local", "NTP")
    refuse_more(outcome, "warning host")


def test_no_getfattr(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH on which one of the programs of the tools is missing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in os.environ["PATH"].split(":"):
        for path in Path(directory).glob("*") if Path(directory).is_dir() else ():
            if path.name != "getfattr" and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(programs))
    outcome = house.say("check")
    refuse_unnamed(outcome, "wrong programs", "getfattr", "Debian packages attr")
    refuse_more(outcome, "wrong programs")


def test_ssh_is_needed_for_hosts_over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for others."""
    empty = tmp_path / "empty"
    empty.mkdir()
    with ward(tmp_path, toml=ROLES + '[hosts.local]\naddress = "ssh://root@far"\n') as house:
        monkeypatch.setenv("PATH", str(empty))
        outcome = house.say("check")
    refuse_unnamed(outcome, "wrong programs", "ssh", "openssh-client")


def test_time_zones_that_are_missing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule in Seoul on a machine without time zones, neither Debian's nor Python's."""
    put(house, zone="Asia/Seoul")
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        outcome = house.say("check")
    finally:
        zoneinfo.reset_tzpath()
    refuse_unnamed(outcome, "wrong time-zones", "Asia/Seoul", "tzdata")
    refuse_more(outcome, "wrong time-zones")


def put(house: House, *, zone: str = "UTC", since: timedelta = timedelta(0)) -> Schedule:
    """A schedule of every night whose due times are dealt with up to so long ago."""
    now = datetime.now(UTC)
    schedule = Schedule(
        name="nightly",
        line="backup pgdata",
        when=by_cron("0 3 * * *", zone),
        owner=ANN,
        language=None,
        channel=None,
        created_at=now - since,
        dealt_with_at=now - since,
    )
    event = AuditEvent(
        run_id="",
        kind="scheduled",
        at=now,
        actor=ANN,
        origin=Origin.CLI,
        channel=None,
        command=None,
        line="",
        host="",
    )
    house.app.services.schedules.add(schedule, event)
    return schedule


def test_a_schedule_that_is_in_order(house: House) -> None:
    """It was dealt with just now."""
    put(house)
    outcome = house.say("check")
    refuse_more(outcome)
    assert "1 schedule is in order." in {one["what"] for one in rows(outcome)}


def test_a_suspended_schedule(house: House) -> None:
    """Its owner may not any more."""
    schedule = put(house)
    with house.app.database.write() as connection:
        house.app.services.schedules.suspend(connection, schedule, "ann has left.")
    outcome = house.say("check")
    refuse_unnamed(outcome, "warning schedules", "nightly", "ann has left.", "`resume nightly`")
    refuse_more(outcome, "warning schedules")


def test_a_schedule_that_nobody_dealt_with(house: House) -> None:
    """It was due three days ago, and a bot serves."""
    put(house, since=timedelta(days=3))
    outcome = house.say("check")
    refuse_unnamed(outcome, "wrong schedules", "nightly", "nobody dealt with it", "run-now nightly")
    refuse_more(outcome, "wrong schedules")


def test_an_audit_log_that_was_changed(tmp_path: Path) -> None:
    """Somebody wrote into the table behind the bot's back."""
    with ward(tmp_path) as house:
        house.say("backup pgdata")
        with closing(sqlite3.connect(house.app.settings.state / "shipkeeper.db")) as rows_of_it, rows_of_it:
            rows_of_it.execute("DROP TRIGGER audit_no_update")
            rows_of_it.execute("UPDATE audit SET actor_name = 'nobody' WHERE seq = 1")
        outcome = house.say("check")
    refuse_unnamed(outcome, "wrong audit", "entry 1", "audit verify")
    refuse_more(outcome, "wrong audit")


def test_an_audit_log_of_which_another_head_was_published(house: House) -> None:
    """It was cut, or written anew, since."""
    house.app.services.heads.publish(Head(seq=1, hash="f" * 64, at=datetime.now(UTC).isoformat()))
    outcome = house.say("check")
    refuse_unnamed(outcome, "wrong audit", "published last", "audit verify")


def test_a_state_directory_that_is_open_to_others(house: House) -> None:
    """Anybody on the machine could read the database."""
    house.app.settings.state.chmod(0o755)
    outcome = house.say("check")
    refuse_unnamed(outcome, "warning state-directory", "rights 755", "chmod 700")
    refuse_more(outcome, "warning state-directory")


def test_no_bot_serves(tmp_path: Path) -> None:
    """Only a shell lives, and it ends with its command."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with built(settings(state), {"local": FakeEngine()}) as app:
        assert app.sole.take("check")
        app.begin()
        outcome = House(app).say("check")
    refuse_unnamed(outcome, "warning serving", "No bot serves here", "shipkeeper serve")
    refuse_more(outcome, "warning serving")


def test_rebuild_tells_the_archive_alone(house: House) -> None:
    """As before there was a doctor: the directory is the catalogue."""
    house.say("backup pgdata")
    outcome = house.say("check --rebuild")
    assert outcome.status is Status.SUCCEEDED
    assert [one["volume"] for one in rows(outcome)] == ["pgdata"]
    assert outcome.reply.facts["backups"] == 1


def test_the_page_about_the_doctor_has_every_check() -> None:
    """Whoever reads a code in a script's output finds it in docs/doctor.md, and nothing else stands there."""
    root = Path(__file__).parents[2]
    page = set(re.findall(r"^\| `([a-z-]+)` \|", (root / "docs/doctor.md").read_text(), re.MULTILINE))
    source = "".join(file.read_text() for file in (*root.glob("bot/doctor/*.py"), root / "bot/examining.py"))
    codes = set(re.findall(r'(?:ok|warning|wrong)\(\s*"([a-z-]+)"|name="([a-z-]+)"', source))
    assert {one or other for one, other in codes} == page
