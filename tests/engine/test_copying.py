"""`cp` on a real engine: files of a layer, a volume and a stopped container, and hostile tars in Docker's name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine.real import DockerEngine
from bot.model import Status
from tests.contracts.bench import Wanted
from tests.support.corpus import walk
from tests.support.cutting_proxy import CuttingProxy
from tests.support.hostile import cases
from tests.support.house import House, at_work, settings
from tests.support.yard import Yard

pytestmark = pytest.mark.engine

OLD, NEW = b"old\n" * 1000, b"new\n" * 100_000


@pytest.fixture
def web(yard: Yard) -> Iterator[tuple[str, Path]]:
    """A running container with a file in its own layer, and the volume that it has at /data."""
    name, volume = f"web-{uuid.uuid4().hex[:8]}", yard.volume("conf", "chown 70:71 .")
    (yard.mountpoint(volume) / "app.conf").write_bytes(OLD)
    yard.bench.make(name, Wanted(volumes={volume: "/data"}, files={"/etc/app/app.conf": OLD}))
    yield name, yard.mountpoint(volume)
    yard.bench.remove(name)


def done(house: House, line: str) -> str:
    """The id of the run, which must have succeeded."""
    outcome = house.say(line, seconds=90)
    assert outcome.status is Status.SUCCEEDED, outcome
    return outcome.run_id


def test_in_and_out_and_back(house: House, yard: Yard, web: tuple[str, Path], tmp_path: Path) -> None:
    """In a layer, running or stopped, a file is replaced, read out the same, and brought back by undo."""
    name, _ = web
    new, got = tmp_path / "new", tmp_path / "got"
    new.write_bytes(NEW)
    run_id = done(house, f"cp {new} {name}:/etc/app/app.conf")
    yard.bench.api.stop(name, timeout=0)
    done(house, f"cp {name}:/etc/app/app.conf {got}")
    assert got.read_bytes() == NEW
    done(house, f"undo {run_id}")
    done(house, f"cp {name}:/etc/app/app.conf {got} --force")
    assert got.read_bytes() == OLD


def test_in_a_volume_seen_from_outside(house: House, web: tuple[str, Path], tmp_path: Path) -> None:
    """A new file in a volume has its directory's owner and mode 0644; undo leaves the volume as it was."""
    name, place = web
    (tmp_path / "new.conf").write_bytes(NEW)
    before = walk(place)
    run_id = done(house, f"cp {tmp_path}/new.conf {name}:/data/")
    seen = walk(place)[b"new.conf"]
    assert (seen.uid, seen.gid, seen.mode & 0o7777, seen.size) == (70, 71, 0o644, len(NEW))
    done(house, f"undo {run_id}")
    after = walk(place)
    assert {path: one for path, one in after.items() if path != b"."} == {
        path: one for path, one in before.items() if path != b"."
    }


def test_hostile_answers_of_docker(yard: Yard, web: tuple[str, Path], tmp_path: Path) -> None:
    """Through a real engine, too, a hostile tar for a directory is refused, and no file appears."""
    name, _ = web
    (tmp_path / "here").mkdir()
    finite = [case for case in cases(10) if case.name not in ("endless PAX headers", "zeros without end")]
    with (
        CuttingProxy(yard.url, tmp_path / "sock") as proxy,
        at_work(settings(tmp_path / "state"), {"local": DockerEngine("local", base_url=proxy.url)}) as house,
    ):
        for case in finite[::3]:
            proxy.instead = b"".join(case.make("app"))
            outcome = house.say(f"cp {name}:/etc/app {tmp_path}/here/", seconds=60)
            assert outcome.status in (Status.FAILED, Status.REJECTED), (case.name, outcome)
            assert list((tmp_path / "here").iterdir()) == []
