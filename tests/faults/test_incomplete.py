"""Volumes that change while they are read, cut streams, dead engines, full disks: never `succeeded`.

The changes are random, of a volume in a real engine, at a random byte of the stream; `make campaign` makes more.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.model import Outcome
from tests.support.cutting_proxy import CuttingProxy
from tests.support.disks import fill, small_disk
from tests.support.effort import drawn_seed
from tests.support.engine_available import require_private_engine
from tests.support.engine_script import dockerd_pid, environment_of, private_engine, run_script
from tests.support.house import House, at_work, settings
from tests.support.process import until
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

RUNS = int(os.environ.get("SHIPKEEPER_FAULT_RUNS", "8"))
QUIET_RUNS = int(os.environ.get("SHIPKEEPER_QUIET_RUNS", "4"))
_DIRECTORIES = ("a", "b/c", "b/d", "z")
_FILES_EACH = 5
_SMALLEST_HOLD = 512


@dataclass
class Bench:
    """The house, the volume that it backs up, and what stands between it and the engine."""

    house: House
    proxy: CuttingProxy
    volume: str
    place: Path
    chance: random.Random
    disk: Path

    def fill(self) -> None:
        """Give the volume its files anew."""
        for directory in _DIRECTORIES:
            (self.place / directory).mkdir(parents=True, exist_ok=True)
            for number in range(_FILES_EACH):
                (self.place / directory / f"{number}").write_bytes(
                    self.chance.randbytes(self.chance.randrange(1, 120_000))
                )

    def any_file(self) -> Path:
        """One of its files."""
        return self.place / self.chance.choice(_DIRECTORIES) / str(self.chance.randrange(_FILES_EACH))

    def size(self) -> int:
        """Bytes that the tar has at least: a block for everything, and the files' own."""
        return sum(512 + (path.stat().st_size if path.is_file() else 0) for path in self.place.rglob("*"))

    def empty_archive(self) -> None:
        """Make room."""
        archive = self.house.app.services.archive
        for backup in archive.backups():
            archive.remove(backup)

    def backed_up(self, meanwhile: Callable[[], None]) -> Outcome:
        """A backup during which, at a random byte, something happens."""
        self.proxy.go_on.clear()
        self.proxy.held.clear()
        self.proxy.hold_at = self.chance.randrange(_SMALLEST_HOLD, self.size() * 9 // 10)
        run_id = self.house.accept(f"backup {self.volume}")
        until(lambda: self.proxy.held.is_set() or self.house.run(run_id).outcome, saying="the stream")
        assert self.proxy.held.is_set(), self.house.run(run_id).outcome
        meanwhile()
        self.proxy.go_on.set()
        outcome = self.house.ending(run_id)
        self.proxy.hold_at = None
        return outcome


def vanish(bench: Bench) -> str:
    """A file goes."""
    path = bench.any_file()
    path.unlink()
    return str(path.relative_to(bench.place))


def grow(bench: Bench) -> str:
    """A file gets longer."""
    path = bench.any_file()
    with path.open("ab") as file:
        file.write(bench.chance.randbytes(bench.chance.randrange(1, 9000)))
    return str(path.relative_to(bench.place))


def shrink(bench: Bench) -> str:
    """A file gets shorter."""
    path = bench.any_file()
    os.truncate(path, bench.chance.randrange(path.stat().st_size))
    return str(path.relative_to(bench.place))


def rewrite(bench: Bench) -> str:
    """A file gets another content of the same length."""
    path = bench.any_file()
    with path.open("r+b") as file:
        file.write(bench.chance.randbytes(path.stat().st_size))
    return str(path.relative_to(bench.place))


def rename(bench: Bench) -> str:
    """A directory gets another name."""
    directory = bench.place / bench.chance.choice(_DIRECTORIES)
    directory.rename(directory.with_name(f"{directory.name}-renamed"))
    return str(directory.relative_to(bench.place))


CHANGES = (vanish, grow, shrink, rewrite, rename)


@contextmanager
def bench_on(url: str, yard: Yard, tmp_path: Path, short: Path, seed: int) -> Iterator[Bench]:
    """A house at work over the engine at that address, whose archive lies on a disk of its own."""
    volume = yard.volume("changing")
    with (
        CuttingProxy(url, short / "docker.sock") as proxy,
        small_disk(tmp_path / "disk", 200) as disk,
    ):
        made = settings(
            tmp_path / "state",
            toml=f'[hosts.local]\naddress = "{proxy.url}"\n[limits]\nstall = 20\n',
            SHIPKEEPER_ARCHIVE=str(disk / "archive"),
        )
        with at_work(made, {}) as house:
            yield Bench(house, proxy, volume, yard.mountpoint(volume), random.Random(seed), disk)
            refuse_untrue_of(house.app, yard)


@pytest.fixture
def seed() -> int:
    """The one that the environment gives, or a new one."""
    return drawn_seed()


def held(bench: Bench) -> tuple[str, ...]:
    """Ended runs that still hold something, because what they began could not be taken back yet."""
    return bench.house.app.dispatcher._claims.ended_holders()


def refuse_unlisted(bench: Bench, outcome: Outcome, path: str) -> None:
    """Fail unless a partial backup names what had changed."""
    backup = bench.house.app.services.archive.find(outcome.run_id)
    assert backup.manifest.outcome == "partial"
    listed = [problem.path for problem in backup.manifest.problems.listed]
    assert any(one == path or one.startswith(f"{path}/") for one in listed), f"{path} is not among {listed}"


def test_a_volume_that_changes_while_it_is_read_never_succeeds(
    yard: Yard, tmp_path: Path, short_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever the stream is, a changed volume gives a partial backup that names the file, or none at all."""
    endings: Counter[str] = Counter()
    with bench_on(yard.url, yard, tmp_path, short_path, seed) as bench:
        for number in range(RUNS):
            bench.fill()
            change, changed = CHANGES[number % len(CHANGES)], []
            outcome = bench.backed_up(lambda: changed.append(change(bench)))  # noqa: B023
            endings[f"{change.__name__} {outcome.status.value}"] += 1
            assert outcome.status.value in ("partial", "failed"), (
                f"{change.__name__} (seed {seed}): {outcome}"
            )
            if outcome.status.value == "partial":
                refuse_unlisted(bench, outcome, changed[0])
            if number % 20 == 19:
                bench.empty_archive()
            for renamed in list(bench.place.rglob("*-renamed")):
                shutil.rmtree(renamed)
    with capsys.disabled():
        print(f"\n{RUNS} changed volumes (seed {seed}): {dict(sorted(endings.items()))}")


def test_a_cut_stream_and_a_full_disk_never_succeed(
    yard: Yard, tmp_path: Path, short_path: Path, seed: int
) -> None:
    """Cut anywhere, on an entry's boundary or off it, or with a disk that fills up midway, nothing is kept."""
    with bench_on(yard.url, yard, tmp_path, short_path, seed) as bench:
        bench.fill()
        archive = bench.house.app.services.archive
        for number in range(RUNS // 3):
            if number % 3 == 2:
                ballast: list[Path] = []
                outcome = bench.backed_up(lambda: ballast.append(fill(bench.disk)))  # noqa: B023
                ballast[0].unlink()
                assert outcome.status.value == "failed", f"(seed {seed}) {outcome}"
                assert outcome.reply.facts["reason"] == "disk-full"
            else:
                cut = bench.chance.randrange(bench.size())
                bench.proxy.cut_at = cut - cut % 512 if number % 3 else cut
                outcome = bench.house.say(f"backup {bench.volume}")
                bench.proxy.cut_at = None
                assert outcome.status.value == "failed", f"cut at {cut} (seed {seed}): {outcome}"
            assert not archive.backups()
            assert not [path for path in archive.root.rglob("*") if path.is_file()]


def test_a_quiet_volume_is_never_called_partial(
    yard: Yard, tmp_path: Path, short_path: Path, seed: int
) -> None:
    """While nobody writes, however often it is read, every backup succeeds."""
    with bench_on(yard.url, yard, tmp_path, short_path, seed) as bench:
        for number in range(QUIET_RUNS):
            if number % 5 == 0:
                bench.fill()
            outcome = bench.backed_up(lambda: None)
            assert outcome.status.value == "succeeded", f"run {number} (seed {seed}): {outcome}"
            if number % 20 == 19:
                bench.empty_archive()


def test_an_engine_that_is_killed_while_a_volume_is_read_never_succeeds(
    tmp_path: Path, short_path: Path, seed: int
) -> None:
    """dockerd dies at a random byte: the run fails, and nothing is kept or left once dockerd is back."""
    require_private_engine()
    with private_engine() as directory:
        url = environment_of(directory)["DOCKER_HOST"]
        yard = Yard(url)
        with bench_on(url, yard, tmp_path, short_path, seed) as bench:
            for _ in range(max(2, RUNS // 20)):
                bench.fill()
                outcome = bench.backed_up(lambda: os.kill(dockerd_pid(directory), signal.SIGKILL))
                assert outcome.status.value == "failed", f"(seed {seed}) {outcome}"
                assert not bench.house.app.services.archive.backups()
                up = run_script("up", str(directory))
                assert up.returncode == 0, up.stderr
                until(lambda: not held(bench), seconds=40, saying="the taking back")
        yard.close()
