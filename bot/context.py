"""What a handler's body may do with its run: look whether to go on, say how far it is, write down undos."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from bot.command import Command
from bot.crowd import Courtesy, Crowd
from bot.errors import BotError, Cancelled, Interrupted, LostHold, StoreError
from bot.language import Thread, say
from bot.model import Actor, Invocation, Progress
from bot.permissions import Request
from bot.stores.claims import Claim, Claims
from bot.stores.journal import Entry, Journal
from bot.undo import Undoer
from bot.workers import Signal

_log = logging.getLogger(__name__)
_PROGRESS_SECONDS = 1.0
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Where a run's holder writes, and for whom it steps aside."""

    claims: Claims
    journal: Journal
    undoer: Undoer
    clock: Callable[[], datetime]
    owner: str
    crowd: Crowd = field(default_factory=Crowd)


class Step:
    """Something that was done and can be taken back."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        """What was done stays: its undo is struck off without being carried out."""
        self.kept = True


class RunContext:
    """One run, in the hands of the thread that executes it."""

    def __init__(self, claim: Claim, ledger: Ledger, signal: Signal) -> None:
        self._claim = claim
        self._ledger = ledger
        self._signal = signal
        self._courtesy = Courtesy(ledger.crowd)
        if claim.run.cancel_requested_by is not None:  # asked while nobody held the run
            signal.cancel()
        self._hurries = 0
        self._lock = threading.Lock()
        self._shown_at = 0.0
        self._unshown: Progress | None = None
        self._step = ""
        self._began = (time.monotonic(), 0)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._claim.run.id

    @property
    def host(self) -> str:
        """The host that the run is on."""
        return self._claim.run.host

    @property
    def invocation(self) -> Invocation:
        """What was asked."""
        return self._claim.run.invocation

    @property
    def actor(self) -> Actor:
        """Who asked."""
        return self.invocation.actor

    def request(self, command: Command, targets: tuple[str, ...] = (), *, host: str | None = None) -> Request:
        """What the policy is asked when whoever asked for this run wants that command."""
        place = self.invocation.place
        return Request(
            actor=self.actor,
            origin=self.invocation.origin,
            channel=place.channel if place else None,
            command=command,
            targets=targets,
            host=host,
        )

    def check(self) -> None:
        """Raise Cancelled or Interrupted if an end was asked for. Cheap: call it for every chunk.

        While people wait for an answer, it lets them go first for a moment, unless it is in a hurry.
        """
        if not self._hurries:
            self._courtesy.step_aside()
        if self._signal.cancelled():
            raise Cancelled(say("The run was cancelled. What it had begun was taken back."))
        if self._signal.stopping():
            raise Interrupted(
                say(
                    "The bot was stopped in the middle of this run. What it had begun was taken back. "
                    "Type the command again."
                )
            )

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """While the body runs, `check` lets nobody go first: people's containers are kept still for it."""
        self._hurries += 1
        try:
            yield
        finally:
            self._hurries -= 1

    @contextmanager
    def watched(self, end: Callable[[], None]) -> Iterator[None]:
        """While the body runs: soon after an end was asked for, call `end` once, from another thread.

        Whoever watches waits for the body's end, and looks for the other now and then: most bodies are short.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_WATCH_SECONDS):
                if self._signal.cancelled() or self._signal.stopping():
                    end()
                    return
                with suppress(LostHold):  # whoever does the work learns of it by itself
                    self._show_what_is_late()

        watcher = Thread(watch, name=f"watch-{self.run_id}")
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        """Show how far it is, at most once a second; raises LostHold or Cancelled like `check`."""
        now = time.monotonic()
        is_new = step != self._step
        if is_new:
            self._step, self._began = step, (now, done_bytes)
        seconds = now - self._began[0]
        rate = (done_bytes - self._began[1]) / seconds if seconds > 0 else None
        progress = Progress(step=step, done_bytes=done_bytes, total_bytes=total_bytes, rate=rate)
        with self._lock:
            if not is_new and now - self._shown_at < _PROGRESS_SECONDS:
                self._unshown = progress
                return
            self._shown_at, self._unshown = now, None
        self._show(progress)
        self.check()

    def _show_what_is_late(self) -> None:
        """Show the last that was said, when nothing was said since: bytes that stand still are shown, too."""
        now = time.monotonic()
        with self._lock:
            late = self._unshown
            if late is None or now - self._shown_at < _PROGRESS_SECONDS:
                return
            self._shown_at, self._unshown = now, None
        self._show(late)

    def _show(self, progress: Progress) -> None:
        try:
            if self._ledger.claims.note_progress(self._claim, progress) is not None:
                self._signal.cancel()
        except StoreError as error:  # the work goes on; only its ending must be written
            _log.warning("run %s: its progress cannot be shown: %s", self.run_id, error)

    @contextmanager
    def undoable(self, verb: str, **arguments: str) -> Iterator[Step]:
        """Write down durably how to take back what the body is about to do; on leaving, take it back.

        `step.keep()` makes what was done stay. When taking back fails, its error joins the body's own, and
        the entry stays open for the next try; so do older ones that depend on it. What could not be written
        down as kept is taken back at the run's end. After LostHold nothing is touched.
        """
        entry = self._ledger.journal.write(
            Entry(id=0, run_id=self.run_id, host=self.host, verb=verb, arguments=arguments),
            epoch=self._claim.epoch,
            at=self._ledger.clock(),
        )
        step = Step()
        try:
            yield step
        except LostHold:
            raise
        except BaseException as error:
            self._leave_after(error, entry, step)
            raise
        self._leave(entry, step)

    def _leave(self, entry: Entry, step: Step) -> None:
        if step.kept:
            self._strike_off_as_kept(entry)
        elif not self._ledger.claims.is_ours(self._claim):
            raise LostHold(self.run_id)
        elif reason := self._ledger.undoer.waits(entry):  # the play-back at the run's end says so
            _log.warning("run %s: %s waits: %s", self.run_id, entry.verb, reason)
        else:
            self._ledger.undoer.carry_out(entry)

    def _strike_off_as_kept(self, entry: Entry) -> None:
        """Tried twice: it may have been written, and only the answer was lost with the connection."""
        try:
            self._ledger.journal.settle(entry.id, at=self._ledger.clock(), kept=True)
        except StoreError as error:
            _log.warning("run %s: that %s is kept is written once more: %s", self.run_id, entry.verb, error)
            self._ledger.journal.settle(entry.id, at=self._ledger.clock(), kept=True)

    def _leave_after(self, error: BaseException, entry: Entry, step: Step) -> None:
        try:
            self._leave(entry, step)
        except BotError as problem:
            error.add_note(
                say(
                    "And taking back “{deed}” failed: {problem}",
                    deed=entry.verb.replace("_", " "),
                    problem=problem,
                )
            )
