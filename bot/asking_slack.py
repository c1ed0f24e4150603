"""What the bot asks Slack for outside of its connection: a shell that takes a run on asks the same.

Slack's libraries are loaded when something is first asked for: a shell rarely does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from bot.doctor.asked import Answer, Asked, Channel, Wanted
from bot.model import Invocation
from bot.operations.fetching import Uploaded, Uploads
from bot.people import Directory, Nobody, Person


class SlackUploads(Uploads):
    """What people uploaded to Slack."""

    def __init__(self, api_url: str, token: str | None) -> None:
        self._api_url = api_url
        self._token = token

    def find(self, file_id: str, asked: Invocation) -> Uploaded:
        """The file, by Slack's word."""
        from bot.slack.fetching import SlackUploads as Found

        return Found(self._api_url, self._token).find(file_id, asked)


def people(api_url: str, token: str | None, otherwise: str) -> Directory:
    """Everybody, by their accounts in Slack; without a token to ask with nobody is known."""

    def reach() -> Directory:
        from bot.slack.people import reached

        return reached(api_url, token or "", otherwise)

    return _Lazily(reach, otherwise) if token else Nobody(otherwise)


class _Lazily:
    """A directory that is made when it is first asked."""

    def __init__(self, make: Callable[[], Directory], otherwise: str) -> None:
        self._make = make
        self.otherwise = otherwise

    def person(self, user_id: str) -> Person:
        """The person; may ask Slack, for seconds."""
        return self._made.person(user_id)

    def known(self, user_id: str) -> Person | None:
        """The person as far as it was ever learned; asks nobody."""
        return self._made.known(user_id)

    def in_group(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group; may ask Slack, for seconds."""
        return self._made.in_group(user_id, group_id)

    def by_memory(self) -> Directory:
        """The same, without asking."""
        return _Lazily(lambda: self._made.by_memory(), self.otherwise)

    @cached_property
    def _made(self) -> Directory:
        return self._make()


def wanted() -> Wanted:
    """The scopes that the app's manifest asks for."""
    from bot.slack.manifest import OPTIONAL_SCOPES, SCOPES

    return Wanted(scopes=SCOPES, optional=OPTIONAL_SCOPES)


class Examiner(Asked):
    """What the doctor asks Slack, with these tokens."""

    def __init__(self, api_url: str, bot_token: str | None, app_token: str | None) -> None:
        self._api_url = api_url
        self._bot_token = bot_token
        self._app_token = app_token

    def identity(self) -> Answer:
        """Who the bot token is."""
        return self._made.identity()

    def app(self) -> Answer:
        """Which app the bot token is of."""
        return self._made.app()

    def socket(self) -> Answer:
        """Whether Socket Mode can be opened."""
        return self._made.socket()

    def channel(self, channel_id: str) -> Channel:
        """How the bot stands with a channel."""
        return self._made.channel(channel_id)

    @cached_property
    def _made(self) -> Asked:
        from bot.slack.examining import Examiner as Made

        return Made(self._api_url, self._bot_token, self._app_token)
