"""Opens forms in Slack, on a thread of its own: a trigger is good for three seconds, and a listener may not wait.

Must not know what the forms are about. Errors: the "errors" table of views.open in Slack's reference.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.errors import StoreError
from bot.language import speaking
from bot.model import Invocation
from bot.people import Directory, language_of
from bot.slack.forms import View
from bot.slack.posting import refusal
from bot.slack.tokens import NO_ANSWER

_log = logging.getLogger(__name__)

TRIGGER_SECONDS = 3.0
"""How long Slack honours a trigger."""

_WAITING = 50
_REMEMBERED = 1_000
_OPEN_ALREADY = "exchanged_trigger_id"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A form to be opened for a trigger; `otherwise` goes down the ordinary road when it cannot be."""

    trigger_id: str
    make: Callable[[], View]
    otherwise: Invocation
    may_open: Callable[[], bool] = lambda: True
    """Asked once more, as by then it may be known who the person is; must not ask Slack."""


class FormOpener:
    """One thread and a short queue. `start` and `stop` belong to one thread, `offer` to any."""

    def __init__(
        self,
        client: WebClient,
        accept_told: Callable[[Invocation], object],
        people: Directory,
        acquaint: Callable[[str], object],
    ) -> None:
        """Before a form opens, `people` are asked what its owner reads; `acquaint` learns the rest of them after."""
        self._client = client
        self._people = people
        self._acquaint = acquaint
        self._accept_told = accept_told
        self._waiting: queue.Queue[tuple[Opening, float] | None] = queue.Queue(_WAITING)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def offer(self, opening: Opening) -> bool:
        """Have it opened; False when too many wait. A trigger that came before opens nothing again."""
        with self._lock:
            if opening.trigger_id in self._seen:
                return True
            try:
                self._waiting.put_nowait((opening, time.monotonic()))
            except queue.Full:
                return False
            self._seen[opening.trigger_id] = None
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            return True

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="forms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Open what waits, then end. May be called twice."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            opening, since = next_one
            why = self._open(opening) if time.monotonic() - since < TRIGGER_SECONDS else "it waited too long"
            if why is not None:
                _log.warning("a form could not be opened (%s); told as a message", why)
                self._tell_instead(opening.otherwise)
            self._acquaint(opening.otherwise.actor.id)

    def _open(self, opening: Opening) -> str | None:
        """None when it is open, else why it is not."""
        try:
            with speaking(language_of(self._people, opening.otherwise.actor.id)):
                if not opening.may_open():
                    self._tell_instead(opening.otherwise)
                    return None
                view = opening.make()
            self._client.views_open(trigger_id=opening.trigger_id, view=view)
        except SlackApiError as error:
            refused = refusal(error)
            return None if refused.code == _OPEN_ALREADY else str(refused)
        except NO_ANSWER as error:
            return f"no answer from Slack: {error}"
        return None

    def _tell_instead(self, invocation: Invocation) -> None:
        try:
            self._accept_told(invocation)
        except StoreError as error:
            _log.error("nor can it be told: %s", error)
