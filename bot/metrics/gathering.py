"""Gathers what Prometheus asks for: counted at the scrape, so that nothing can drift from the database and the archive.

How runs ended is added up once, from the audit log, and from then on only what came since: a scrape costs the same
after a hundred thousand runs as after one. Must not know how figures are written.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from bot.errors import BotError
from bot.metrics import BACKUP_BYTES, RUN_SECONDS, Buckets, Family, Histogram, Kind
from bot.model import Status
from bot.stores.tallies import Ended, Tallies

_log = logging.getLogger(__name__)
_ENDINGS = tuple(status.value for status in Status if status.is_ending)
_BATCH = 5_000
_CATCHING_SECONDS = 2.0
MOST_SOURCES = 1_000
"""So many volumes have a series of their own; the ones with the oldest backups are among them."""

Source = tuple[str, str]
"""A host and what is backed up there."""


class Endings:
    """How runs ended since the first one, by command. For one thread."""

    def __init__(self, tallies: Tallies, commands: Collection[str]) -> None:
        self._tallies = tallies
        self._commands = frozenset(commands)
        self._seq = 0
        # From nought on: Prometheus sees no increase where a series begins with one.
        self._counts = Counter(dict.fromkeys(product(sorted(self._commands), _ENDINGS), 0))
        self._seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(RUN_SECONDS))
        self._bytes = Histogram(BACKUP_BYTES)

    def catch_up(self) -> bool:
        """Count what ended since the last time, for two seconds at most; whether that was all. Raises StoreError."""
        deadline = time.monotonic() + _CATCHING_SECONDS
        while found := self._tallies.ended_after(self._seq, _BATCH):
            for ended in found:
                self._note(ended)
            self._seq = found[-1].seq
            if time.monotonic() > deadline:
                return False
        return True

    def _note(self, ended: Ended) -> None:
        # A line that was no command has none; one that a newer program knows is not ours to name.
        command = ended.command or "none"
        command = command if command in self._commands or command == "none" else "other"
        self._counts[command, ended.ending] += 1
        if ended.seconds is not None:
            self._seconds[command].note(ended.seconds)
        if ended.raw_bytes is not None:
            self._bytes.note(float(ended.raw_bytes))

    def families(self) -> Iterator[Family]:
        """As it stands."""
        yield Family(
            name="runs",
            help="Runs that ended, by command and ending, since the first one.",
            kind=Kind.COUNTER,
            labels=("command", "ending"),
            values={labels: float(count) for labels, count in self._counts.items()},
        )
        yield Family(
            name="run_duration_seconds",
            help="How long runs took from the start of their work to their ending.",
            kind=Kind.HISTOGRAM,
            labels=("command",),
            values={(command,): seconds.buckets for command, seconds in self._seconds.items()},
        )
        yield Family(
            name="backup_bytes",
            help="What backups hold before compression, of each that `backup` made.",
            kind=Kind.HISTOGRAM,
            values={(): self._bytes.buckets},
        )


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is told beside the database.

    `taken` says when the newest verified backup of each source was begun, None where none of its backups counts.
    """

    commands: Collection[str]
    taken: Callable[[], Mapping[Source, datetime | None]]
    acks: Histogram
    clock: Callable[[], datetime]


class Metrics:
    """All families beside what the bot knows of itself. For one thread."""

    def __init__(self, tallies: Tallies, known: Known) -> None:
        self._tallies = tallies
        self._endings = Endings(tallies, known.commands)
        self._known = known

    def families(self) -> Iterator[Family]:
        """As things stand now; what the database does not tell just then is left out."""
        yield from self._of_backups()
        yield Family(
            name="ack_seconds",
            help="Time from the arrival of a request of Slack's to the acknowledgement that was sent.",
            kind=Kind.HISTOGRAM,
            values={(): self._known.acks.buckets},
        )
        try:
            # Half of a past would look like a leap once the rest is counted.
            if self._endings.catch_up():
                yield from self._endings.families()
            yield from self._of_queues()
        except BotError as error:  # the other figures are wanted just then
            _log.warning("what is in the database cannot be counted: %s", error)

    def _of_queues(self) -> Iterator[Family]:
        behind = self._tallies.behind()
        plain: tuple[tuple[str, str, Mapping[tuple[str, ...], float | Buckets], tuple[str, ...]], ...] = (
            (
                "queued_runs",
                "Runs that wait for a worker, by lane: front decides, work carries out.",
                {(lane.value,): float(count) for lane, count in self._tallies.queued().items()},
                ("lane",),
            ),
            (
                "outbox_messages",
                "Messages whose newest state Slack has not been shown yet.",
                {(): float(behind.messages)},
                (),
            ),
            (
                "outbox_failing_messages",
                "Those of them whose last try Slack did not take.",
                {(): float(behind.failing)},
                (),
            ),
        )
        for name, told, values, labels in plain:
            yield Family(name=name, help=told, kind=Kind.GAUGE, values=values, labels=labels)

    def _of_backups(self) -> Iterator[Family]:
        now, taken = self._known.clock(), self._known.taken()
        ages = {
            source: float("inf") if at is None else max((now - at).total_seconds(), 0.0)
            for source, at in taken.items()
        }
        oldest = sorted(ages, key=lambda source: (-ages[source], source))[:MOST_SOURCES]
        yield Family(
            name="last_verified_age_seconds",
            help="Age of the newest verified backup of a volume or path; infinite where no backup is verified.",
            kind=Kind.GAUGE,
            labels=("host", "volume"),
            values={source: ages[source] for source in oldest},
        )
        yield Family(
            name="backed_up_sources",
            help=f"Volumes and paths with backups; at most {MOST_SOURCES} of them have an age of their own here.",
            kind=Kind.GAUGE,
            values={(): float(len(ages))},
        )
