"""The Slack stand-in as one object: start it, let people act in it, watch what the bot does.

It is Slack seen from outside and knows nothing of the bot it talks to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from bot.playground.answers import Answers
from bot.playground.delivery import Deliverer
from bot.playground.files import StoredFile
from bot.playground.http_delivery import HttpAnswer, HttpCourier, Signature
from bot.playground.page import Page
from bot.playground.people import People
from bot.playground.rates import Tier
from bot.playground.records import Channel, Delivery, Json, Message, User, UserGroup
from bot.playground.routes import Doors, application
from bot.playground.server import LOOPBACK, ServerThread
from bot.playground.sockets import SocketHub
from bot.playground.transcript import transcript
from bot.playground.views import View
from bot.playground.webapi import WebApi
from bot.playground.workspace import DEFAULT_SCOPES, Credentials, new_workspace
from bot.playground.world import Clock, World

T = TypeVar("T")

POLL_SECONDS = 0.05


class Playground:
    """A Slack workspace on loopback. A context manager; or call `start` and `stop`.

    `scopes` are what the bot token holds, `credentials` its secrets, made up if not
    given. `clock` gives unix seconds for message times, rate limits, trigger ids and response URLs; the 3-second
    ack clock always runs in real time.
    """

    def __init__(
        self,
        *,
        scopes: Collection[str] = DEFAULT_SCOPES,
        credentials: Credentials | None = None,
        clock: Clock = time.time,
        enforce_rates: bool = True,
        bursts: Mapping[Tier, int] | None = None,
    ) -> None:
        self.world = World(clock)
        self._workspace = new_workspace(
            self.world, frozenset(scopes), enforce_rates=enforce_rates, bursts=bursts
        )
        if credentials is not None:
            self._workspace.credentials = credentials
        self.faults = self._workspace.faults
        self.views = self._workspace.views
        self.files = self._workspace.files
        self.commands = self._workspace.commands
        secret = self._workspace.credentials
        self.bot_token, self.app_token = secret.bot_token, secret.app_token
        self.signing_secret = secret.signing_secret
        self.courier = HttpCourier(secret.signing_secret)
        self.hub = SocketHub(self._workspace)
        answers = Answers(self._workspace)
        self._deliverer = Deliverer(self.world, self.hub, self.courier, answers)
        self._people = People(self._workspace, self._deliverer.send)
        page = Page(self._workspace, self.hub, self._people, lambda: self.request_url is not None)
        doors = Doors(
            workspace=self._workspace,
            api=WebApi(self._workspace),
            hub=self.hub,
            answers=answers,
            page=page,
        )
        self._server = ServerThread(application(doors))
        self.hub.call_later = self._server.call_later
        self._deliverer.call_later = self._server.call_later

    # -- life -----------------------------------------------------------------------------------------------

    def start(self, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 is any free one, or the one it had before. Raises OSError when it is taken.

        May follow `stop`: the world remains.
        """
        self._server.start(port)
        self._workspace.base_url = self.url
        return self

    def stop(self) -> None:
        """Close all connections and end the server's thread."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the chat page, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._server.port}"

    @property
    def api_url(self) -> str:
        """The Web API's base address for the bot (`SLACK_API_URL`), with a slash at the end."""
        return f"{self.url}/api/"

    @property
    def shortcuts(self) -> Sequence[Mapping[str, str]]:
        """The app's shortcuts as its manifest declares them (`features.shortcuts`); people see these and no others."""
        return self._workspace.shortcuts

    @shortcuts.setter
    def shortcuts(self, declared: Sequence[Mapping[str, str]]) -> None:
        self._workspace.shortcuts = tuple(declared)
        self.world.touch()

    @property
    def request_url(self) -> str | None:
        """The bot's request URL; when set, deliveries go there as signed HTTP POSTs instead of over a socket."""
        return self._deliverer.request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        self._deliverer.request_url = url
        self.world.touch()

    @property
    def home_tab_on(self) -> bool:
        """Whether the app has a Home tab, which its manifest says."""
        return self._workspace.home_tab_on

    @home_tab_on.setter
    def home_tab_on(self, is_on: bool) -> None:
        self._workspace.home_tab_on = is_on

    # -- people and places ----------------------------------------------------------------------------------

    def add_user(self, user: User) -> User:
        """Add a user, or replace the one with the same id."""
        return self.world.put_user(user)

    def add_channel(self, channel: Channel) -> Channel:
        """Add a channel, or replace the one with the same id."""
        return self.world.put_channel(channel)

    def add_group(self, group: UserGroup) -> UserGroup:
        """Add a user group, or replace the one with the same id: so its members change."""
        return self.world.put_group(group)

    # -- acts -----------------------------------------------------------------------------------------------

    def slash(
        self,
        command: str,
        text: str = "",
        *,
        user: str = "U0ANN",
        channel: str = "C0OPS",
        trigger_id: str | None = None,
    ) -> Delivery:
        """Type a slash command."""
        return self._people.slash(command, text, user, channel, trigger_id)

    def upload(self, name: str, content: bytes, *, user: str = "U0ANN") -> StoredFile:
        """Put a file into the workspace; nobody sees it until somebody shares it with a mention."""
        return self._people.upload(name, content, user)

    def mention(
        self,
        text: str,
        *,
        user: str = "U0ANN",
        channel: str = "C0OPS",
        thread_ts: str | None = None,
        files: Sequence[StoredFile] = (),
    ) -> Delivery:
        """Write `<@bot> text`, perhaps with files; delivered if the bot is a member and holds the scope."""
        return self._people.mention(text, user, channel, thread_ts, files)

    def say(
        self,
        text: str,
        *,
        user: str = "U0ANN",
        channel: str = "C0OPS",
        thread_ts: str | None = None,
        files: Sequence[StoredFile] = (),
    ) -> Message:
        """Write a plain message, perhaps with files; a user id as channel means the direct message with the bot."""
        return self._people.say(text, user, channel, thread_ts, files)

    def press(
        self, message: Message, action_id_or_label: str, *, user: str = "U0ANN", version: int | None = None
    ) -> Delivery:
        """Press a button; `version` presses one that an edit has taken away since.

        Raises LookupError when the user does not see such a button.
        """
        return self._people.press(message, action_id_or_label, user, version)

    def press_in_view(self, view: View, action_id_or_label: str, *, user: str = "U0ANN") -> Delivery:
        """Press a button in a form or Home page."""
        return self._people.press_in_view(view, action_id_or_label, user)

    def submit(self, view: View, values: Json, *, user: str = "U0ANN") -> Delivery:
        """Send a form off with values by block_id or action_id."""
        return self._people.submit(view, values, user)

    def suggest(
        self, view: View, field: str, letters: str, *, user: str = "U0ANN", values: Json | None = None
    ) -> Delivery:
        """Type letters into an external select; the bot's options arrive as `ack_payload`.

        `values` is what stands in other fields by then.
        """
        return self._people.suggest(view, field, letters, user, values)

    def shortcut(self, callback_id: str, *, user: str = "U0ANN") -> Delivery:
        """Choose a global shortcut."""
        return self._people.shortcut(callback_id, user)

    def message_shortcut(self, callback_id: str, message: Message, *, user: str = "U0ANN") -> Delivery:
        """Choose a shortcut from a message's own menu."""
        return self._people.message_shortcut(callback_id, message, user)

    def open_home(self, *, user: str = "U0ANN") -> Delivery:
        """Open the bot's Home page."""
        return self._people.open_home(user)

    # -- delivering again and otherwise ---------------------------------------------------------------------

    def redeliver(
        self,
        delivery: Delivery,
        *,
        times: int = 1,
        fresh_retry_counter: bool = False,
        via: str | int | None = None,
    ) -> Delivery:
        """Deliver again: the same envelope with a raised retry counter, or a fresh envelope with counter 0.

        `via` is "http", "socket", the number of a connection, or None for the way the bot is connected.
        """
        for _ in range(times):
            self._deliverer.redeliver(delivery, fresh=fresh_retry_counter, via=via)
        return delivery

    def deliver_http(
        self, delivery: Delivery, *, signature: Signature = Signature.GOOD, retry: int = 0
    ) -> HttpAnswer:
        """Post a delivery to `request_url` now, well signed or forged, and return the bot's answer."""
        return self._deliverer.deliver_http(delivery, signature, retry)

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell all sockets to disconnect: `warning`, `refresh_requested` or `link_disabled`."""
        self.hub.disconnect(reason)

    def enable_socket_mode(self) -> None:
        """Switch Socket Mode on again after `disconnect("link_disabled")`."""
        self._workspace.socket_mode_on = True

    def drop_sockets(self) -> int:
        """Cut all sockets without a closing frame; returns how many."""
        return self.hub.drop()

    def freeze_sockets(self) -> int:
        """Leave all sockets half open: nothing is read or sent, and nothing closes; returns how many."""
        return self.hub.freeze()

    # -- watching -------------------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10.0) -> T:
        """Wait until the predicate is truthy and return its value.

        Raises TimeoutError after `timeout` seconds, with the transcript.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self.world.version
            value = predicate()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"Nothing came of it within {timeout:g} s. What happened:\n{self.transcript()}"
                )
            self.world.wait_for_change(seen, min(left, POLL_SECONDS))

    def transcript(self) -> str:
        """Everything that was typed, posted and shown, as text."""
        return transcript(self.world)
