"""Asks Slack what the doctor wants to know: who the tokens are, what they may do, where the bot is. Decides nothing.

Sources: auth.test, bots.info, apps.connections.open and conversations.info; Slack's answers carry the token's scopes
in the header `x-oauth-scopes`, and its clock in `Date`. An address for a socket that nobody uses runs out by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.doctor.asked import Answer, Channel
from bot.secrecy import masked, scrub
from bot.slack.posting import refusal
from bot.slack.tokens import NO_ANSWER
from bot.slack.trust import trusted

_CALL_SECONDS = 5

_NO_WORD = frozenset({"service_unavailable", "unreadable_answer", "internal_error", "fatal_error"})
"""Codes that say nothing of us: Slack itself is unwell, or somebody in between answers."""

A = TypeVar("A", bound=Answer)


class Examiner:
    """Slack, asked with these tokens. Each call takes some seconds at most, and none is repeated."""

    def __init__(self, api_url: str, bot_token: str | None, app_token: str | None) -> None:
        self._bot = self._client(api_url, bot_token)
        self._app = self._client(api_url, app_token)
        self._app_token = app_token or ""

    @staticmethod
    def _client(api_url: str, token: str | None) -> WebClient:
        return WebClient(
            token=token, base_url=api_url, timeout=_CALL_SECONDS, retry_handlers=[], ssl=trusted()
        )

    def identity(self) -> Answer:
        """Who the bot token is."""
        return _asked(self._bot.auth_test, Answer, lambda said: {"team": str(said.get("team") or "")})

    def app(self) -> Answer:
        """Which app the bot token is of."""

        def ask() -> SlackResponse:
            return self._bot.bots_info(bot=str(self._bot.auth_test().get("bot_id") or ""))

        return _asked(ask, Answer, lambda said: {"app": str((said.get("bot") or {}).get("app_id") or "")})

    def socket(self) -> Answer:
        """Whether Socket Mode can be opened."""
        return _asked(
            lambda: self._app.apps_connections_open(app_token=self._app_token), Answer, lambda _said: {}
        )

    def channel(self, channel_id: str) -> Channel:
        """How the bot stands with the channel."""
        return _asked(lambda: self._bot.conversations_info(channel=channel_id), Channel, _standing)


def _standing(said: SlackResponse) -> dict[str, Any]:
    channel: Mapping[str, Any] = said.get("channel") or {}
    return {
        "name": str(channel.get("name") or ""),
        "is_member": bool(channel.get("is_member")),
        "is_private": bool(channel.get("is_private")),
        "is_archived": bool(channel.get("is_archived")),
    }


def _asked(
    ask: Callable[[], SlackResponse], kind: type[A], read: Callable[[SlackResponse], dict[str, Any]]
) -> A:
    try:
        said = ask()
    except SlackApiError as error:
        code = refusal(error).code
        if code in _NO_WORD:
            return kind(silence=f"HTTP {error.response.status_code}, {code}")
        return kind(refusal=code, **_headers(error.response))
    except NO_ANSWER as error:
        return kind(silence=scrub(masked(str(error))))
    return kind(**_headers(said), **read(said))


def _headers(said: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in dict(said.headers).items()}
    scopes = headers.get("x-oauth-scopes")
    found: dict[str, Any] = {}
    if scopes is not None:
        found["scopes"] = frozenset(one.strip() for one in str(scopes).split(",") if one.strip())
    try:
        found["at"] = parsedate_to_datetime(str(headers.get("date") or ""))
    except ValueError:
        return found
    return found
