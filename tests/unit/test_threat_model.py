"""docs/threat-model.md says which test shows what, and which files to deploy: all of them are there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
UNITS = ("shipkeeper", "docker-socket-proxy")


def test_every_file_that_is_named_is_there() -> None:
    """No threat is defended against by a test that was renamed or removed."""
    named = set(re.findall(r"`((?:tests|deploy)/[A-Za-z0-9_./-]+)`", TEXT))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_threat_names_what_shows_it() -> None:
    """Each row of the defences ends in at least one test."""
    table = TEXT.partition("## What the bot defends against")[2].partition("## What it does not")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row.rsplit("|", 2)[1]] == []


@pytest.mark.parametrize("name", UNITS)
def test_units_are_closed_as_far_as_the_work_allows(name: str) -> None:
    """systemd itself finds little that the units leave open, and nothing in them that it does not know."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("units are judged by the program systemd-analyze")
    unit = ROOT / "deploy" / f"{name}.service"
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout[-500:] + judged.stderr
    checked = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60
    )
    unknown = [
        line for line in checked.stderr.splitlines() if unit.name in line and "not executable" not in line
    ]
    assert unknown == []


@pytest.mark.parametrize("name", UNITS)
def test_units_hold_no_secret_and_no_capability(name: str) -> None:
    """Tokens come as credentials in files; neither unit may become root again."""
    lines = (ROOT / "deploy" / f"{name}.service").read_text().splitlines()
    set_here = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
    assert all(
        one.partition("=")[0].endswith("_FILE") for one in set_here if "TOKEN" in one or "SECRET" in one
    )
    assert {"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"} <= set(lines)
    assert not any(line.startswith("User=root") for line in lines)


def test_the_bots_unit_serves_http_mode_as_its_head_says() -> None:
    """With the lines of the app's token made comments, and those of the signing secret none, it has what HTTP needs."""
    lines = (ROOT / "deploy" / "shipkeeper.service").read_text().splitlines()
    changed = [
        line.removeprefix("#") for line in lines if line.startswith(("#Environment=", "#LoadCredential="))
    ]
    assert changed == [
        line.replace("app_token", "signing_secret").replace("APP_TOKEN", "SIGNING_SECRET")
        for line in lines
        if "app_token" in line and line.startswith(("Environment=", "LoadCredential="))
    ]
