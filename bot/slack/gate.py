"""The one gate between Bolt and the bot: what comes in is translated, stored if it is to run, then acknowledged.

A listener is a translation that gives an Answer; none of them can acknowledge anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slack_bolt import Ack, BoltContext

from bot.language import speaking
from bot.model import Actor, Invocation, Origin, Place
from bot.people import Person

RUN = "shipkeeper_run"
"""Where the gate leaves the run's id for the door, which confirms it once Slack was told."""

Payload = Mapping[str, Any]

Accept = Callable[[Invocation], str]
"""Stores an invocation durably and gives the id of the run that stands for it; raises StoreError."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Slack is told at once, and the run that was stored for what it sent, if one was."""

    ack: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


Translate = Callable[[Payload], Answer]
"""From what Slack sent to the answer. No Docker call, no file and no remote call: it is over within milliseconds."""

Listener = Callable[..., None]


class Gate:
    """Makes Bolt's listeners of translations, and remembers which ones it made."""

    def __init__(
        self, accept: Accept, clock: Callable[[], datetime], known: Callable[[str], Person | None]
    ) -> None:
        """`known` gives a person, if they were ever learned of, and asks nobody."""
        self._accept = accept
        self._clock = clock
        self._person = known
        self.listeners: list[Listener] = []

    def listener(self, translate: Translate) -> Listener:
        """What Bolt may call."""

        def listen(body: Payload, ack: Ack, context: BoltContext) -> None:
            with speaking(self._known(_sender_of(body))):
                answer = translate(body)
            if answer.run_id is not None:
                context[RUN] = answer.run_id
            ack(**answer.ack)

        self.listeners.append(listen)
        return listen

    def _known(self, user: str) -> str | None:
        person = self._person(user)
        return person.language if person else None

    def stored(self, invocation: Invocation) -> Answer:
        """The answer to what is to run: nothing to say, and the run's id."""
        return Answer(run_id=self._accept(invocation))

    def invocation(
        self, *, line: str, actor: Actor, key: str, place: Place, token: str | None = None
    ) -> Invocation:
        """A command line that came from Slack just now."""
        return Invocation(
            line=line,
            actor=actor,
            origin=Origin.SLACK,
            at=self._clock(),
            key=key,
            place=place,
            token=token,
            language=self._known(actor.id),
        )


def _sender_of(body: Payload) -> str:
    """Whoever did it; slash commands, interactions and events each say so elsewhere. Empty where nobody is named."""
    user = body.get("user_id") or body.get("user") or (body.get("event") or {}).get("user") or ""
    return str(user.get("id", "") if isinstance(user, Mapping) else user)


def actor_of(user: Payload) -> Actor:
    """The person of an interactive payload."""
    return Actor(id=user["id"], name=user.get("username") or user.get("name") or user["id"])


def team_of(body: Payload) -> str | None:
    """The workspace of an interactive payload."""
    team = (body.get("team") or {}).get("id")
    return str(team) if team else None
