"""A served bot under load, and what it is compared with: bursts of commands, backups and their like beside them.

Everything is looked at from outside: from Slack's side, from the database, from the machine. It must not reach into
the bot.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from bot.playground import Delivery, Playground, User
from tests.bench import echo_app
from tests.slack.witness import key_of
from tests.slack.workplace import free_port
from tests.support import canaries
from tests.support.process import Served, Site, until
from tests.support.yard import Yard

SLACK_HEADS = ("answers to Slack", "p50", "p99", "slowest")
PEOPLE = [f"U0L{number:03d}" for number in range(50)]
_ACKS_WITHIN = 30.0
_PIECE = 1 << 16
_TOML = """
[slack]
listen = "127.0.0.1:{port}"
[roles.operators]
members = {members}
right = "admin"
"""


def number(name: str, default: int) -> int:
    """A size of a bench, from the environment."""
    return int(os.environ.get(name, default))


@dataclass(frozen=True)
class Took:
    """Seconds of many answers, in order."""

    seconds: tuple[float, ...]

    def at(self, share: float) -> float:
        """So many of them were not slower: 0.99 is the p99."""
        return self.seconds[min(int(len(self.seconds) * share), len(self.seconds) - 1)]

    @property
    def three(self) -> tuple[float, float, float]:
        """p50, p99 and the slowest."""
        return self.at(0.5), self.at(0.99), self.seconds[-1]


def medians(rounds: Sequence[Took]) -> tuple[float, float, float]:
    """p50, p99 and slowest, each the median of all rounds."""
    p50, p99, slowest = zip(*(one.three for one in rounds), strict=True)
    return statistics.median(p50), statistics.median(p99), statistics.median(slowest)


def ms(seconds: float) -> str:
    """Whole milliseconds."""
    return f"{seconds * 1000:.0f} ms"


def shouted(slack: Playground, seconds: float, commands: Sequence[tuple[str, str]]) -> list[Delivery]:
    """The commands, of fifty people in turn, evenly over that time; at 0 as fast as they can be typed."""
    pause, began, said = Event(), time.monotonic(), []
    for place, (command, text) in enumerate(commands):
        early = began + place * seconds / len(commands) - time.monotonic()
        if early > 0:
            pause.wait(early)
        said.append(slack.slash(command, text, user=PEOPLE[place % len(PEOPLE)]))
    return said


def acked(deliveries: Sequence[Delivery]) -> Took:
    """Wait for all acks; every one must be there and within Slack's three seconds."""

    def settled() -> bool:
        return all(one.acked_at is not None or one.error is not None for one in deliveries)

    until(settled, seconds=_ACKS_WITHIN, saying="an answer to each command", every=0.05)
    failed = [f"{one.summary}: {one.error}" for one in deliveries if one.error is not None]
    assert not failed, failed
    return Took(tuple(sorted(one.took or 0.0 for one in deliveries)))


class Echo:
    """The bare Bolt app as a process of its own, in a workspace of its own."""

    def __init__(self, *, http: bool) -> None:
        self.slack = Playground(credentials=canaries.SLACK)
        self._http = http

    def __enter__(self) -> Self:
        slack, port = self.slack.start(), free_port()
        _populate(slack)
        secrets = (
            {"SLACK_SIGNING_SECRET": slack.signing_secret, "ECHO_PORT": str(port)}
            if self._http
            else {"SLACK_APP_TOKEN": slack.app_token}
        )
        given = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_API_URL": slack.api_url, **secrets}
        self._process = subprocess.Popen(
            [sys.executable, echo_app.__file__], env={"PATH": os.environ["PATH"], **given}
        )
        if self._http:
            slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        _wait_until_answered(slack)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self.slack.stop()


class Ours:
    """The bot as a process of its own with fifty people, on the yard's engine."""

    def __init__(self, state: Path, yard: Yard, *, http: bool = False, more_toml: str = "") -> None:
        self.slack = Playground(credentials=canaries.SLACK)
        self.yard = yard
        self._state, self._http, self._more_toml = state, http, more_toml

    def __enter__(self) -> Self:
        slack, port = self.slack.start(), free_port()
        _populate(slack)
        self.site = Site(self._state, docker_host=self.yard.url, slack=slack)
        toml = _TOML.format(port=port, members=json.dumps(["U0ANN", *PEOPLE])) + self._more_toml
        (self._state / "settings.toml").write_text(toml)
        if self._http:
            del self.site.environment["SLACK_APP_TOKEN"]
            self.site.environment["SLACK_SIGNING_SECRET"] = slack.signing_secret
            slack.request_url = f"http://127.0.0.1:{port}/slack/events"
        self.bot: Served = self.site.serve()
        _wait_until_answered(slack)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.site.__exit__(kind, error, trace)
        self.slack.stop()
        self.yard.tidy()

    @property
    def rss_mib(self) -> float:
        """What the process holds in memory now."""
        pages = int(Path(f"/proc/{self.bot.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / (1 << 20)

    def backing_up(self, volumes: Sequence[str]) -> list[str]:
        """Begin a backup of each volume, and wait until bytes flow; the runs' ids."""
        begun = [self.bot.backing_up(volume) for volume in volumes]
        until(lambda: all(self.is_copying(run) for run in begun), saying="bytes of every backup", seconds=60)
        return begun

    def is_copying(self, run_id: str) -> bool:
        """Whether its bytes flow, or flowed; fails when it ended."""
        row = self.site.run(run_id)
        assert row["ended_at"] is None, f"the backup ended too early: {row['status']} {row['reply']}"
        return bool(row["progress"] and json.loads(row["progress"])["done_bytes"])

    def give_up(self, runs: Sequence[str]) -> None:
        """Cancel them and wait for their endings."""
        for run in runs:
            self.bot.asked("/docker", f"cancel {run}")
        until(lambda: all(self.site.has_ended(run) for run in runs), seconds=60, saying="the cancelled end")

    def ended(self, *, seconds: float = 120.0) -> None:
        """Wait until every run has its ending."""
        open_runs = "SELECT 1 FROM runs WHERE ended_at IS NULL LIMIT 1"
        until(lambda: not self.site.rows(open_runs), seconds=seconds, saying="all endings", every=0.05)

    def seconds_of(self, runs: Sequence[str]) -> float:
        """From the first one's arrival to the last one's ending."""
        rows = [self.site.run(run) for run in runs]
        first = min(datetime.fromisoformat(row["created_at"]) for row in rows)
        return (max(datetime.fromisoformat(row["ended_at"]) for row in rows) - first).total_seconds()

    def told(self, *, seconds: float = 240.0) -> None:
        """Wait until the outbox is empty."""
        untold = "SELECT 1 FROM messages WHERE closed = 0 LIMIT 1"
        until(lambda: not self.site.rows(untold), seconds=seconds, saying="an empty outbox", every=0.1)

    def refuse_lost(self, deliveries: Sequence[Delivery]) -> None:
        """Fail unless each command has exactly one run with one ending, and Slack's rules were kept."""
        runs = self.site.rows("SELECT key, ended_at FROM runs")
        keys = [row["key"] for row in runs if row["ended_at"] is not None]
        lost = [one.summary for one in deliveries if keys.count(key_of(one)) != 1]
        assert not lost, f"commands without exactly one ended run: {lost}"
        assert not self.slack.world.rate_violations
        self.site.refuse_loose_ends()


def _populate(slack: Playground) -> None:
    for user in PEOPLE:
        slack.add_user(User(id=user, name=user.lower()))
    everybody = frozenset(PEOPLE)
    channel = slack.world.channels["C0OPS"]
    slack.add_channel(type(channel)(id=channel.id, name=channel.name, members=channel.members | everybody))


def _wait_until_answered(slack: Playground) -> None:
    """Until a first command is: then the process has made everything that it makes once."""

    def answered() -> bool:
        if slack.request_url is None and not slack.hub.connections:
            return False
        first = slack.slash("/docker", "help")
        until(lambda: first.acked_at is not None or first.error is not None, seconds=5, saying="an answer")
        return first.error is None

    until(answered, seconds=30, saying="an app that answers", every=0.1)


def semi_compressible(path: Path, mebibytes: int) -> None:
    """A file of which a half can be compressed, as data files of databases can: random bytes and rows in turn."""
    row = (b"2026-01-01 00:00:00 shipkeeper a row like many others\n" * 700)[: _PIECE // 2]
    with path.open("wb") as file:
        for _ in range(mebibytes * (1 << 20) // _PIECE):
            file.write(os.urandom(_PIECE // 2))
            file.write(row)
        file.flush()
        os.fsync(file.fileno())


def filled(yard: Yard, name: str, mebibytes: int) -> str:
    """A volume with such a file."""
    volume = yard.volume(name)
    semi_compressible(yard.mountpoint(volume) / "data", mebibytes)
    return volume


@contextmanager
def copied_by_hand(yard: Yard, holders: Sequence[str], to: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """`docker cp CONTAINER:/v0 - | zstd -1 -T0` of each container at once, while bytes flow; ended afterwards."""
    started, files = _by_hand(yard, holders, to)
    try:
        flows = lambda: all(one.exists() and one.stat().st_size > 1 << 20 for one in files)  # noqa: E731
        until(flows, saying="bytes of every copy", seconds=60)
        yield started
    finally:
        for one in started:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGTERM)
            one.wait()
        for file in files:
            file.unlink(missing_ok=True)


def copies_by_hand(yard: Yard, holders: Sequence[str], to: Path) -> float:
    """The seconds that the same takes until all are over and on the disk."""
    began = time.monotonic()
    started, files = _by_hand(yard, holders, to)
    assert [one.wait() for one in started] == [0] * len(started)
    for file in files:
        with file.open("rb") as written:
            os.fsync(written.fileno())
    took = time.monotonic() - began
    for file in files:
        file.unlink()
    return took


def _by_hand(
    yard: Yard, holders: Sequence[str], to: Path
) -> tuple[list[subprocess.Popen[bytes]], list[Path]]:
    files = [to / f"by-hand-{place}.zst" for place in range(len(holders))]
    started = [
        subprocess.Popen(
            ["/bin/sh", "-c", f'docker cp "$HOLDER":/v0 - | zstd -1 -T0 -q -f -o "{file}"'],
            env={"PATH": os.environ["PATH"], "DOCKER_HOST": yard.url, "HOLDER": holder},
            start_new_session=True,
        )
        for holder, file in zip(holders, files, strict=True)
    ]
    return started, files
