"""Gathers what Prometheus asks for: counted at the scrape, so that nothing can drift from the database and the archive.

How runs ended is added up once, from the audit log, and from then on only what came since: a scrape costs the same
after a hundred thousand runs as after one. Must not know how figures are written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from itertools import product

from bot.errors import BotError
from bot.metrics import BACKUP_BYTES, RUN_SECONDS, Buckets, Family, Histogram, Kind
from bot.model import Status
from bot.operations.holds import is_verified
from bot.stores.archive import Archive
from bot.stores.tallies import Ended, Tallies

_log = logging.getLogger(__name__)
_ENDINGS = tuple(status.value for status in Status if status.is_ending)
_BATCH = 5_000
_CATCHING_SECONDS = 2.0
_OLD_SECONDS = 60.0
_FIRST_LOOK_SECONDS = 2.0
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


class Protection:
    """When the newest verified backup of each source was taken; looked at in the background, once a minute at most."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._taken: Mapping[Source, datetime | None] = {}
        self._looked_at = -_OLD_SECONDS
        self._looking: threading.Thread | None = None

    def taken(self) -> Mapping[Source, datetime | None]:
        """As last seen; None for what has only backups that do not count. The first time it waits a moment."""
        is_looking = self._looking is not None and self._looking.is_alive()
        if not is_looking and time.monotonic() - self._looked_at >= _OLD_SECONDS:
            is_first, self._looked_at = not self._taken, time.monotonic()
            self._looking = threading.Thread(target=self._look, name="protection", daemon=True)
            self._looking.start()
            if is_first:
                self._looking.join(_FIRST_LOOK_SECONDS)
        return self._taken

    def _look(self) -> None:
        found: dict[Source, datetime | None] = {}
        try:
            for backup in self._archive.backups():  # newest first
                source = (backup.host, backup.volume)
                if found.get(source) is None:
                    counts = is_verified(backup, self._archive.marks(backup))
                    found[source] = backup.manifest.started_at if counts else None
        except BotError as error:  # what was seen last is still the best guess
            _log.warning("the ages of backups cannot be looked at: %s", error)
            return
        self._taken = found


class Metrics:
    """All families beside what the bot knows of itself. For one thread."""

    def __init__(
        self,
        tallies: Tallies,
        archive: Archive,
        commands: Collection[str],
        acks: Histogram,
        clock: Callable[[], datetime],
    ) -> None:
        self._tallies = tallies
        self._endings = Endings(tallies, commands)
        self._protection = Protection(archive)
        self._acks = acks
        self._clock = clock

    def families(self) -> Iterator[Family]:
        """As things stand now; what the database does not tell just then is left out."""
        yield from self._of_backups()
        yield Family(
            name="ack_seconds",
            help="Time from the arrival of a request of Slack's to the acknowledgement that was sent.",
            kind=Kind.HISTOGRAM,
            values={(): self._acks.buckets},
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
        now, taken = self._clock(), self._protection.taken()
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
