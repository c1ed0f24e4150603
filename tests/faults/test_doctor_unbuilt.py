"""`shipkeeper check` where nothing else works: settings or a database that cannot be used. It says so, in time."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.black_hole import BlackHole
from tests.support.canaries import canary, is_in
from tests.support.disks import make_read_only, small_disk
from tests.support.doctored import LONGEST_SECONDS
from tests.support.process import Site

pytestmark = pytest.mark.faults


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A state directory without a bot, without Slack, and without Docker."""
    with Site(tmp_path / "state", docker_host=f"unix://{tmp_path}/none.sock") as made:
        made.state.chmod(0o700)
        made.say("--version")  # what starts the server of forks is not measured
        yield made


def examined(site: Site) -> dict[str, Any]:
    """What `check --json` prints: one object, like any other command's, and exit 1."""
    began = time.monotonic()
    done = site.say("check", "--json")
    took = time.monotonic() - began
    assert took < LONGEST_SECONDS
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["command"], found["status"]) == ("check", "failed")
    return found


def row(found: dict[str, Any], check: str, state: str = "wrong") -> dict[str, Any]:
    """The first of that check with that state; it has a remedy unless all is well."""
    (first, *_) = [one for one in found["rows"] if (one["check"], one["state"]) == (check, state)]
    assert first["remedy"] or state == "ok"
    return dict(first)


def names_of(found: dict[str, Any], state: str) -> set[str]:
    """The checks with that state."""
    return {one["check"] for one in found["rows"] if one["state"] == state}


def test_wrong_keys_of_the_settings_are_findings(site: Site) -> None:
    """A finding each, with the file to correct; what hangs on no settings is looked at all the same."""
    file = site.state / "settings.toml"
    file.write_text('[slak]\nlisten = "x"\n[limits]\nworkers = 0\nstal = 3\n')
    found = examined(site)
    told = [one["what"] for one in found["rows"] if one["check"] == "settings"]
    assert len(told) == 3
    assert any("slak" in one and "did you mean slack" in one for one in told)
    assert str(file) in row(found, "settings")["remedy"]
    assert names_of(found, "ok") == {"programs", "time-zones"}


def test_settings_that_are_no_toml(site: Site) -> None:
    """Named with the line that is to blame."""
    (site.state / "settings.toml").write_text("[slack\n")
    assert "is not TOML" in row(examined(site), "settings")["what"]


def test_an_approval_rule_that_no_command_has(site: Site) -> None:
    """What only the commands know to be wrong is found, too; and the rest is looked at."""
    with (site.state / "settings.toml").open("a") as file:
        file.write('[approvals.all]\ncommands = ["restroe"]\napprovers = "operators"\n')
    found = examined(site)
    assert "did you mean restore" in row(found, "settings")["what"]
    assert {"programs", "archive", "state-directory"} <= names_of(found, "ok")


def test_a_database_of_a_newer_version(site: Site) -> None:
    """The bot was rolled back and its database was not."""
    with closing(sqlite3.connect(site.state / "shipkeeper.db")) as rows, rows:
        rows.execute("UPDATE alembic_version SET version_num = '9999'")
    found = examined(site)
    assert "made by a newer shipkeeper (schema 9999)" in row(found, "database")["what"]
    assert {"settings", "archive", "programs"} <= names_of(found, "ok")
    assert "host" in names_of(found, "wrong")  # nobody listens there


def test_a_database_that_is_no_database(site: Site) -> None:
    """A disk fault, or somebody's mistake."""
    for path in site.state.glob("shipkeeper.db*"):
        path.write_bytes(b"not a database" * 500)
    assert "SHIPKEEPER_DATABASE_URL" in row(examined(site), "database")["remedy"]


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    """Its disk was mounted read-only by the kernel."""
    with small_disk(tmp_path / "disk", 8) as disk:
        with Site(
            disk / "state", docker_host=f"unix://{tmp_path}/none.sock", archive=tmp_path / "archive"
        ) as site:
            make_read_only(disk)
            found = examined(site)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert "database" in names_of(found, "wrong")
    assert "its disk has room" in row(found, "database")["remedy"]


def test_a_database_that_is_mute(site: Site) -> None:
    """PostgreSQL's machine takes the connection, and says nothing; neither do Slack and a registry there."""
    with BlackHole(1) as hole:
        hole.swallow()
        site.environment |= {
            "SHIPKEEPER_DATABASE_URL": f"postgresql+psycopg://bot:{canary('pg')}@127.0.0.1:{hole.port}/bot",
            "SLACK_API_URL": f"http://127.0.0.1:{hole.port}/api/",
            "SLACK_BOT_TOKEN": f"xoxb-{canary('bot')}",
            "SLACK_APP_TOKEN": f"xapp-1-{canary('app')}",
            "DOCKER_HOST": f"tcp://127.0.0.1:{hole.port}",
        }
        found = examined(site)
    assert {"database", "host", "bot-token", "events"} <= names_of(found, "wrong")
    assert not is_in(json.dumps(found))


def test_an_audit_key_that_is_missing(site: Site) -> None:
    """The log is sealed with one, so nothing may be written."""
    keyed = dict(site.environment)
    site.environment["SHIPKEEPER_AUDIT_KEY"] = canary("audit-key")
    assert site.say("backups").returncode == 0
    site.environment.clear()
    site.environment.update(keyed)
    assert "SHIPKEEPER_AUDIT_KEY is not set" in row(examined(site), "database")["what"]


def test_a_person_reads_it_without_a_run(site: Site) -> None:
    """Nothing could be stored, so there is no number to ask about."""
    (site.state / "settings.toml").write_text("[slack\n")
    done = site.say("check")
    assert done.returncode == 1
    assert done.stdout.startswith("❌ ")
    assert "settings: " in done.stdout
    assert "run " not in done.stdout.splitlines()[-1]


def test_other_commands_say_only_what_keeps_them(site: Site) -> None:
    """The doctor comes when it is called."""
    (site.state / "settings.toml").write_text("[slack\n")
    done = site.say("backups")
    assert (done.returncode, done.stdout) == (1, "")
