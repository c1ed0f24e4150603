"""docs/operations.md's lines really put a backup into a volume, with Docker's own command line and none of our code."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from bot.engine.real import DockerEngine
from bot.model import Status
from tests.engine.conftest import new_volume
from tests.support.engine_available import require_engine
from tests.support.house import at_work, refuse_untrue, settings
from tests.support.manual import block, require, run

pytestmark = pytest.mark.engine

MANUAL = "docs/operations.md"


def test_the_documented_lines_fill_a_volume(tmp_path: Path, docker_engine: DockerEngine) -> None:
    """What the bot then compares with its own backup of the original is the same, to the owners and modes."""
    require("docker", "zstd")
    again = f"skt-{uuid.uuid4().hex[:8]}"
    with (
        new_volume(docker_engine, {"note": b"kept", "deep/er": b"\0" * 5000}) as name,
        at_work(settings(tmp_path / "state"), {"local": docker_engine}) as house,
    ):
        assert house.say(f"backup {name}").status is Status.SUCCEEDED
        (backup,) = house.app.services.archive.backups()
        try:
            run(
                block(MANUAL, "into a volume"),
                tools=tmp_path,
                environment={"DOCKER_HOST": require_engine()},
                BACKUPS=backup.files.directory,
                ID=backup.id,
                VOLUME=again,
            )
            assert house.say(f"backup {again}").status is Status.SUCCEEDED
            (second,) = (one for one in house.app.services.archive.backups() if one.id != backup.id)
            assert _entries(tmp_path / "1", backup.files.tar) == _entries(tmp_path / "2", second.files.tar)
        finally:
            docker_engine.remove_volume(again)
        refuse_untrue(house.app)


def _entries(directory: Path, tar: Path) -> dict[str, tuple[object, ...]]:
    """Everything in it as it lies on the disk: content, owner, mode and time in seconds."""
    directory.mkdir()
    run(f"zstd -dc {tar} | tar -x --numeric-owner -p -C {directory}", tools=directory.parent, environment={})
    found = {}
    for one in directory.rglob("*"):
        status = one.stat()
        content = one.read_bytes() if one.is_file() else b""
        time = int(status.st_mtime)
        found[str(one.relative_to(directory))] = (content, status.st_uid, status.st_gid, status.st_mode, time)
    return found
