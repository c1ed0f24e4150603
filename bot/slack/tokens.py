"""Whether Slack still accepts the tokens that the bot began with. Must not know what is sent with them."""

from __future__ import annotations

import logging
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.language import say

_log = logging.getLogger(__name__)

REFUSED = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)
"""What Slack says of a token that will not do (the "errors" table of auth.test)."""

NO_ANSWER = (OSError, HTTPException, SlackClientError, ValueError)
"""What a call without an answer raises; ValueError when what came is no text."""


class Tokens:
    """Remembers the first refusal that is certain. May be asked from any thread."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self.refusal: str | None = None
        """A sentence for whoever looks after the bot, once Slack knows a token no more."""

    def doubt(self, code: str) -> None:
        """Some method refused the bot token; it is certain once auth.test, which asks for no more, says so, too."""
        if code not in REFUSED or self.refusal is not None:
            return
        try:
            self._client.auth_test()
        except SlackApiError as error:
            said = _code(error)
            if said in REFUSED:
                self.refuse("SLACK_BOT_TOKEN", said)
        except NO_ANSWER as error:
            _log.warning("whether Slack still accepts the bot token cannot be told: %s", error)

    def refuse(self, variable: str, code: str) -> None:
        """It is certain that Slack does not accept what the variable holds."""
        self.refusal = self.refusal or (
            say(
                "Slack does not accept {variable} any more ({code}). The bot stops: what was at work is ended and "
                "taken back, and what people must still be told is kept. Set a valid token and start the bot again.",
                variable=variable,
                code=code,
            )
        )

    def watched(self, issue: Any) -> Any:
        """`issue`, which asks for a new socket with the app token, noticing when that is refused for good."""

        def asked() -> Any:
            try:
                return issue()
            except SlackApiError as error:
                if _code(error) in REFUSED:
                    self.refuse("SLACK_APP_TOKEN", _code(error))
                raise

        return asked


def _code(error: SlackApiError) -> str:
    return str(error.response.get("error"))
