"""Drills and differences on a real engine, down the whole road: what comes back, what is found, what is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL
from bot.engine.real import DockerEngine
from bot.model import Outcome, Status
from tests.support.busybox import DockerBench
from tests.support.engine_available import require_engine
from tests.support.house import ROLES, House, at_work, settings, wait_for
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

FILL = (
    "mkdir -p d/e empty && echo rows > d/e/a && ln d/e/a d/b && ln -s ../nowhere s && mkfifo f "
    "&& chown 70:71 d/e/a && chmod 4750 d/e && dd if=/dev/zero of=sparse bs=1 count=1 seek=5000000"
)


@pytest.fixture
def yard() -> Iterator[Yard]:
    """Volumes of this test."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path, yard: Yard, docker_engine: DockerEngine) -> Iterator[House]:
    """The whole road over the real engine, with checks for volumes by their names; nothing is left afterwards."""
    checks = {
        "fine": "test -s /volume/d/e/a && ! mkdir /volume/new && echo all well",
        "bad": "echo this is no cluster; exit 7",
        "slow": "exec sleep 600",
    }
    toml = ROLES + "".join(
        f'[drills.{name}]\nvolumes = ["{name}*"]\nimage = "{DockerBench.image}"\n'
        f'command = ["/bin/sh", "-c", "{words}"]\n'
        for name, words in checks.items()
    )
    toml += '[drills.missing]\nvolumes = ["missing*"]\nimage = "shipkeeper-test-no-such-image:1"\n'
    with at_work(settings(tmp_path / "state", toml=toml), {"local": docker_engine}) as made:
        yield made
        refuse_untrue_of(made.app, yard)
        runs = {run.id for run in made.app.services.runs.newest(limit=1000)}
        left = [one.name for one in docker_engine.volumes() if one.labels.get(RUN_LABEL) in runs]
        assert left == [], "throw-away volumes are left"


def _said(house: House, line: str, status: Status = Status.SUCCEEDED) -> Outcome:
    outcome = house.say(line, seconds=120)
    assert outcome.status is status, outcome.reply.text
    return outcome


def _listed(house: House, volume: str) -> dict[str, object]:
    table = _said(house, f"backups {volume}").reply.table
    assert table is not None
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_a_drill_proves_a_backup(house: House, yard: Yard) -> None:
    """What was backed up comes back in a volume that the check may only read, and `backups` shows when."""
    volume = yard.volume("fine", FILL)
    _said(house, f"backup {volume}")
    assert _listed(house, volume)["proven_restorable_at"] is None
    text = _said(house, f"drill {volume}").reply.text
    assert "Checks that passed: fine" in text
    assert _listed(house, volume)["proven_restorable_at"] is not None


def test_a_failed_check_is_told_and_remembered(house: House, yard: Yard) -> None:
    """The run ends with the check's own words, and the backup counts no more."""
    volume = yard.volume("bad", FILL)
    _said(house, f"backup {volume}")
    text = _said(house, f"drill {volume}", Status.FAILED).reply.text
    assert "exit code 7" in text
    assert "this is no cluster" in text
    assert _listed(house, volume)["outcome"] == "failed"


def test_a_check_without_its_image_says_nothing_of_the_backup(house: House, yard: Yard) -> None:
    """No image is pulled; the drill is refused, and the backup stays what it was."""
    volume = yard.volume("missing", FILL)
    _said(house, f"backup {volume}")
    assert "no-such-image" in _said(house, f"drill {volume}", Status.REJECTED).reply.text
    assert _listed(house, volume)["outcome"] == "ok"


def test_a_drill_is_cancelled_in_the_middle_of_its_check(
    house: House, yard: Yard, docker_engine: DockerEngine
) -> None:
    """A check that runs for minutes ends within seconds of a cancel, and what was made for it is gone."""
    volume = yard.volume("slow", FILL)
    _said(house, f"backup {volume}")
    run_id = house.accept(f"drill {volume}")
    name = f"shipkeeper-check-{run_id}"
    wait_for(
        lambda: any(one.name == name and one.state == "running" for one in docker_engine.helpers()),
        seconds=60,
        saying="the check",
    )
    house.say(f"cancel {run_id}")
    assert house.ending(run_id, seconds=10).status is Status.CANCELLED
    assert _listed(house, volume)["outcome"] == "ok"


def _flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def test_a_drill_finds_damage_before_it_makes_anything(house: House, yard: Yard) -> None:
    """One flipped bit in the archive ends it, and the backup is known to be bad until a drill of it passes."""
    volume = yard.volume("fine", FILL)
    taken = _said(house, f"backup {volume}").run_id
    tar = house.app.services.archive.find(taken).files.tar
    _flip(tar)
    _said(house, f"drill {volume}", Status.FAILED)
    assert _listed(house, volume)["outcome"] == "failed"
    _flip(tar)
    _said(house, f"drill {volume}")
    assert _listed(house, volume)["outcome"] == "ok"


def test_a_difference_is_found_to_the_nanosecond(house: House, yard: Yard) -> None:
    """Nothing changed is said so; afterwards each kind of change is named, and nothing else."""
    volume = yard.volume("fine", FILL)
    first = _said(house, f"backup {volume}").run_id
    assert "nothing changed" in _said(house, f"diff {first}").reply.text
    place = yard.mountpoint(volume)
    if not os.access(place, os.W_OK):
        pytest.skip("changing a volume behind the engine needs its files on this machine")
    (place / "d" / "new").write_bytes(b"12345")
    (place / "empty").rmdir()
    (place / "empty").symlink_to("d")
    (place / "d" / "e").chmod(0o700)
    times = (place / "sparse").stat()
    os.utime(place / "sparse", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    (place / "f").unlink()
    outcome = _said(house, f"diff {first}")
    table = outcome.reply.table
    assert table is not None
    assert [row[:3] for row in table.rows] == [
        ("d/e", "changed", "mode"),
        ("d/new", "added", ""),
        ("empty", "changed", "kind, content, mode, time"),
        ("f", "removed", ""),
        ("sparse", "changed", "time"),
    ]
    second = _said(house, f"backup {volume}").run_id
    between = _said(house, f"diff {first} {second}").reply
    assert (between.facts["added"], between.facts["removed"]) == (1, 1)
    assert "by SHA-256" in between.text


def test_drills_by_turns_go_round_the_volumes(house: House, yard: Yard) -> None:
    """`drill --oldest` proves one volume after the other, and begins again with the first."""
    for name in ("turna", "turnb"):
        _said(house, f"backup {yard.volume(name, FILL)}")
    order = [str(_said(house, "drill --oldest").reply.facts["volume"]) for _ in range(3)]
    assert order[0] != order[1]
    assert order[2] == order[0]
