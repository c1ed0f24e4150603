"""Follows a run from a shell to its ending: executes it where no bot serves, and says what it waits for.

Must not know what a run does; the dispatcher and the queue do.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable

from bot.app import App
from bot.approvals.binding import in_words
from bot.approvals.deciding import Approvals
from bot.bars import face_of, far
from bot.consent import given, wanted
from bot.language import later, say
from bot.model import Invocation, Origin, Outcome, Status
from bot.signals import OnSignal
from bot.stores.runrow import Lane, Run

_POLL_SECONDS = 0.1
_SILENT_SECONDS = 1.0
"""How long a run may wait for its turn without a word: most begin at once."""

_FACES = {
    Origin.CLI: later("from a shell"),
    Origin.SLACK: later("in Slack"),
    Origin.SCHEDULE: later("by a schedule"),
}


def carried(app: App, invocation: Invocation) -> Outcome:
    """Store it, and follow it to its ending; a first Ctrl-C cancels it, and waits for what that takes back."""
    run_id = app.dispatcher.accept(invocation, told=True).run_id
    interrupted = threading.Event()
    with OnSignal(interrupted.set), _Teller(app) as teller:
        wait, ours, told = _Wait(app), False, False
        while True:
            run = app.services.runs.get(run_id)
            if run.outcome is not None:
                return run.outcome
            if not ours and app.sole.take(invocation.line):
                ours = True
                app.begin(only=frozenset({run_id}))
            if interrupted.wait(_POLL_SECONDS) and not told:
                told = True
                teller.cancelling(run, is_ours=ours)
                app.dispatcher.cancel(run, invocation.actor)
            if ours and run.status is Status.WAITING:
                app.housekeeper.keep_approvals()  # nobody else keeps house here
            teller.ask(run, app.services.approvals)
            teller.show(run, wait.for_what(run))


class _Wait:
    """Finds out what a run waits for, once it has waited for longer than a moment."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._since: float | None = None

    def for_what(self, run: Run) -> tuple[Run, ...]:
        """The runs at work meanwhile; none while it waits for nothing that is worth a word."""
        if run.lane is not Lane.WORK or run.status is not Status.QUEUED:
            self._since = None
            return ()
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since < _SILENT_SECONDS:
            return ()
        running = self._app.services.runs.running()
        return tuple(one for one in running if one.lane is Lane.WORK and one.id != run.id)


class _Teller:
    """How far the run is, on standard error, and in sentences that stay what it waits for."""

    def __init__(self, app: App) -> None:
        self._clock = app.services.clock
        self._face = face_of(sys.stderr)
        self._said: frozenset[str] = frozenset()
        self._asked = ""

    def __enter__(self) -> _Teller:
        self._face.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._face.__exit__()

    def ask(self, run: Run, approvals: Approvals) -> None:
        """While it waits for approval: say whose, in a line that stays, whenever that changes."""
        asked = approvals.of(run.id) if run.status is Status.WAITING else None
        if asked is None or asked.decision is not None:
            return
        asked = approvals.as_it_stands(asked)
        told = say(
            "Run {run_id} waits for approval until {at:%Y-%m-%d %H:%M:%S} UTC. {wanted} {given} Ctrl-C cancels it.",
            run_id=run.id,
            at=asked.expires_at,
            wanted=wanted(asked),
            given=given(asked),
        )
        if told != self._asked:
            self._asked = told
            plan = run.plan.text if run.plan else ""
            things = (
                say("Only for exactly this: {things}", things=in_words(asked.binds)) if asked.binds else ""
            )
            for sentence in (plan, things, " ".join(told.split())):
                self._face.tell(sentence)

    def cancelling(self, run: Run, *, is_ours: bool) -> None:
        """Say what a Ctrl-C does, and what another one would."""
        told = say(
            "Run {run_id} is being cancelled, and what it began is taken back; this command waits for that.",
            run_id=run.id,
        )
        more = (
            say(
                "Another Ctrl-C waits for a limited time only; what is left then is taken back by the next shipkeeper "
                "that starts here."
            )
            if is_ours
            else say(
                "Another Ctrl-C stops waiting; the bot that carries the run out takes it back all the same."
            )
        )
        self._face.tell(f"{told} {more}")

    def show(self, run: Run, at_work: tuple[Run, ...]) -> None:
        """The run, and each one that it waits for; those are named in a line that stays, once."""
        now = self._clock()
        if at_work and self._said != {one.id for one in at_work}:
            self._said = frozenset(one.id for one in at_work)
            sentence = say(
                "Run {run_id} waits for its turn: {runs}. It goes on by itself.",
                run_id=run.id,
                runs=_named(at_work),
            )
            self._face.tell(sentence)
        waits = ""
        if at_work:
            waits = say(
                "waits while others are at work: run {runs}", runs=", ".join(one.id for one in at_work)
            )
        self._face.show([*(far(one, now) for one in at_work), far(run, now, waits)])


def _named(runs: Iterable[Run]) -> str:
    return ", ".join(
        say(
            "run {run_id} (`{line}`, by {actor} {origin}) is at work",
            run_id=run.id,
            line=run.invocation.line,
            actor=run.invocation.actor.name,
            origin=say(_FACES[run.invocation.origin]),
        )
        for run in runs
    )
