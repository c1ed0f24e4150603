"""A burst of commands while backups run: how soon Slack gets its answers, beside a bare Bolt app under the same load.

The bot and the other app are processes of their own; this process is Slack. Rounds are interleaved, and each figure is
the median of its rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.loading import (
    Echo,
    Ours,
    Took,
    acked,
    copied_by_hand,
    filled,
    medians,
    ms,
    number,
    shouted,
)
from tests.support.engine_available import require_engine
from tests.support.process import until
from tests.support.yard import Yard

pytestmark = pytest.mark.bench

COMMANDS = number("SHIPKEEPER_BURST_COMMANDS", 200)
ROUNDS = number("SHIPKEEPER_BURST_ROUNDS", 5)
MEBIBYTES = number("SHIPKEEPER_BURST_MIB", 1536)
"""Of each of the two volumes: enough for the backups to outlast the burst."""
SECONDS = number("SHIPKEEPER_BURST_SECONDS", 0)
"""Over which the commands come; 0 is all at once."""


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def volumes(yard: Yard) -> list[str]:
    """Two large volumes."""
    return [filled(yard, "burst", MEBIBYTES) for _ in range(2)]


@pytest.mark.parametrize("door", ["socket", "http"])
def test_a_burst_while_two_backups_run(
    door: str, yard: Yard, volumes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits longer for it than for a bare app, give or take; nothing of it is lost."""
    holders = [yard.user("holder", volume) for volume in volumes] if door == "socket" else yard._users
    took: dict[str, list[Took]] = {name: [] for name in ("echo", "echo+cp", "ours", "ours+backups")}
    with Echo(tmp_path / "echo", http=door == "http") as echo, Ours(tmp_path / "ours", yard, http=door == "http") as ours:
        said = []
        for _ in range(ROUNDS):
            took["echo"].append(acked(shouted(echo.slack, SECONDS, commands(volumes))))
            with copied_by_hand(yard, holders, tmp_path) as jobs:
                until(lambda: all((tmp_path / f"by-hand-{n}.zst").stat().st_size > 1 << 20 if (tmp_path / f"by-hand-{n}.zst").exists() else False for n in range(2)), saying="bytes")
                took["echo+cp"].append(acked(shouted(echo.slack, SECONDS, commands(volumes))))
                assert all(job.poll() is None for job in jobs), "a copy ended before the burst did: larger volumes are needed"
            burst = shouted(ours.slack, SECONDS, commands(volumes))
            took["ours"].append(acked(burst))
            said += burst
            ours.ended()
            runs = ours.backing_up(volumes)
            burst = shouted(ours.slack, SECONDS, commands(volumes))
            took["ours+backups"].append(acked(burst))
            assert all(ours.is_copying(run) for run in runs)
            said += burst
            ours.give_up(runs)
            ours.ended()
            with capsys.disabled():
                print({name: [ms(x) for x in rounds[-1].three] for name, rounds in took.items()})
        ours.told()
        ours.refuse_lost(said)
    with capsys.disabled():
        for name, rounds in took.items():
            print(name, [ms(x) for x in medians(rounds)])


def commands(volumes: list[str]) -> list[tuple[str, str]]:
    """Looks, mistakes and what is refused, in turn; nothing that would be a backup more."""
    kinds = (
        ("/docker", "runs --mine"),
        ("/docker", "help backup"),
        ("/docker", "bakcup pgdata"),
        ("/docker", "whoami"),
    )
    return [kinds[place % len(kinds)] for place in range(COMMANDS)]
