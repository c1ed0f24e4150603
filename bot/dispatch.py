"""The road: every command line, whoever sends it, is stored, decided, planned, held, recorded, run and ended here.

The only room that catches BotError, and the only one that turns an unexpected error into words.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.command import Command, find, parse
from bot.commandline import split
from bot.context import Ledger, RunContext
from bot.errors import (
    BotError,
    Busy,
    Cancelled,
    Conflict,
    Interrupted,
    LostHold,
    NotFound,
    PermissionDenied,
    StoreError,
    UsageError,
)
from bot.model import Actor, Button, Invocation, Plan, Reply, Status
from bot.permissions import Request
from bot.queue import RunQueue, Signal
from bot.services import Services
from bot.stores.audit import AuditEvent
from bot.stores.claims import Claim, Ending
from bot.stores.outbox import Outbox
from bot.stores.runs import Lane, Run

_log = logging.getLogger(__name__)

LATE = timedelta(seconds=2.5)
"""Slack shows an error 3 s after it sent a command. What was accepted later than this is not executed."""

_ABANDONED = timedelta(seconds=10)
_WAIT_FOR_TARGET = timedelta(seconds=1)
_FINISH_WAITS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)

_ENDINGS: tuple[tuple[type[BotError], Status], ...] = (
    (PermissionDenied, Status.DENIED),
    (Cancelled, Status.CANCELLED),
    (Interrupted, Status.INTERRUPTED),
    (UsageError, Status.REJECTED),
    (NotFound, Status.REJECTED),
    (Busy, Status.REJECTED),
    (Conflict, Status.REJECTED),
    (BotError, Status.FAILED),
)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The answer to a delivery: the run that stands for it, and whether this delivery made it."""

    run_id: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command line that was understood."""

    command: Command
    arguments: object
    host: str
    targets: tuple[str, ...]


class Dispatcher:
    """Takes invocations in, and executes the runs that the queue hands over."""

    def __init__(
        self, services: Services, ledger: Ledger, queue: RunQueue, outbox: Outbox, owner: str
    ) -> None:
        self._services = services
        self._ledger = ledger
        self._claims = ledger.claims
        self._queue = queue
        self._outbox = outbox
        self._owner = owner
        self._closing = threading.Event()

    # ---- taking in -------------------------------------------------------------------------------

    def accept(self, invocation: Invocation, *, told: bool = False) -> Accepted:
        """Store it durably; the same key gives the first delivery's run. Does nothing else.

        Unless the sender is `told` by this very return, it is executed only after `confirm`.
        Raises StoreError when it cannot be stored: then it never happened.
        """
        run, is_new = self._services.runs.submit(invocation, host=self._services.default_host, released=told)
        return Accepted(run_id=run.id, is_new=is_new)

    def confirm(self, run_id: str, waited: timedelta) -> None:
        """The sender was told `waited` after it had sent the command: execute it, unless that was too late."""
        if waited <= LATE:
            self._services.runs.release(run_id)
            return
        run = self._services.runs.get(run_id)
        if not run.released:
            self._expire(run)

    def cancel(self, run: Run, by: Actor) -> Run:
        """Ask for an end: a queued run ends at once, a running one as soon as its body looks."""
        asked = self._services.runs.ask_to_cancel(run.id, by.id)
        if asked.status is Status.QUEUED:
            reply = Reply(text=f"Cancelled by {by.name} before it began. Nothing was changed.")
            ending = Ending(status=Status.CANCELLED, reply=reply)
            self._claims.end_unclaimed(asked, ending, self._event(asked, Status.CANCELLED, reply.text))
        self._queue.cancel(run.id)
        return self._services.runs.get(run.id)

    # ---- executing -------------------------------------------------------------------------------

    def execute(self, run_id: str, signal: Signal) -> None:
        """Claim the run and carry it to its ending; a run that was running has lost its holder."""
        run = self._services.runs.get(run_id)
        if run.status.is_ending:
            return
        claim = self._claims.claim(run, self._owner)
        if claim is None:
            return
        try:
            if run.status is Status.RUNNING:
                self._interrupted(claim)
            else:
                self._carry(claim, signal)
        except LostHold:
            _log.warning("run %s has another holder now; nothing more is touched here", run_id)

    def _carry(self, claim: Claim, signal: Signal) -> None:
        asked: Asked | None = None
        try:
            asked = self._understand(claim.run)
            self._permit(claim.run, asked)
            if claim.run.lane is Lane.FRONT:
                reply = self._decide(claim, asked, signal)
            else:
                reply = self._work(claim, asked, signal)
        except LostHold:
            raise
        except BotError as error:
            reply = _refusal(error)
        except Exception:  # noqa: BLE001 - the one door: what nobody foresaw is logged, people get a reference
            _log.exception("run %s broke", claim.run.id)
            reply = Reply(
                text=f"Something broke on our side; the log has it under reference {claim.run.id}. "
                "What had begun was taken back.",
                status=Status.FAILED,
            )
        if reply is not None:
            self._finish(claim, asked, self._taken_back(claim, reply))

    def _understand(self, run: Run) -> Asked:
        if run.invocation.token is not None:
            self._outbox.button(run.invocation.token)
        words = split(run.invocation.line)
        command = find(self._services.commands, words)
        arguments = parse(command, words[1:])
        host = getattr(arguments, "host", None) or self._services.default_host
        targets = command.targets(arguments, self._services) if command.targets else ()
        return Asked(command=command, arguments=arguments, host=host, targets=targets)

    def _permit(self, run: Run, asked: Asked) -> None:
        place = run.invocation.place
        self._services.policy.check(
            Request(
                actor=run.invocation.actor,
                origin=run.invocation.origin,
                channel=place.channel if place else None,
                command=asked.command,
                targets=asked.targets,
            )
        )

    def _decide(self, claim: Claim, asked: Asked, signal: Signal) -> Reply | None:
        """The front lane: look at once, or hand what changes something to the workers (then None)."""
        run = claim.run
        if run.invocation.token is not None:
            self._outbox.use_button(run.invocation.token, by=run.invocation.actor.id, run_id=run.id)
        if asked.command.targets is None:
            return asked.command.run(asked.arguments, self._services, RunContext(claim, self._ledger, signal))
        self._services.engine(asked.host)
        if not getattr(asked.arguments, "wait", False):
            self._claims.refuse_if_held(run.id, asked.host, asked.targets)
        cancel = Button(label="Cancel", line=f"cancel {run.id}", danger=True)
        self._claims.pass_on(claim, asked.command.name, asked.host, cancel)
        return None

    def _work(self, claim: Claim, asked: Asked, signal: Signal) -> Reply | None:
        """The work lane: plan, hold, write `started`, run. None when it waits for its target."""
        context = RunContext(claim, self._ledger, signal)
        context.check()
        make_plan = asked.command.plan
        plan = (
            make_plan(asked.arguments, self._services)
            if make_plan
            else Plan(text=claim.run.invocation.line, targets=asked.targets)
        )
        try:
            self._claims.start(claim, plan, self._event(claim.run, None, plan.text, asked, plan.targets))
        except Busy:
            if not getattr(asked.arguments, "wait", False):
                raise
            self._claims.put_back(claim, self._services.clock() + _WAIT_FOR_TARGET)
            return None
        return asked.command.run(asked.arguments, self._services, context)

    # ---- ending ----------------------------------------------------------------------------------

    def _taken_back(self, claim: Claim, reply: Reply) -> Reply:
        """Play back what the body left open; what cannot be taken back makes the reply say so."""
        problems = self._ledger.undoer.play_back(claim.run.id)
        if not problems:
            return reply
        text = (
            f"{reply.text} Not everything could be taken back yet: {' '.join(problems)} "
            "It is tried again every few seconds, and its targets stay held until then."
        )
        status = Status.FAILED if reply.status is Status.SUCCEEDED else reply.status
        return Reply(text=text, facts=reply.facts, table=reply.table, status=status)

    def _interrupted(self, claim: Claim) -> None:
        """The holder died: take back what it left, and say what is true of the run now."""
        reply = self._found_done(claim.run) or Reply(
            text="The bot was stopped in the middle of this run. What had begun was taken back; nothing that "
            "was not proven is kept. Type the command again.",
            status=Status.INTERRUPTED,
        )
        self._finish(claim, None, self._taken_back(claim, reply))

    def _found_done(self, run: Run) -> Reply | None:
        command = self._services.commands.get(run.command or "")
        if command is None or command.done is None:
            return None
        try:
            return command.done(run.id, self._services)
        except BotError as error:
            _log.warning("run %s: whether it had been done cannot be told: %s", run.id, error)
            return None

    def _finish(self, claim: Claim, asked: Asked | None, reply: Reply) -> None:
        targets = self._claims.targets_of(claim.run.id)
        event = self._event(claim.run, reply.status, reply.text, asked, targets)
        for wait in (*_FINISH_WAITS, None):
            try:
                self._claims.finish(claim, Ending(status=reply.status, reply=reply), event)
                return
            except StoreError as error:
                _log.error("run %s: its ending cannot be written yet: %s", claim.run.id, error)
                if wait is None or self._closing.wait(wait):
                    break
        _log.critical(
            "run %s ended, and the database cannot be told: %s",
            claim.run.id,
            json.dumps({"run": claim.run.id, "ending": reply.status.value, "text": reply.text}),
        )

    def _event(
        self,
        run: Run,
        ending: Status | None,
        detail: str,
        asked: Asked | None = None,
        targets: tuple[str, ...] = (),
    ) -> AuditEvent:
        place = run.invocation.place
        return AuditEvent(
            run_id=run.id,
            kind="started" if ending is None else ending.value,
            at=self._services.clock(),
            actor=run.invocation.actor,
            origin=run.invocation.origin,
            channel=place.channel if place else None,
            command=asked.command.name if asked else run.command,
            line=run.invocation.line,
            host=asked.host if asked else run.host,
            targets=targets or (asked.targets if asked else ()),
            detail=detail,
        )

    # ---- keeping the house true ------------------------------------------------------------------

    def tidy(self) -> None:
        """End what nobody was told of, and try again to take back what could not be. Call it often."""
        for run in self._services.runs.abandoned(_ABANDONED):
            self._expire(run)
        waiting: Mapping[str, None] = dict.fromkeys(
            entry.run_id for entry in self._ledger.journal.open_entries()
        )
        for run_id in waiting:
            run = self._services.runs.get(run_id)
            if run.status.is_ending and not self._ledger.undoer.play_back(run_id):
                self._claims.amend(run, "By now everything was taken back.")

    def close(self) -> None:
        """Stop waiting for a database that does not come back."""
        self._closing.set()

    def _expire(self, run: Run) -> None:
        text = (
            "Slack was not told in time that this command had arrived, and may have shown an error. "
            "Nothing was run, so nothing was changed. Type it again."
        )
        ending = Ending(status=Status.EXPIRED, reply=Reply(text=text, status=Status.EXPIRED))
        self._claims.end_unclaimed(run, ending, self._event(run, Status.EXPIRED, text))


def _refusal(error: BotError) -> Reply:
    status = next(status for kind, status in _ENDINGS if isinstance(error, kind))
    return Reply(text=" ".join([str(error), *getattr(error, "__notes__", ())]), status=status)
