"""The road: every command line, whoever sends it, is stored, decided, planned, held, recorded, run and ended here.

The only room that catches BotError, and the only one that turns an unexpected error into words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.approvals.deciding import Work
from bot.asked import Asked
from bot.command import Command
from bot.commandline import split
from bot.confirming import Told
from bot.context import Ledger, RunContext
from bot.ending import Endings
from bot.errors import BotError, Busy, LostHold, PermissionDenied
from bot.language import ENGLISH, later, say, speaking
from bot.misuse import MissingArgument
from bot.model import Actor, Button, Invocation, Plan, Reply, Status
from bot.operations.identities import bound
from bot.operations.typedsecrets import without_typed_secrets
from bot.overflow import with_files
from bot.parsing import find, for_help, parse
from bot.refusals import refusal
from bot.services import Services
from bot.spelling import spelt_out
from bot.stores.claims import Claim
from bot.stores.locks import wanted
from bot.stores.outbox import Outbox
from bot.stores.runrow import Lane, Run
from bot.stores.runs import Terms
from bot.witnessing import on_behalf_of
from bot.workers import RunQueue, Signal

_log = logging.getLogger(__name__)

LATE = timedelta(seconds=2.5)
"""Slack shows an error 3 s after it sent a command. What was accepted later than this is not executed."""

_WAIT_FOR_TARGET = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The answer to a delivery: the run that stands for it, and whether this delivery made it."""

    run_id: str
    is_new: bool


class Dispatcher:
    """Takes invocations in, and executes the runs that the queue hands over."""

    def __init__(
        self, services: Services, ledger: Ledger, endings: Endings, queue: RunQueue, outbox: Outbox
    ) -> None:
        self._services = services
        self._ledger = ledger
        self._claims = ledger.claims
        self._endings = endings
        self._queue = queue
        self._outbox = outbox
        self._by_memory = services.policy.by_memory()

    # ---- taking in -------------------------------------------------------------------------------

    def accept(self, invocation: Invocation, *, told: bool = False) -> Accepted:
        """Store it durably; the same key gives the first delivery's run. Does nothing else.

        Unless the sender is `told` by this very return, it is executed only after `confirm`.
        Raises StoreError when it cannot be stored: then it never happened.
        """
        invocation = spelt_out(invocation, self._services, self._by_memory)
        line = without_typed_secrets(invocation.line, self._services.runbooks.values())
        terms = Terms(host=self._services.default_host, released=told)
        run_id, is_new = self._services.runs.take_in(replace(invocation, line=line), terms)
        return Accepted(run_id=run_id, is_new=is_new)

    def confirm(self, run_id: str, waited: timedelta) -> None:
        """The sender was told `waited` after it had sent the command: execute it, unless that was too late."""
        self.confirm_all([Told(run_id=run_id, waited=waited, at=self._services.clock())])

    def confirm_all(self, told: Sequence[Told]) -> None:
        """The same of many, in one transaction."""
        first = {one.run_id: one for one in reversed(told)}
        held = [run for run in self._services.runs.some(first) if not run.released]
        in_time = {run.id for run in held if first[run.id].after(run.created_at) <= LATE}
        if in_time:
            self._services.runs.release_all(in_time)
        for run in held:
            if run.id not in in_time:
                self._endings.expire(run)

    def cancel(self, run: Run, by: Actor) -> Run:
        """Ask for an end: a queued run ends at once, a running one as soon as its body looks."""
        asked = self._services.runs.ask_to_cancel(run.id, by.id)
        if asked.status in (Status.QUEUED, Status.WAITING):
            sentence = later("Cancelled by {by} before it began. Nothing was changed.")
            self._endings.end_unclaimed(asked, Status.CANCELLED, sentence, by=by.name)
        self._queue.cancel(run.id)
        return self._services.runs.get(run.id)

    # ---- executing -------------------------------------------------------------------------------

    def execute(self, run_id: str, signal: Signal) -> None:
        """Claim the run and carry it to its ending; a run that was running has lost its holder."""
        run = self._services.runs.get(run_id)
        if run.status.is_ending:
            return
        language = self._services.language_of(run.invocation)
        spoken_to = replace(run, invocation=replace(run.invocation, language=language))
        claim = self._claims.claim(spoken_to, self._ledger.owner)
        if claim is None:
            return
        try:
            with speaking(language), on_behalf_of(claim.run):
                if run.status is Status.RUNNING:
                    self._endings.interrupted(claim)
                else:
                    self._carry(claim, signal)
        except LostHold:
            _log.warning("run %s has another holder now; nothing more is touched here", run_id)

    def _carry(self, claim: Claim, signal: Signal) -> None:
        asked: Asked | None = None
        try:
            if claim.run.lane is Lane.FRONT:
                self._services.pace.check(claim.run)
            asked = self._understand(claim.run)
            if not signal.begin_on(asked.host):
                self._claims.put_back(claim, self._services.clock())
                return
            asked = self._aimed(claim.run, asked)
            self._permit(claim.run, asked)
            if claim.run.lane is Lane.FRONT:
                reply = self._decide(claim, asked, signal)
            else:
                reply = self._work(claim, asked, signal)
        except LostHold:
            raise
        except BotError as error:
            reply = refusal(error, self._may_touch(claim.run, asked))
            if isinstance(error, MissingArgument):
                reply = replace(reply, buttons=_completing(claim.run))
        except Exception:  # noqa: BLE001 - the one door: what nobody foresaw is logged, people get a reference
            _log.exception("run %s broke", claim.run.id)
            sentence = say(
                "Something broke on our side; the log has it under reference {run_id}. What had begun was taken back.",
                run_id=claim.run.id,
            )
            reply = Reply(text=sentence, status=Status.FAILED)
        if reply is not None:
            reply = with_files(claim.run, reply, self._services.outgoing)
            self._endings.finish(claim, asked, self._endings.taken_back(claim, reply))

    def _understand(self, run: Run) -> Asked:
        """What it says, and on which host that is; asks no host."""
        if run.invocation.token is not None:
            self._outbox.button(run.invocation.token)
        words = for_help(split(run.invocation.line))
        command = find(self._services.commands, words)
        arguments = self._arguments(run, command, words[1:])
        host = getattr(arguments, "host", None) or self._services.default_host
        if command.right_for is not None:
            command = replace(command, right=command.right_for(arguments, self._services))
        asked = Asked(command=command, arguments=arguments, host=host, targets=())
        if command.host is None:
            return asked
        with self._told_only_if_permitted(run, replace(asked, host=getattr(arguments, "host", None) or "")):
            return replace(asked, host=command.host(arguments, self._services))

    def _arguments(self, run: Run, command: Command, words: Sequence[str]) -> object:
        """Typed. How a command is completed is told to those who may use it at all."""
        try:
            return parse(command, words)
        except MissingArgument:
            self._permit(run, Asked(command=command, arguments=None, host="", targets=()))
            raise

    def _aimed(self, run: Run, asked: Asked) -> Asked:
        """What it is about; may ask the host for it."""
        find_targets = asked.command.targets
        if find_targets is None:
            return asked
        with self._told_only_if_permitted(run, asked):
            return replace(asked, targets=find_targets(asked.arguments, self._services))

    @contextmanager
    def _told_only_if_permitted(self, run: Run, asked: Asked) -> Iterator[None]:
        """Who may not use the command at all learns nothing of what exists."""
        try:
            yield
        except BotError:
            self._permit(run, asked)
            raise

    def _permit(self, run: Run, asked: Asked) -> None:
        self._services.policy.check(asked.request_of(run))

    def _may_touch(self, run: Run, asked: Asked | None) -> Callable[[str], bool]:
        """Of one target: whether the same might be asked about that."""
        allows = self._services.policy.allows
        return lambda target: asked is not None and allows(replace(asked, targets=(target,)).request_of(run))

    def _decide(self, claim: Claim, asked: Asked, signal: Signal) -> Reply | None:
        """The front lane: look at once, or hand what changes something to the workers (then None)."""
        run = claim.run
        if asked.command.targets is None:
            return self._look(claim, asked, signal)
        self._services.engine(getattr(asked.arguments, "host", None))
        if not getattr(asked.arguments, "wait", False):
            self._claims.refuse_if_held(run.id, wanted(asked.host, asked.targets))
        self._use_button(run)
        cancel = Button(label=say("Cancel"), line=f"cancel {run.id}", danger=True)
        self._claims.pass_on(claim, asked.command.name, asked.host, cancel)
        return None

    def _look(self, claim: Claim, asked: Asked, signal: Signal) -> Reply:
        token = claim.run.invocation.token
        self._use_button(claim.run)
        try:
            return asked.command.run(asked.arguments, self._services, RunContext(claim, self._ledger, signal))
        except PermissionDenied:
            if token is not None:
                self._outbox.give_back_button(token, run_id=claim.run.id)
            raise

    def _use_button(self, run: Run) -> None:
        """Last before there is an effect: a press that is refused leaves the button to others.

        One that several people are to press stays: what it stands for counts each of them once.
        """
        command = self._services.commands.get(run.invocation.line.partition(" ")[0])
        if run.invocation.token is not None and not (command and command.is_shared):
            self._outbox.use_button(run.invocation.token, by=run.invocation.actor.id, run_id=run.id)

    def _work(self, claim: Claim, asked: Asked, signal: Signal) -> Reply | None:
        """The work lane: plan, hold, write `started`, run. None when it waits for its target."""
        context = RunContext(claim, self._ledger, signal)
        context.check()
        asked.refuse_moved(claim.run)
        plan = self._planned(claim.run, asked)
        context.check()
        if self._waits(claim, asked, plan, context):
            return None
        started = self._endings.event(claim.run, None, plan.text, asked, plan.targets)
        try:
            self._claims.start(claim, plan, started)
        except Busy:
            if not (getattr(asked.arguments, "wait", False) or self._services.approvals.of(claim.run.id)):
                raise
            self._claims.put_back(claim, self._services.clock() + _WAIT_FOR_TARGET)
            return None
        return asked.command.run(asked.arguments, self._services, context)

    def _waits(self, claim: Claim, asked: Asked, plan: Plan, context: RunContext) -> bool:
        """Whether somebody has to approve it first. What they approve is the same in every language."""
        line, targets = claim.run.invocation.line, (*asked.targets, *plan.targets)
        work = Work(command=asked.command.name, host=asked.host, targets=targets, line=line)

        def look() -> Plan:
            with speaking(ENGLISH):
                made, binds = self._planned(claim.run, asked), asked.command.binds
                more = binds(asked.arguments, self._services, claim.run.invocation) if binds else {}
                context.check()  # Docker was asked, and nobody shall be asked to approve what was cancelled meanwhile
                return bound(made, self._services.engines.get(asked.host), more)

        return self._services.approvals.must_wait(claim, work, plan, look)

    def _planned(self, run: Run, asked: Asked) -> Plan:
        """What it comes to, with what roles were asked for: others may meddle with it who may do the same."""
        return replace(self._made(run, asked), about=asked.targets, right=asked.command.right)

    def _made(self, run: Run, asked: Asked) -> Plan:
        command, arguments = asked.command, asked.arguments
        if command.plan_for is not None:
            return command.plan_for(arguments, self._services, run.invocation)
        if command.plan is not None:
            return command.plan(arguments, self._services)
        return Plan(text=run.invocation.line, targets=asked.targets)


def _completing(run: Run) -> tuple[Button, ...]:
    """In Slack the rest can be filled in: pressed, this opens a form with what was typed."""
    line = run.invocation.line
    return (Button(label=say("Fill in a form"), line=line),) if run.invocation.place else ()
