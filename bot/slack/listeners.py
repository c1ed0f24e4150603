"""What Slack sends becomes an Invocation, is stored, and only then acknowledged. Nothing else happens here.

No Docker call, no file and no remote call: a listener's thread must be free again within milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from slack_bolt import Ack, App, BoltContext

from bot.commandline import from_slack, repair
from bot.errors import NotFound
from bot.model import Actor, Invocation, Origin, Place
from bot.slack.blocks import PRESS
from bot.stores.outbox import StoredButton

RUN = "shipkeeper_run"
"""Where a listener leaves the run's id for the door, which confirms it once Slack was told."""

Payload = Mapping[str, Any]


Accept = Callable[[Invocation], str]
"""Stores an invocation durably and gives the id of the run that stands for it; raises StoreError."""


class Listeners:
    """The translations, one for each kind of delivery."""

    def __init__(
        self,
        accept: Accept,
        button: Callable[[str], StoredButton],
        clock: Callable[[], datetime],
        opened: Callable[[str], None],
    ) -> None:
        self._accept = accept
        self._button = button
        self._clock = clock
        self._opened = opened

    def register(self, app: App, commands: Collection[str], prefix: str) -> None:
        """Listen for `/docker`, the commands' own slash commands, mentions, buttons and opened Home pages."""
        app.command(f"/{prefix}docker")(self._slash(""))
        for name in commands:
            app.command(f"/{prefix}{name}")(self._slash(name))
        app.event("app_mention")(self._mention)
        app.event("app_home_opened")(self._home)
        app.action(re.compile(f"^{PRESS}:"))(self._press)

    def _slash(self, name: str) -> Callable[..., None]:
        def slash(command: Payload, ack: Ack, context: BoltContext) -> None:
            typed = repair(from_slack(command.get("text") or ""))
            invocation = self._invocation(
                line=f"{name} {typed}".strip() or "help",
                actor=_actor(command["user_id"], command.get("user_name")),
                key=f"slack:{command.get('team_id')}:{command.get('trigger_id') or command['response_url']}",
                place=Place(
                    channel=command["channel_id"],
                    user=command["user_id"],
                    response_url=command.get("response_url"),
                ),
            )
            context[RUN] = self._accept(invocation)
            ack()

        return slash

    def _mention(self, body: Payload, event: Payload, context: BoltContext) -> None:
        if not event.get("user"):  # another bot: nobody whose permission could be asked
            return
        typed = re.sub(r"^\s*<@[UW][A-Z0-9]+(\|[^>]*)?>", "", event.get("text") or "")
        invocation = self._invocation(
            line=repair(from_slack(typed)) or "help",
            actor=_actor(event["user"]),
            key=f"slack:{body.get('team_id')}:{body['event_id']}",
            place=Place(
                channel=event["channel"],
                user=event["user"],
                thread_ts=event.get("thread_ts"),
                files=tuple(str(file["id"]) for file in event.get("files") or () if file.get("id")),
            ),
        )
        context[RUN] = self._accept(invocation)

    def _press(self, body: Payload, action: Payload, ack: Ack, context: BoltContext) -> None:
        token = action.get("value") or ""
        container = body.get("container") or {}
        user = body["user"]
        channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or user["id"]
        invocation = self._invocation(
            line=self._line_of(token),
            actor=_actor(user["id"], user.get("username") or user.get("name")),
            key=f"slack:{(body.get('team') or {}).get('id')}:"
            f"{body.get('trigger_id') or (token, action.get('action_ts'))}",
            place=Place(
                channel=channel,
                user=user["id"],
                thread_ts=container.get("thread_ts"),
                response_url=body.get("response_url"),
            ),
            token=token,
        )
        context[RUN] = self._accept(invocation)
        ack()

    def _home(self, event: Payload) -> None:
        """Only noted: what the page says is gathered and sent elsewhere."""
        if event.get("tab") == "home" and event.get("user"):
            self._opened(event["user"])

    def _line_of(self, token: str) -> str:
        try:
            return self._button(token).line
        except NotFound:  # the road refuses the token itself, with a sentence and a record
            return "(a button)"

    def _invocation(
        self, *, line: str, actor: Actor, key: str, place: Place, token: str | None = None
    ) -> Invocation:
        return Invocation(
            line=line,
            actor=actor,
            origin=Origin.SLACK,
            at=self._clock(),
            key=key,
            place=place,
            token=token,
        )


def _actor(user: str, name: str | None = None) -> Actor:
    return Actor(id=user, name=name or user)
