"""A proven backup beside what people use instead, in turn on the same data, and what the proof in it costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.bench import data
from tests.bench.conftest import MEBIBYTES
from tests.bench.contestants import GZIP, LIMIT, SYNCS, ZSTD, peers, typed
from tests.bench.ground import MOUNTED, Filled, Ground, Times, rounds
from tests.bench.merged import keep
from tests.bench.ours import BARE, LONGEST, OURS, Ours, open_house, without_proof
from tests.bench.report import record
from tests.support.process import Site, finished

pytestmark = [pytest.mark.bench, pytest.mark.engine]

ROUNDS = int(os.environ.get("SHIPKEEPER_BENCH_ROUNDS", "5"))
ROUNDS_OF_KINDS = max(1, ROUNDS * 3 // 5)
ROUNDS_OF_TINY = max(1, ROUNDS * 2 // 5)
MB = 1e6

PEERS = (
    "",
    "seconds: median (least–most)",
    "MB/s",
    "shipkeeper ÷ it",
    "CPU seconds",
    "MB kept",
    "on the disk",
)
KINDS = (
    "data",
    "to nowhere, s",
    "zstd -1 -T0, s",
    "gzip, s",
    "shipkeeper, s",
    "shipkeeper ÷ nowhere",
    "shipkeeper ÷ zstd",
    "gzip ÷ shipkeeper",
    "MB kept by zstd, gzip, shipkeeper",
)
PROOF = (
    "data",
    "proven, s",
    "without, s",
    "cost of the proof",
    "steps of the last run, s",
    "CPU seconds in it: shipkeeper, Docker",
)


class Scene:
    """The ground with a house on it, where everybody works in turn."""

    def __init__(self, ground: Ground, ours: Ours) -> None:
        self.ground, self.ours = ground, ours

    def in_turn(self, filled: Filled, number: int, *names: str) -> dict[str, Times]:
        """The peers of those names, we, and we without proof; the page cache holds the volume.

        There is a backup of it already, as there is for all but the first.
        """
        typed(self.ground, f"docker cp {filled.holder}:{MOUNTED} - > /dev/null", self.ground.kept)
        ours = self.ours.backing_up(filled)
        with ours.ready() as work:
            work()
        return rounds([*peers(self.ground, filled, *names), ours, without_proof(self.ground, filled)], number)

    def compared(self, filled: Filled, kind: str, number: int) -> str:
        """A kind of data alone, in both tables; both as text."""
        times = self.in_turn(filled, number, LIMIT, ZSTD, GZIP)
        nowhere, zstd, gzip, ours = (times[name] for name in (LIMIT, ZSTD, GZIP, OURS))
        row = [
            f"{_words(kind, filled)}; {number} round{'s' if number > 1 else ''}",
            *(f"{one.wall:.2f}" for one in (nowhere, zstd, gzip, ours)),
            f"{ours.wall / nowhere.wall:.2f}",
            f"{ours.wall / zstd.wall:.2f}",
            f"{gzip.wall / ours.wall:.2f}",
            ", ".join(f"{one.kept / MB:.0f}" for one in (zstd, gzip, ours)),
        ]
        self.ours.forget(filled)
        return keep("peers-kinds", KINDS, [row]) + self.proven(kind, times)

    def proven(self, kind: str, times: Mapping[str, Times]) -> str:
        """What the proof costs there, with the profile of our last run; the table as text."""
        ours, bare = times[OURS], times[BARE]
        profile = self.ours.last
        row = [
            kind,
            ours.spread,
            bare.spread,
            f"{1 - bare.wall / ours.wall:.0%}",
            profile.told,
            f"{profile.ours:.1f}, {profile.engine:.1f}",
        ]
        return keep("proof", PROOF, [row])


@pytest.fixture(scope="module")
def scene(ground: Ground) -> Iterator[Scene]:
    """One for all; its archive is beside what the peers keep."""
    with open_house(ground) as ours:
        yield Scene(ground, ours)


def test_everybody_on_a_mix(scene: Scene, mixed: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    """Everybody in turn; what was kept is whole."""
    times = scene.in_turn(mixed, ROUNDS)
    first, second = _in_a_shell(scene.ground, mixed)
    rows = [_row(mixed, name, one, times[OURS]) for name, one in times.items() if name != BARE]
    notes = [
        f"{_words('mix', mixed)}; {ROUNDS} rounds. {scene.ground.machine}",
        f"`shipkeeper backup` in a shell, while no bot is served, from its start to the prompt: {second:.1f} s; "
        f"the first backup of a volume, which also measures it: {first:.1f} s.",
    ]
    tables = record("peers", PEERS, rows, notes) + scene.proven("mix", times)
    with capsys.disabled():
        print(f"\n{tables}")


@pytest.mark.parametrize("kind", data.KINDS)
def test_each_kind_alone(kind: str, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """So that nobody has to guess what the mix hides."""
    mebibytes = 2 * MEBIBYTES if kind == "small files" else MEBIBYTES // 2
    filled = scene.ground.volume("kind", lambda place: data.KINDS[kind](place, mebibytes))
    tables = scene.compared(filled, kind, ROUNDS_OF_KINDS)
    scene.ground.remove(filled.volume)
    with capsys.disabled():
        print(f"\n{tables}")


def test_tiny_files(scene: Scene, tiny: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is hardly anything but entries."""
    tables = scene.compared(tiny, "tiny files", ROUNDS_OF_TINY)
    with capsys.disabled():
        print(f"\n{tables}")


def _in_a_shell(ground: Ground, filled: Filled) -> list[float]:
    """Seconds of a first backup and of a second one, each a process of its own that carries it out itself."""
    took = []
    with Site(ground.kept / "shell", docker_host=ground.url) as site:
        for _ in range(2):
            began = time.monotonic()
            done = finished(site.start("backup", filled.volume), seconds=LONGEST)
            took.append(time.monotonic() - began)
            assert done.returncode == 0, done
    ground.discard("shell")
    return took


def _row(filled: Filled, name: str, times: Times, ours: Times) -> list[str]:
    return [
        name,
        times.spread,
        f"{filled.content.bytes / MB / times.wall:.0f}",
        f"{ours.wall / times.wall:.2f}",
        f"{times.work:.1f}",
        f"{times.kept / MB:.0f}" if times.kept else "",
        SYNCS.get(name, "yes, and read back"),
    ]


def _words(kind: str, filled: Filled) -> str:
    return f"{kind}: {filled.content.bytes / MB:.0f} MB, {filled.content.entries:,} entries"
