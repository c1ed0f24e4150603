"""Pruning on the whole road with a real engine: what is left can be restored, and the disk alone knows it all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine.real import DockerEngine
from bot.model import Outcome, Status
from bot.settings import Settings
from tests.support.engine_available import require_engine
from tests.support.house import ROLES, House, at_work, settings
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

TOML = ROLES + "[retention]\nlast = 2\nfloor = 1\n"


@pytest.fixture
def yard() -> Iterator[Yard]:
    """Volumes of this test."""
    made = Yard(require_engine())
    yield made
    made.close()


def _settings(tmp_path: Path) -> Settings:
    """The archive stands apart from the state directory."""
    return settings(tmp_path / "state", toml=TOML, SHIPKEEPER_ARCHIVE=str(tmp_path / "archive"))


@pytest.fixture
def house(tmp_path: Path, yard: Yard, docker_engine: DockerEngine) -> Iterator[House]:
    """The whole road over the real engine, with two backups of each volume to keep."""
    with at_work(_settings(tmp_path), {"local": docker_engine}) as made:
        yield made
        refuse_untrue_of(made.app, yard)


def _said(house: House, line: str, status: Status = Status.SUCCEEDED) -> Outcome:
    outcome = house.say(line, seconds=120)
    assert outcome.status is status, outcome.reply.text
    return outcome


def test_what_pruning_leaves_can_be_restored(house: House, yard: Yard, tmp_path: Path) -> None:
    """What was shown is removed with all its files, the held one and the newest stay, and come back."""
    volume = yard.volume("pruned", "echo one > a")
    taken = [_said(house, f"backup {volume}").run_id for _ in range(5)]
    _said(house, f"hold {taken[0]}")
    shown = _said(house, f"prune {volume} --dry-run").reply
    assert len(house.app.services.archive.backups()) == 5
    done = _said(house, f"prune {volume}").reply
    assert done.table == shown.table
    left = [backup.manifest.run_id for backup in house.app.services.archive.backups()]
    assert left == [taken[4], taken[3], taken[0]]
    files = [path.name for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    assert not [name for name in files for gone in (taken[1], taken[2]) if gone in name]
    for number, run_id in enumerate(left):
        copy = f"{volume}-copy{number}"
        yard.volumes.append(copy)
        _said(house, f"restore {run_id} --into {copy}")
        assert (yard.mountpoint(copy) / "a").read_text() == "one\n"


def test_a_volume_that_is_gone_keeps_its_backups(
    house: House, yard: Yard, docker_engine: DockerEngine
) -> None:
    """Its next backup is rejected; however often it is pruned then, what retention keeps of it stays."""
    volume = yard.volume("gone", "echo one > a")
    for _ in range(3):
        _said(house, f"backup {volume}")
    docker_engine.remove_volume(volume)
    yard.volumes.remove(volume)
    _said(house, f"backup {volume}", Status.REJECTED)
    for _ in range(3):
        _said(house, f"prune {volume}")
        assert len(house.app.services.archive.backups()) == 2


def test_without_the_database_the_archive_says_the_same(
    tmp_path: Path, yard: Yard, docker_engine: DockerEngine
) -> None:
    """One command shows the catalogue again from the disk, and pruning decides as it would have."""
    volume = yard.volume("kept", "echo one > a")
    with at_work(_settings(tmp_path), {"local": docker_engine}) as house:
        for _ in range(3):
            taken = _said(house, f"backup {volume}").run_id
        _said(house, f"hold {taken} --until 2099-12-31")
        before = [
            _said(house, line).reply for line in ("check --rebuild", f"backups {volume}", "prune --dry-run")
        ]
    shutil.rmtree(tmp_path / "state")
    with at_work(_settings(tmp_path), {"local": docker_engine}) as house:
        after = [
            _said(house, line).reply for line in ("check --rebuild", f"backups {volume}", "prune --dry-run")
        ]
    assert [(reply.text, reply.table) for reply in after] == [(reply.text, reply.table) for reply in before]
