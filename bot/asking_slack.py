"""What the bot asks Slack for outside of its connection: a shell that takes a run on asks the same.

Slack's libraries are loaded when something is first asked for: a shell rarely does.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from bot.model import Invocation
from bot.operations.fetching import Uploaded, Uploads

if TYPE_CHECKING:
    from bot.slack.locales import Locales


class SlackUploads(Uploads):
    """What people uploaded to Slack."""

    def __init__(self, api_url: str, token: str | None) -> None:
        self._api_url = api_url
        self._token = token

    def find(self, file_id: str, asked: Invocation) -> Uploaded:
        """The file, by Slack's word."""
        from bot.slack.fetching import SlackUploads as Found

        return Found(self._api_url, self._token).find(file_id, asked)


class Readers:
    """What people read, by their accounts in Slack; `otherwise` where there is no token to ask with."""

    def __init__(self, api_url: str, token: str | None, otherwise: str) -> None:
        self._api_url = api_url
        self._token = token
        self.otherwise = otherwise

    def known(self, user: str) -> str | None:
        """The language of a person of Slack as far as it was ever learned; asks nobody."""
        return self._locales.known(user) if self._locales else None

    def of(self, user: str) -> str:
        """The same; may ask Slack, for seconds."""
        return self._locales.of(user) if self._locales else self.otherwise

    @cached_property
    def _locales(self) -> Locales | None:
        from bot.slack.locales import reached

        return reached(self._api_url, self._token, self.otherwise) if self._token else None
