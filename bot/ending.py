"""How a run ends: one ending of a closed set, with what it began taken back, recorded with its reply.

Knows nothing of how a command line is understood; `dispatch.py` decides, this room writes the last words.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from bot.asked import Asked
from bot.command import Command
from bot.context import Ledger
from bot.errors import BotError, StoreError
from bot.language import later, say, speaking
from bot.model import Button, Reply, Status
from bot.services import Services
from bot.stores.audit import AuditEvent
from bot.stores.claims import Claim, Ending
from bot.stores.database import Transaction
from bot.stores.runrow import Lane, Run

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_ABANDONED = timedelta(seconds=5)
_FINISH_WAITS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)

_TURNED_AWAY = (Status.DENIED, Status.REJECTED)
_NEVER_BEGAN = (Status.EXPIRED, Status.INTERRUPTED)
_NOT_DONE = (Status.PARTIAL, Status.FAILED, Status.CANCELLED, *_NEVER_BEGAN)


class Endings:
    """Writes how runs end."""

    def __init__(self, services: Services, ledger: Ledger) -> None:
        self._services = services
        self._ledger = ledger
        self._claims = ledger.claims
        self._closing = threading.Event()
        self._untold: dict[str, Reply] = {}
        """What ended here and is not written yet: only who was stopped in the middle has no reply."""

    def taken_back(self, claim: Claim, reply: Reply) -> Reply:
        """Play back what the body left open; what cannot be taken back makes the reply say so.

        A database that is away is waited for, as in `finish`; after that raises StoreError.
        """
        offered = self._untold[claim.run.id] = _offered(claim.run, reply)

        def explained() -> Reply:
            problems = self._ledger.undoer.play_back(claim.run.id, failed_too=False)
            return self._explained(claim.run, offered, problems)

        return self._patiently(claim.run.id, explained)

    def _explained(self, run: Run, reply: Reply, problems: tuple[str, ...]) -> Reply:
        if reply.status is not Status.SUCCEEDED and (
            run.lane is Lane.WORK or reply.status not in _TURNED_AWAY
        ):
            reply = replace(reply, text=" ".join((reply.text, *self._left_alone(run, reply))))
        if not problems:
            return reply
        text = say(
            "{reply} Not everything could be taken back yet: {problems} "
            "While the bot serves it is tried again every few seconds, and its targets stay held until then.",
            reply=reply.text,
            problems=" ".join(problems),
        )
        status = Status.FAILED if reply.status is Status.SUCCEEDED else reply.status
        return replace(reply, text=text, buttons=(), status=status)

    def _left_alone(self, run: Run, reply: Reply | None) -> list[str]:
        """What is never taken back, and the reply does not say yet."""
        told = reply.text if reply else ""
        return [left for left in self._ledger.journal.left_alone(run.id) if left not in told]

    def interrupted(self, claim: Claim) -> None:
        """The holder died: take back what it left, and say what is true of the run now, or that nobody can tell.

        What this very process came to, and could not write, is true still.
        """
        problems = self._ledger.undoer.play_back(claim.run.id)
        reply = self._untold.get(claim.run.id) or _offered(claim.run, self._found(claim.run))
        self.finish(claim, None, self._explained(claim.run, reply, problems))

    def _found(self, run: Run) -> Reply:
        done = self._found_done(run)
        if done is not None:
            return done
        command = self._named(run)
        if (command is None or command.done is None) and not self._ledger.journal.noted(run.id):
            # It may have done all its work in one step, of which there is nothing to take back.
            text = say(
                "The bot was stopped in the middle of this run, and its answer is lost. If it was to change something, "
                "look whether it did before you type it again."
            )
        else:
            text = say(
                "The bot was stopped in the middle of this run. What had begun was taken back; nothing that "
                "was not proven is kept. Type the command again."
            )
        return Reply(text=text, status=Status.INTERRUPTED)

    def _named(self, run: Run) -> Command | None:
        return self._services.commands.get(run.command or run.invocation.line.partition(" ")[0])

    def _found_done(self, run: Run) -> Reply | None:
        command = self._named(run)
        # Of one whose plan was not written down yet, only what does all its work by looking can be done.
        if command is None or command.done is None or not (run.plan or command.only_looks):
            return None
        try:
            return command.done(run.id, self._services)
        except BotError as error:
            _log.warning("run %s: whether it had been done cannot be told: %s", run.id, error)
            return Reply(
                text=say(
                    "The bot was stopped in the middle of this run, and whether it had been done cannot be told now: "
                    "“{error}” Look before you type it again.",
                    error=error,
                ),
                status=Status.INTERRUPTED,
            )

    def finish(self, claim: Claim, asked: Asked | None, reply: Reply) -> None:
        """Write the ending; a database that is away is waited for, more than a minute."""

        def write() -> None:
            targets = self._claims.targets_of(claim.run.id)
            event = self.event(claim.run, reply.status, reply.text, asked, targets)
            self._claims.finish(claim, Ending(status=reply.status, reply=reply), event)

        try:
            self._patiently(claim.run.id, write)
        except StoreError:
            _log.critical(
                "run %s ended, and the database cannot be told: %s",
                claim.run.id,
                json.dumps({"run": claim.run.id, "ending": reply.status.value, "text": reply.text}),
            )
        else:
            self._untold.pop(claim.run.id, None)

    def _patiently(self, run_id: str, act: Callable[[], _T]) -> _T:
        """Do it; when the database is away again and again, more than a minute long; then raises StoreError."""
        for wait in _FINISH_WAITS:
            try:
                return act()
            except StoreError as error:
                _log.error("run %s: its ending cannot be written yet: %s", run_id, error)
                if self._closing.wait(wait):
                    raise
        return act()

    def event(
        self,
        run: Run,
        ending: Status | None,
        detail: str,
        asked: Asked | None = None,
        targets: tuple[str, ...] = (),
    ) -> AuditEvent:
        """The audit line for a beginning (`ending` None) or an ending."""
        place, host = run.invocation.place, asked.host if asked else run.host
        engine = self._services.engines.get(host)
        version = engine.known_version if engine else None
        return AuditEvent(
            run_id=run.id,
            kind="started" if ending is None else ending.value,
            at=self._services.clock(),
            actor=run.invocation.actor,
            origin=run.invocation.origin,
            channel=place.channel if place else None,
            command=asked.command.name if asked else run.command,
            line=run.invocation.line,
            host=host,
            targets=targets or (asked.targets if asked else ()),
            detail=detail,
            facts={} if version is None else {"engine": version},
        )

    def tidy(self) -> None:
        """End what nobody was told of, and try again to take back what could not be. Call it often."""
        for run in self._services.runs.abandoned(_ABANDONED):
            self.expire(run)
        self.take_back_again()
        self.keep_approvals()

    def keep_approvals(self) -> None:
        """End what waited for approval too long, and remind of reviews that are open."""
        self._services.approvals.tidy()
        self._services.break_glass.tidy()

    def take_back_again(self) -> None:
        """Try again what runs that are over left open, and free what they held for it.

        A process may have died between the last undo and the freeing, so holders are looked for as well.
        """
        left = [entry.run_id for entry in self._ledger.journal.open_entries()]
        for run_id in dict.fromkeys([*left, *self._claims.ended_holders()]):
            run = self._services.runs.get(run_id)
            with speaking(run.invocation.language):
                if run.status.is_ending and not self._ledger.undoer.play_back(run_id):
                    self._claims.amend(run, self._by_now(run))

    def _by_now(self, run: Run) -> str:
        if not self._ledger.journal.left_alone(run.id):
            return say("By now everything was taken back.")
        return " ".join((*self._left_alone(run, run.reply), say("By now everything else was taken back.")))

    def inherit(self) -> None:
        """End what a dead process accepted, and may not have told anybody. Only at the start of the next one."""
        for run in self._services.runs.abandoned(timedelta(0)):
            self.end_unclaimed(
                run,
                Status.INTERRUPTED,
                later(
                    "The bot was stopped before this run began. Nothing was run, so nothing was changed. "
                    "Type the command again."
                ),
            )

    def close(self) -> None:
        """Stop waiting for a database that does not come back."""
        self._closing.set()

    def expire(self, run: Run) -> None:
        """End a run whose sender was told too late, or never, that it had been accepted."""
        self.end_unclaimed(
            run,
            Status.EXPIRED,
            later(
                "It is not certain that Slack learned in time that this command had arrived, and it may have shown "
                "an error. Nothing was run, so nothing was changed. Type it again."
            ),
        )

    def end_unclaimed(
        self,
        run: Run,
        status: Status,
        sentence: str,
        also: Callable[[Transaction], None] = lambda _: None,
        **values: str,
    ) -> bool:
        """End a run that nobody holds, and do `also` with it or not at all; False if somebody was first."""
        with speaking(run.invocation.language):
            reply = _offered(run, Reply(text=say(sentence, **values), status=status))
        event = self.event(run, status, reply.text, targets=run.plan.targets if run.plan else ())
        return self._claims.end_unclaimed(run, Ending(status=status, reply=reply), event, also)


def _offered(run: Run, reply: Reply) -> Reply:
    """With what everybody may want next: the same again where it was not wholly done, and all that is known of it."""
    buttons = list(reply.buttons)
    # A partial one that offers something dangerous asks a question, or can be undone: nothing to repeat.
    is_open = reply.status is Status.PARTIAL and any(button.danger for button in buttons)
    if reply.status in _NOT_DONE and not is_open and (run.lane is Lane.WORK or reply.status in _NEVER_BEGAN):
        buttons.append(Button(label=say("Retry"), line=f"retry {run.id}"))
    if run.lane is Lane.WORK and reply.status not in _TURNED_AWAY:
        buttons.append(Button(label=say("Details"), line=f"details {run.id}"))
    return replace(reply, buttons=tuple(buttons))
