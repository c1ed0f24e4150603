"""One, two and four backups at once in one served bot, beside as many copies by hand, and the commands meanwhile."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

import pytest

from tests.bench.loading import Ours, Took, acked, copies_by_hand, filled, medians, ms, number, shouted
from tests.bench.merged import keep
from tests.support.yard import Yard

pytestmark = pytest.mark.bench

MEBIBYTES = number("SHIPKEEPER_SEVERAL_MIB", 512)
"""Of each volume."""
ROUNDS = number("SHIPKEEPER_SEVERAL_ROUNDS", 3)
AT_ONCE = (1, 2, 4)
_HEADS = ("at once", "shipkeeper", "by hand", "time ÷ by hand", "ack p50", "ack p99")
_LINES = ("runs --mine", "help backup", "whoami")
_A_SECOND = 5


@pytest.fixture(scope="module")
def volumes(yard: Yard) -> list[str]:
    """As many volumes as are backed up at once at most."""
    return [filled(yard, "several", MEBIBYTES) for _ in range(max(AT_ONCE))]


@pytest.fixture(scope="module")
def holders(yard: Yard, volumes: list[str]) -> list[str]:
    """A running container for each."""
    return [yard.user("holder", volume) for volume in volumes]


def test_several_backups_at_once(
    yard: Yard,
    volumes: list[str],
    holders: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All are proven, whoever types meanwhile is answered, and nothing is lost."""
    seconds: dict[int, list[tuple[float, float]]] = {many: [] for many in AT_ONCE}
    acks: dict[int, list[Took]] = {many: [] for many in AT_ONCE}
    with Ours(tmp_path / "ours", yard) as ours:
        backed_up(ours, volumes[:1])  # the images of the helpers are made
        for _ in range(ROUNDS):
            for many in AT_ONCE:
                took, answers = backed_up(ours, volumes[:many])
                seconds[many].append((took, copies_by_hand(yard, holders[:many], tmp_path)))
                acks[many].append(answers)
        ours.ended()
        ours.told()
        ours.site.refuse_loose_ends()
    rows = [row(many, seconds[many], acks[many]) for many in AT_ONCE]
    note = (
        f"Volumes of {MEBIBYTES} MiB, half of it compressible; MB/s of all together, medians of {ROUNDS} interleaved "
        "rounds; by hand is `docker cp | zstd -1 -T0`; the bot's time includes the walks, the hashes and reading back."
    )
    with capsys.disabled():
        print("\n" + keep("concurrent", _HEADS, rows, [note]))


def backed_up(ours: Ours, volumes: list[str]) -> tuple[float, Took]:
    """Seconds until all are proven, and how soon who typed meanwhile was answered."""
    runs = [ours.bot.backing_up(volume) for volume in volumes]
    said = []
    while not all(ours.site.has_ended(run) for run in runs):
        said += shouted(ours.slack, 1, [("/docker", _LINES[n % len(_LINES)]) for n in range(_A_SECOND)])
    answers = acked(said)
    rows = [ours.site.run(run) for run in runs]
    assert [row["status"] for row in rows] == ["succeeded"] * len(runs), [row["reply"] for row in rows]
    for volume in volumes:
        shutil.rmtree(ours.site.archive / "local" / volume)
    return ours.seconds_of(runs), answers


def row(many: int, seconds: list[tuple[float, float]], acks: list[Took]) -> list[str]:
    """What it came to for so many at once."""
    ours, by_hand = (statistics.median(column) for column in zip(*seconds, strict=True))
    ratio = statistics.median(mine / theirs for mine, theirs in seconds)
    p50, p99, _ = medians(acks)
    megabytes = many * MEBIBYTES * 1.048576
    return [
        str(many),
        f"{megabytes / ours:.0f} MB/s",
        f"{megabytes / by_hand:.0f} MB/s",
        f"{ratio:.2f}",
        ms(p50),
        ms(p99),
    ]
