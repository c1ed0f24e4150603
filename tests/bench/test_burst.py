"""A burst of commands while backups run: how soon Slack gets its answers, beside a bare Bolt app under the same load.

The bot and the other app are processes of their own; this process is Slack. Rounds are interleaved, and each figure is
the median of its rounds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.playground import Delivery
from tests.bench.loading import (
    SLACK_HEADS,
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
from tests.bench.merged import keep
from tests.support.yard import Yard

pytestmark = pytest.mark.bench

COMMANDS = number("SHIPKEEPER_BURST_COMMANDS", 200)
ROUNDS = number("SHIPKEEPER_BURST_ROUNDS", 5)
MEBIBYTES = number("SHIPKEEPER_BURST_MIB", 1536)
"""Of each of the two volumes: enough for the backups to outlast the burst."""
SECONDS = number("SHIPKEEPER_BURST_SECONDS", 0)
"""Over which the commands come; 0 is all at once."""

KINDS = ("bare app", "bare app beside two copies by hand", "shipkeeper", "shipkeeper beside two backups")
DOORS = {"socket": "Socket Mode", "http": "HTTP"}


@pytest.fixture(scope="module")
def volumes(yard: Yard) -> list[str]:
    """Two large volumes."""
    return [filled(yard, "burst", MEBIBYTES) for _ in range(2)]


@pytest.fixture(scope="module")
def holders(yard: Yard, volumes: list[str]) -> list[str]:
    """A running container for each."""
    return [yard.user("holder", volume) for volume in volumes]


class Rounds:
    """The four bursts of a round, and what they took in all rounds."""

    def __init__(self, echo: Echo, ours: Ours, volumes: list[str], holders: list[str]) -> None:
        self._echo, self._ours = echo, ours
        self._volumes, self._holders = volumes, holders
        self.said: list[Delivery] = []
        self.took: dict[str, list[Took]] = {kind: [] for kind in KINDS}

    def round(self, to: Path, *, is_last: bool) -> None:
        """One of each kind; in the last one the backups may end by themselves."""
        self._burst(KINDS[0], self._echo)
        with copied_by_hand(self._ours.yard, self._holders, to) as jobs:
            self._burst(KINDS[1], self._echo)
            assert all(job.poll() is None for job in jobs), "a copy ended too early: SHIPKEEPER_BURST_MIB"
        self.said += self._burst(KINDS[2], self._ours)
        self._ours.ended()
        runs = self._ours.backing_up(self._volumes)
        self.said += self._burst(KINDS[3], self._ours)
        assert all(self._ours.is_copying(run) for run in runs)
        if not is_last:
            self._ours.give_up(runs)
        self._ours.ended()
        self._ours.told()
        if is_last:
            assert [self._ours.site.status_of(run) for run in runs] == ["succeeded"] * len(runs)

    def _burst(self, kind: str, app: Echo | Ours) -> list[Delivery]:
        said = shouted(app.slack, SECONDS, commands())
        self.took[kind].append(acked(said))
        return said


@pytest.mark.parametrize("door", list(DOORS))
def test_a_burst_while_two_backups_run(
    door: str,
    yard: Yard,
    volumes: list[str],
    holders: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command is acknowledged in time and ends once, and both backups that ran meanwhile are proven."""
    is_http = door == "http"
    with Echo(http=is_http) as echo, Ours(tmp_path / "ours", yard, http=is_http) as ours:
        rounds = Rounds(echo, ours, volumes, holders)
        for place in range(ROUNDS):
            rounds.round(tmp_path, is_last=place == ROUNDS - 1)
        ours.refuse_lost(rounds.said)
    figures = {kind: medians(took) for kind, took in rounds.took.items()}
    pace = f"in {SECONDS} s" if SECONDS else "at once"
    rows = [
        [f"{DOORS[door]}, {COMMANDS} commands {pace}: {kind}", *map(ms, three)]
        for kind, three in figures.items()
    ]
    over = {kind: figures[KINDS[3]][1] - figures[kind][1] for kind in KINDS[:2]}
    note = (
        f"{DOORS[door]}, ack p99 of shipkeeper beside two backups, over a bare Bolt app's: {ms(over[KINDS[0]])} over "
        f"what that one takes alone, {ms(over[KINDS[1]])} over what it takes beside two `docker cp | zstd`."
    )
    with capsys.disabled():
        print("\n" + keep("slack", SLACK_HEADS, rows, [note]))


def commands() -> list[tuple[str, str]]:
    """Looks and mistakes in turn."""
    kinds = (
        ("/docker", "runs --mine"),
        ("/docker", "help backup"),
        ("/docker", "bakcup pgdata"),
        ("/docker", "whoami"),
    )
    return [kinds[place % len(kinds)] for place in range(COMMANDS)]
