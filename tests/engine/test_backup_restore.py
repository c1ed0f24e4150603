"""Backup and restore over the whole road on a real engine: sleeping users, empty and bound volumes, by hand."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.engine import ByteStream
from bot.engine.real import DockerEngine
from bot.model import Outcome, Status
from bot.stores.archive import Backup
from tests.support.corpus import Seen, build, differences, walk
from tests.support.house import House
from tests.support.yard import Yard

pytestmark = pytest.mark.engine

NOT_IN_A_TAR = {b"specials/socket", b"at/old"}
"""What the engine's tar has not, or not as it was (engine facts 10 and 11)."""


def done(house: House, line: str) -> Outcome:
    """The outcome of the line, which must have succeeded."""
    outcome = house.say(line)
    assert outcome.status is Status.SUCCEEDED, outcome
    return outcome


def backed_up(house: House, line: str) -> Backup:
    """The backup that the line made."""
    return house.app.services.archive.find(done(house, line).run_id)


def restored(house: House, yard: Yard, backup: Backup) -> tuple[Outcome, Path]:
    """The outcome of a restore into a new volume, and where that lies."""
    outcome = done(house, f"restore {backup.id}")
    volume = str(outcome.reply.facts["volume"])
    yard.volumes.append(volume)
    return outcome, yard.mountpoint(volume)


def as_in_a_tar(found: dict[bytes, Seen]) -> dict[bytes, Seen]:
    """What the engine's tar alone can say of it: whole seconds, no extended attributes, no sockets."""
    return {
        name: replace(seen, mtime_ns=seen.mtime_ns // 10**9, attributes={})
        for name, seen in found.items()
        if name not in NOT_IN_A_TAR
    }


def test_an_empty_volume_is_a_backup_too(house: House, yard: Yard) -> None:
    """Its own directory alone is one entry, with its owner and mode."""
    volume = yard.volume("empty", "chown 999:998 . && chmod 711 .")
    backup = backed_up(house, f"backup {volume}")
    assert backup.manifest.entries.count == 1
    _, copy = restored(house, yard, backup)
    assert differences(walk(yard.mountpoint(volume)), walk(copy)) == {}
    found = copy.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o711, 999, 998)


@pytest.mark.parametrize(("mode", "asleep"), [("pause", "paused"), ("stop", "exited")])
def test_users_sleep_while_the_volume_is_read_and_run_again(
    house: House, yard: Yard, monkeypatch: pytest.MonkeyPatch, mode: str, asleep: str
) -> None:
    """A running user is still from the first byte to the last, then runs; one that did not run is left alone."""
    volume = yard.volume("used", "echo some > file")
    running, idle = yard.user("running", volume), yard.user("idle", volume)
    yard.bench.api.stop(idle, timeout=0)
    seen: list[tuple[str, str]] = []
    read_volume = DockerEngine.read_volume

    @contextmanager
    def watched(engine: DockerEngine, *given: Any, **more: Any) -> Iterator[ByteStream]:
        with read_volume(engine, *given, **more) as stream:
            seen.append((yard.state(running), yard.state(idle)))
            yield stream
            seen.append((yard.state(running), yard.state(idle)))

    with monkeypatch.context() as patch:
        patch.setattr(DockerEngine, "read_volume", watched)
        backup = backed_up(house, f"backup {volume} --quiesce {mode}")
    assert seen == [(asleep, "exited")] * 2
    assert (yard.state(running), yard.state(idle)) == ("running", "exited")
    assert (backup.manifest.quiesce.mode, backup.manifest.quiesce.containers) == (mode, (running,))


def test_every_kind_of_thing_is_restored_by_hand(house: House, yard: Yard, tmp_path: Path) -> None:
    """sha256sum, zstd and tar alone bring back owners, modes, whole seconds, links, devices, content."""
    missing = [program for program in ("sha256sum", "zstd", "tar") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    volume = yard.volume("hand")
    build(yard.mountpoint(volume))
    before = walk(yard.mountpoint(volume))
    backup = backed_up(house, f"backup {volume}")
    stored = backup.manifest.stored
    lines = (
        'printf "%s  %s\\n" "$1" "$2" | sha256sum --check --strict && '
        'zstd -dc "$2" | tar -x --numeric-owner --same-owner -p -C "$3"'
    )
    subprocess.run(
        ["bash", "-o", "pipefail", "-ec", lines, "-", stored.sha256, stored.file, str(tmp_path)],
        cwd=backup.files.directory, check=True, capture_output=True,
    )  # fmt: skip
    assert differences(as_in_a_tar(before), as_in_a_tar(walk(tmp_path / "volume"))) == {}


def test_a_volume_over_a_directory_is_not_restored_into_that_directory(
    house: House, yard: Yard, tmp_path: Path
) -> None:
    """Options that point at a device are left out and named, so that the first volume's storage is not written to."""
    directory = tmp_path / "device"
    directory.mkdir()
    (directory / "file").write_text("saved")
    volume = f"bound-{uuid.uuid4().hex[:8]}"
    options = {"type": "none", "o": "bind", "device": str(directory)}
    yard.bench.api.create_volume(volume, driver="local", driver_opts=options)
    yard.volumes.append(volume)
    backup = backed_up(house, f"backup {volume}")
    (directory / "file").write_text("newer")
    outcome, copy = restored(house, yard, backup)
    assert "not set again: device, o, type" in outcome.reply.text
    assert (copy / "file").read_text() == "saved"
    assert (directory / "file").read_text() == "newer"
