"""Sends what the outbox says people must still be told: one message a run, edited in place, results first.

A call whose answer is lost may or may not have been carried out. An edit is simply repeated; a new message
is looked for before it is posted again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.consent import Approval
from bot.errors import StoreError
from bot.language import speaking
from bot.model import Origin, Status
from bot.slack.blocks import Rendered, render
from bot.slack.posting import Refusal, Sender, refusal
from bot.slack.rates import RESPONSE_URL, Budget
from bot.stores.outbox import Message, Outbox
from bot.stores.runrow import Lane, Run
from bot.stores.runs import Runs

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_AT_ONCE = 300
_BETWEEN_EDITS = timedelta(seconds=2)
_AFTER_REFUSAL = timedelta(seconds=5)
_URL_LASTS = timedelta(minutes=25)
"""Slack takes answers at a response URL for 30 minutes."""
_DIRECT = ("D", "U", "W")
_PEOPLE = ("U", "W")
_OWN_LASTS = timedelta(days=7)
"""So long what nobody asked for is tried: what is still true is told anew each day."""
_OWN_FIRST_WAIT = timedelta(minutes=1)
_OWN_LONGEST_WAIT = timedelta(hours=1)
_UNDECIDED_PATIENCE = timedelta(seconds=1.5)
_PROGRESS_RESERVE = 12.0
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 15.0

_UNFORESEEN = (SlackClientError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What an answer that is none of Slack's, or a fault of ours, raises: it must not silence all other runs."""

_PRIVATE_ENDINGS = (Status.DENIED, Status.REJECTED, Status.EXPIRED)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What else it needs: whoever is told the code of each refusal, for some mean that the token is no good; where
    alarms are told, which is empty for nowhere; and how far a request for approval is, as of now."""

    doubt: Callable[[str], None] = lambda _: None
    alarm_channel: Callable[[], str] = lambda: ""
    as_it_stands: Callable[[Approval], Approval] = lambda asked: asked


class Delivery:
    """A thread that brings the messages of all runs up to date."""

    def __init__(
        self,
        client: WebClient,
        outbox: Outbox,
        runs: Runs,
        clock: Callable[[], datetime],
        beside: Beside | None = None,
    ) -> None:
        """It does nothing before it is started."""
        self._sender = Sender(client)
        self._outbox = outbox
        self._runs = runs
        self._clock = clock
        self._beside = beside or Beside()
        self._budget = Budget()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_held_back = False
        """While another process tells people, this one must not: each would post a message of its own."""

    @property
    def is_alive(self) -> bool:
        """Whether messages are being sent; a fault of ours that ended the thread shows in readiness."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._outbox.hurry()
        self._thread = threading.Thread(target=self._deliver, name="delivery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after one last round, so that what ended just now is still told. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _deliver(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._round()
        self._round(is_last=True)

    def _round(self, *, is_last: bool = False) -> None:
        if self.is_held_back:
            return
        try:
            for message in self._outbox.behind(_AT_ONCE, is_last=is_last):
                if not self._send(message):
                    return  # every further call would wait as long, and so would whoever stops the bot
        except StoreError as error:
            _log.error("messages cannot be sent while the database is away: %s", error)

    def _send(self, message: Message) -> bool:
        """Bring it up to date if that may be now; False when Slack does not answer at all."""
        try:
            if message.ts is not None:
                self._edit(message)
            elif _is_private(message) and message.channel[:1] not in _DIRECT:
                if message.was_sent and message.run.lane is Lane.FRONT:
                    self._outbox.sent(message.run)  # only a button was used, and nobody can edit it
                else:
                    self._tell_privately(message)
            else:
                self._post(message)
        except SlackApiError as error:
            self._refused(message, refusal(error))
        except (OSError, HTTPException) as error:  # no answer: nobody knows whether it was carried out
            self._later(message, f"no answer from Slack: {error}")
            return False
        except _UNFORESEEN as error:
            _log.exception("run %s: telling it broke", message.run.id)
            self._later(message, f"telling it broke: {type(error).__name__}")
        return True

    def _edit(self, message: Message) -> None:
        run = message.run
        reserve = 0.0 if run.status.is_ending else _PROGRESS_RESERVE
        if not self._budget.may("chat.update", reserve=reserve):
            return
        self._sender.update(message, self._render(message))
        self._outbox.sent(run, None if run.status.is_ending else self._clock() + _BETWEEN_EDITS)

    def _tell_privately(self, message: Message) -> None:
        """By the method that anything can be said by; while that may not be called, by the response URL."""
        if self._budget.may("chat.postEphemeral"):
            self._sender.whisper(message, self._render(message))
            self._outbox.sent(message.run)
            return
        url = self._response_url(message)
        if not url or not self._budget.may(RESPONSE_URL):
            return
        refused = self._sender.respond(url, self._render(message))
        if refused is None:
            self._outbox.sent(message.run)
        elif refused.retry_after is not None:
            self._budget.refused(RESPONSE_URL, "", refused.retry_after)
        else:
            self._later(message, str(refused))

    def _response_url(self, message: Message) -> str:
        """Where the answer may be sent instead; empty when nowhere, not any more, or when that failed before."""
        place = message.run.invocation.place
        is_fresh = self._clock() - message.run.created_at < _URL_LASTS
        if place is None or message.attempts or message.thread_ts is not None or not is_fresh:
            return ""
        return place.response_url or ""

    def _post(self, message: Message) -> None:
        run = message.run
        waited = self._clock() - run.created_at
        is_undecided = run.status is Status.QUEUED or (run.status is Status.RUNNING and run.plan is None)
        if is_undecided and waited < _UNDECIDED_PATIENCE:
            return  # most plans are made at once, and then are its first words; a refusal is only the asker's
        if message.posting_since is not None:
            if not all(self._budget.may(method) for method in self._sender.methods_to_look(message)):
                return
            if self._found(message):
                return
        if not self._budget.may("chat.postMessage", message.channel):
            return
        self._outbox.begin_post(run.id)
        answer = self._sender.post(message, self._render(message))
        self._outbox.posted(run.id, answer.get("channel") or message.channel, answer["ts"])
        self._outbox.sent(run, None if run.status.is_ending else self._clock() + _BETWEEN_EDITS)

    def _found(self, message: Message) -> bool:
        """Whether the message whose answer was lost is there; then it is ours to edit."""
        found = self._sender.look_for(message)
        if found is None:
            return False
        self._outbox.posted(message.run.id, *found)
        return True

    def _refused(self, message: Message, refused: Refusal) -> None:
        run = message.run
        self._beside.doubt(refused.code)
        if refused.retry_after is not None:
            channel = message.channel if refused.method == "chat.postMessage" else ""
            self._budget.refused(refused.method, channel, refused.retry_after)
            if refused.method == "chat.postMessage":
                self._outbox.not_posted(run.id)
            self._outbox.later(run.id, timedelta(seconds=refused.retry_after))
        elif _is_its_own(run) and refused.is_lasting and not (refused.is_gone or message.was_sent):
            self._keep_own(message, refused)
        elif refused.is_elsewhere and message.channel != run.invocation.actor.id:
            _log.warning(
                "run %s: Slack refuses %s (%s); told in a direct message",
                run.id,
                message.channel,
                refused.code,
            )
            self._outbox.redirect(run.id, run.invocation.actor.id)
        elif refused.is_gone:
            self._outbox.repost(run.id)
        elif refused.is_lasting:
            _log.error("run %s cannot be told in Slack: %s", run.id, refused)
            self._outbox.give_up(run, str(refused), self._clock() + _AFTER_REFUSAL)
        else:
            self._later(message, str(refused))

    def _keep_own(self, message: Message, refused: Refusal) -> None:
        """Nobody asked for it, and whom it is about is not who is to hear it: alarms' channel is, or it stays behind.

        What is behind is counted for whoever watches, and `check` says which channel cannot be reached.
        """
        run, place, alarms = message.run, message.run.invocation.place, self._beside.alarm_channel()
        meant = place.channel if place else message.channel
        wait = min(_OWN_FIRST_WAIT * 2 ** min(message.attempts, 10), _OWN_LONGEST_WAIT)
        if self._clock() - run.created_at > _OWN_LASTS:
            _log.error("run %s was told to nobody in a week: %s", run.id, refused)
            self._outbox.give_up(run, str(refused), self._clock() + _AFTER_REFUSAL)
        elif message.channel == meant and alarms not in ("", meant, run.invocation.actor.id):
            _log.error("run %s: %s has not heard it (%s); told where alarms are", run.id, meant, refused)
            self._outbox.redirect(run.id, alarms)
        else:
            _log.error("run %s: %s has not heard it, and nobody else has: %s", run.id, meant, refused)
            self._outbox.redirect(run.id, meant)
            self._outbox.later(run.id, wait, str(refused))

    def _later(self, message: Message, why: str) -> None:
        wait = min(_FIRST_WAIT * 2**message.attempts, _LONGEST_WAIT)
        _log.warning("run %s: not told yet, tried again in %.1f s: %s", message.run.id, wait, why)
        self._outbox.later(message.run.id, timedelta(seconds=wait), why)

    def _render(self, message: Message) -> Rendered:
        is_waiting = message.run.status is Status.QUEUED
        before = self._runs.waiting_before(message.run) if is_waiting else 0
        asked = self._beside.as_it_stands(message.asked) if message.asked else None
        with speaking(message.run.invocation.language):
            return render(replace(message, asked=asked), before)


def _is_its_own(run: Run) -> bool:
    """Whether the bot tells it unasked. What came of somebody's schedule is theirs to hear, if Slack knows them."""
    asked = run.invocation
    is_somebodys = asked.schedule is not None and asked.actor.id.startswith(_PEOPLE)
    return asked.origin is Origin.SCHEDULE and not is_somebodys


def _is_private(message: Message) -> bool:
    """Answers to looks, usage errors and refusals are for the asker; what changes things is for the team.

    Nobody asked for what a clock begins, so all that comes of it is for the team.
    """
    run = message.run
    if run.invocation.origin is Origin.SCHEDULE:
        return False
    if run.outcome is not None and run.outcome.reply.is_aloud:
        return False
    return run.lane is Lane.FRONT or (run.status in _PRIVATE_ENDINGS and message.posting_since is None)
