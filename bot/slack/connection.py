"""Brings the bot to Slack and keeps it there: who we are, the doors, and the delivery of messages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.command import Command
from bot.completion import Completion
from bot.confirming import Confirmations, Told
from bot.crowd import Crowd
from bot.language import say
from bot.metrics import ACK_SECONDS, Histogram
from bot.model import Invocation
from bot.overview import Overviews
from bot.people import Directory
from bot.slack.delivery import Beside, Delivery
from bot.slack.dialogues import Dialogues, Rooms
from bot.slack.door import AtDoor, HttpDoor, SocketDoor, Who, make_app
from bot.slack.gate import Accept, Gate
from bot.slack.heads import HeadPublisher, Publishing
from bot.slack.home import HomePages, Watched
from bot.slack.listeners import Listeners
from bot.slack.opening import TRIGGER_SECONDS, FormOpener
from bot.slack.refusals import Refusals
from bot.slack.tokens import NO_ANSWER, REFUSED, Tokens
from bot.slack.trust import trusted
from bot.slack.uploading import Uploading
from bot.stores.activity import Activity
from bot.stores.homes import Homes
from bot.stores.outbox import Outbox
from bot.stores.outgoing import Outgoing
from bot.stores.runs import Runs
from bot.stores.uploads import Uploads

_log = logging.getLogger(__name__)
_CALL_SECONDS = 10
_LONGEST_WAIT = 30.0


class SlackRefused(Exception):
    """Slack does not know the tokens; the text says which variable to look at."""


@dataclass(frozen=True, kw_only=True)
class Road:
    """What this room needs of the others. What is `accept_told` is executed without being confirmed: people know."""

    accept: Accept
    accept_told: Callable[[Invocation], object]
    confirm: Callable[[Sequence[Told]], None]
    crowd: Crowd
    outbox: Outbox
    uploads: Uploads
    outgoing: Outgoing
    runs: Runs
    commands: Mapping[str, Command]
    completion: Completion
    hosts: int
    clock: Callable[[], datetime]
    homes: Homes
    overviews: Overviews
    activity: Activity
    people: Directory
    publishing: Publishing
    beside: Beside


@dataclass(frozen=True, kw_only=True)
class Account:
    """How to reach Slack. Its secrets are never printed."""

    api_url: str
    bot_token: str = field(repr=False)
    app_token: str | None = field(repr=False)
    signing_secret: str | None = field(repr=False)
    command_prefix: str


class SlackConnection:
    """Socket Mode when there is an app token; without one, `http` is the door for the web server."""

    def __init__(self, account: Account, road: Road) -> None:
        self._client = _client(account)
        self._who = Who()
        self._account = account
        self._tokens = Tokens(self._client)
        self._delivery = Delivery(
            _client(account),
            road.outbox,
            road.runs,
            road.clock,
            replace(road.beside, doubt=self._tokens.doubt),
        )
        self._uploading = Uploading(_client(account), road.uploads, road.outgoing)
        self._heads = HeadPublisher(_client(account), road.publishing)
        self._opener = FormOpener(
            _client(account, TRIGGER_SECONDS), road.accept_told, road.people, road.completion.acquaint
        )
        self._pages = HomePages(_client(account), _watched(road), f"/{account.command_prefix}docker")
        self.gate = Gate(road.accept, road.clock, road.people.known)
        self.bolt = app = make_app(self._client, account.signing_secret, lambda: self._who)
        self._listen(app, account, road)
        self._refusals = Refusals()
        secret, app_token = account.signing_secret, account.app_token
        is_http = bool(secret) and not app_token
        self.acks = Histogram(ACK_SECONDS)
        self._confirmations = Confirmations(road.confirm, road.clock, road.crowd)
        told = AtDoor(confirm=self._confirmations.note, acks=self.acks, crowd=road.crowd)
        self.http = HttpDoor(app, str(secret), told, self._refusals) if is_http else None
        self._socket = SocketDoor(app, app_token, told, self._refusals) if app_token else None
        if self._socket is not None:
            client: Any = self._socket.client
            client.issue_new_wss_url = self._tokens.watched(client.issue_new_wss_url)
        self._stop = threading.Event()
        self._connector: threading.Thread | None = None

    def _listen(self, app: App, account: Account, road: Road) -> None:
        def is_lost(run_id: str) -> bool:
            run = road.runs.get(run_id)
            return run.status.is_ending and not run.released

        rooms = Rooms(
            completion=road.completion,
            opener=self._opener,
            commands=road.commands,
            hosts=road.hosts,
            is_lost=is_lost,
        )
        beneath = [name for name, command in road.commands.items() if command.beneath]
        dialogues = Dialogues(self.gate, rooms)
        listeners = Listeners(self.gate, dialogues, road.outbox.button, self._pages.opened, beneath=beneath)
        slash = [name for name, command in road.commands.items() if command.slash]
        listeners.register(app, slash, account.command_prefix)

    @property
    def is_ready(self) -> bool:
        """Whether Slack has answered, gets our messages and, in Socket Mode, can send us commands now."""
        known = self._who.bot_user_id is not None and self._delivery.is_alive
        return known and (self._socket is None or self._socket.is_connected)

    def refusals(self) -> dict[str, float]:
        """How much was turned away at the door, by reason."""
        return self._refusals.counts()

    def refuse_dead_tokens(self) -> None:
        """Raises SlackRefused once it is certain that Slack does not accept one of our tokens any more."""
        if self._tokens.refusal is not None:
            raise SlackRefused(self._tokens.refusal)

    def start(self) -> None:
        """Deliver messages from now on, and connect; raises SlackRefused when Slack knows our token not.

        When Slack cannot be reached, it is tried again in the background until it can.
        """
        self._confirmations.start()  # by HTTP the door is open already, and Slack may take long to answer
        reached = self._introduce()
        self._delivery.start()
        self._uploading.start()
        self._heads.start()
        self._opener.start()
        self._pages.start()
        if not (reached and self._connect()):
            self._connector = threading.Thread(target=self._keep_trying, name="slack", daemon=True)
            self._connector.start()

    def stop(self) -> None:
        """Take nothing in any more, and send what is left. May be called twice."""
        self.close_door()
        self._confirmations.stop()
        self._opener.stop()
        self._delivery.stop()
        self._uploading.stop()
        self._heads.stop()
        self._pages.stop()

    def close_door(self) -> None:
        """Take nothing in any more by Socket Mode; messages are still sent. May be called twice."""
        self._stop.set()
        if self._connector is not None:
            self._connector.join()
        if self._socket is not None:
            self._socket.shut()

    def hold_back(self, *, is_held_back: bool) -> None:
        """Send no message while another process does, and again afterwards."""
        self._delivery.is_held_back = is_held_back

    def _introduce(self) -> bool:
        try:
            answer = self._client.auth_test()
        except SlackApiError as error:
            code = error.response.get("error")
            if code in REFUSED:
                raise SlackRefused(
                    say("Slack does not accept SLACK_BOT_TOKEN ({code}).", code=code)
                ) from error
            _log.warning("Slack does not answer yet: %s", code)
            return False
        except NO_ANSWER as error:
            _log.warning("Slack cannot be reached yet: %s", error)
            return False
        self._who = Who(
            team_id=answer.get("team_id"), bot_id=answer.get("bot_id"), bot_user_id=answer.get("user_id")
        )
        return True

    def _connect(self) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.client.connect()
        except SlackApiError as error:
            code = error.response.get("error")
            if code in REFUSED:
                raise SlackRefused(
                    say("Slack does not accept SLACK_APP_TOKEN ({code}).", code=code)
                ) from error
            _log.warning("Socket Mode cannot be opened yet: %s", code)
            return False
        except NO_ANSWER as error:
            _log.warning("Socket Mode cannot be opened yet: %s", error)
            return False
        return True

    def _keep_trying(self) -> None:
        wait = 1.0
        while not self._stop.wait(wait):
            wait = min(wait * 2, _LONGEST_WAIT)
            try:
                if (self._who.bot_user_id is not None or self._introduce()) and self._connect():
                    return
            except SlackRefused as refused:
                self._tokens.refusal = str(refused)
                return


def _watched(road: Road) -> Watched:
    return Watched(
        homes=road.homes,
        overviews=road.overviews,
        activity=road.activity,
        people=road.people,
        clock=road.clock,
    )


def _client(account: Account, seconds: float = _CALL_SECONDS) -> WebClient:
    """A client that never repeats a call by itself: a repeated post would be a second message."""
    return WebClient(
        token=account.bot_token,
        base_url=account.api_url,
        timeout=int(seconds),
        retry_handlers=[],
        ssl=trusted(),
    )
