"""Which of Slack's deliveries are listened to, and what each of them becomes: an Invocation that is stored, or a form.

No Docker call, no file and no remote call: a listener's thread must be free again within milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from slack_bolt import App

from bot.commandline import from_slack, repair
from bot.errors import NotFound
from bot.model import Actor, Place
from bot.slack.blocks import PRESS
from bot.slack.dialogues import Dialogues
from bot.slack.fields import FILL
from bot.slack.forms import CHOOSER, FORM
from bot.slack.gate import Answer, Gate, Payload, Translate, actor_of, team_of
from bot.slack.shortcuts import COPY_FILE, RUN_COMMAND
from bot.stores.outbox import StoredButton


class Listeners:
    """The translations, one for each kind of delivery."""

    def __init__(
        self,
        gate: Gate,
        dialogues: Dialogues,
        button: Callable[[str], StoredButton],
        opened: Callable[[str], None],
        *,
        beneath: Collection[str] = (),
    ) -> None:
        """`beneath` names the commands whose answer belongs into the thread of the button that stands for them."""
        self._gate = gate
        self._dialogues = dialogues
        self._button = button
        self._opened = opened
        self._beneath = frozenset(beneath)

    def register(self, app: App, commands: Collection[str], prefix: str) -> None:
        """Listen for `/docker`, the commands' own slash commands, mentions, buttons, forms, shortcuts and Home.

        All through the one gate.
        """
        through, dialogues = self._gate.listener, self._dialogues
        app.command(f"/{prefix}docker")(through(self._slash("")))
        for name in commands:
            app.command(f"/{prefix}{name}")(through(self._slash(name)))
        app.event("app_mention")(through(self._mention))
        app.event("app_home_opened")(through(self._home))
        app.action(re.compile(f"^{PRESS}:"))(through(self._press))
        app.options(re.compile(f"^{FILL}:"))(through(dialogues.suggest))
        app.view(FORM)(through(dialogues.submit))
        app.view(CHOOSER)(through(dialogues.choose))
        app.global_shortcut(RUN_COMMAND)(through(dialogues.run_command))
        app.message_shortcut(COPY_FILE)(through(dialogues.copy_file))

    def _slash(self, name: str) -> Translate:
        def slash(command: Payload) -> Answer:
            typed = repair(from_slack(command.get("text") or ""))
            trigger_id = command.get("trigger_id")
            user = command["user_id"]
            invocation = self._gate.invocation(
                line=f"{name} {typed}".strip() or "help",
                actor=Actor(id=user, name=command.get("user_name") or user),
                key=f"slack:{command.get('team_id')}:{trigger_id or command['response_url']}",
                place=Place(
                    channel=command["channel_id"], user=user, response_url=command.get("response_url")
                ),
            )
            return self._dialogues.answer(invocation, trigger_id)

        return slash

    def _mention(self, body: Payload) -> Answer:
        event = body["event"]
        user = event.get("user")
        if not user:  # another bot: nobody whose permission could be asked
            return Answer()
        typed = re.sub(r"^\s*<@[UW][A-Z0-9]+(\|[^>]*)?>", "", event.get("text") or "")
        invocation = self._gate.invocation(
            line=repair(from_slack(typed)) or "help",
            actor=Actor(id=user, name=user),
            key=f"slack:{body.get('team_id')}:{body['event_id']}",
            place=Place(
                channel=event["channel"],
                user=user,
                thread_ts=event.get("thread_ts"),
                files=tuple(str(file["id"]) for file in event.get("files") or () if file.get("id")),
            ),
        )
        return self._gate.stored(invocation)

    def _press(self, body: Payload) -> Answer:
        action = body["actions"][0]
        token = action.get("value") or ""
        line, files = self._meant_by(token)
        container = body.get("container") or {}
        thread_ts = container.get("thread_ts")
        if line.partition(" ")[0] in self._beneath:
            thread_ts = thread_ts or container.get("message_ts")
        user = body["user"]
        trigger_id = body.get("trigger_id")
        channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or user["id"]
        invocation = self._gate.invocation(
            line=line,
            actor=actor_of(user),
            key=f"slack:{team_of(body)}:{trigger_id or (token, action.get('action_ts'))}",
            place=Place(
                channel=channel,
                user=user["id"],
                thread_ts=thread_ts,
                response_url=body.get("response_url"),
                files=files,
            ),
            token=token,
        )
        return self._dialogues.answer(invocation, trigger_id)

    def _home(self, body: Payload) -> Answer:
        """Only noted: what the page says is gathered and sent elsewhere."""
        event = body["event"]
        if event.get("tab") == "home" and event.get("user"):
            self._opened(event["user"])
        return Answer()

    def _meant_by(self, token: str) -> tuple[str, tuple[str, ...]]:
        """The button's command line, and the files that came with the command it belongs to."""
        try:
            button = self._button(token)
        except NotFound:  # the road refuses the token itself, with a sentence and a record
            return "(a button)", ()
        return button.line, button.files
