"""The lines in deploy/README.md really restore a backup, without any of our code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bot.engine.real import DockerEngine
from bot.model import Status
from tests.engine.conftest import new_volume
from tests.support.house import at_work, refuse_untrue, settings

pytestmark = pytest.mark.engine

_README = Path(__file__).parents[2] / "deploy" / "README.md"


def _documented_lines(backup_id: str) -> str:
    found = re.search(r"<!-- by-hand[^\n]*\n```sh\n(.*?)```", _README.read_text(), re.DOTALL)
    assert found, "deploy/README.md has no lines for restoring by hand"
    return re.sub(r"^ID=.*$", f"ID={backup_id}", found[1], flags=re.MULTILINE)


def test_the_documented_lines_restore_a_backup(tmp_path: Path, docker_engine: DockerEngine) -> None:
    """sha256sum, zstd and tar bring back the files of a backup, with their modes."""
    with (
        new_volume(docker_engine, {"note": b"kept", "deep/er": b"\0" * 5000}) as name,
        at_work(settings(tmp_path / "state"), {"local": docker_engine}) as house,
    ):
        assert house.say(f"backup {name}").status is Status.SUCCEEDED
        backup = house.app.services.archive.backups()[0]
        refuse_untrue(house.app)
    lines = _documented_lines(backup.id)
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=backup.files.directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    restored = backup.files.directory / "restored/volume"
    assert (restored / "note").read_bytes() == b"kept"
    assert (restored / "deep/er").read_bytes() == b"\0" * 5000
    assert (restored / "note").stat().st_mode & 0o777 == 0o640
    root = restored.stat()
    assert (root.st_mode & 0o7777, root.st_uid, root.st_gid) == (0o2750, 1234, 4321)
