"""Which language people read, by the locale of their Slack account. Remembered; must not know what is said in it.

Source: users.info with `include_locale` (scope users:read). A listener uses what is `known`, as it may ask nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.language import language_of
from bot.slack.posting import refusal
from bot.slack.tokens import NO_ANSWER

_log = logging.getLogger(__name__)

_GOOD_SECONDS = 3_600.0
_AFTER_REFUSAL = 60.0
_CALL_SECONDS = 2


@dataclass(frozen=True)
class _Read:
    """What is remembered of somebody; `until` is monotonic, and nothing is forgotten before it is asked again."""

    language: str | None
    until: float


def reached(api_url: str, token: str, otherwise: str) -> Locales:
    """The locales of the workspace that the bot's token is for."""
    return Locales(WebClient(token, base_url=api_url, timeout=_CALL_SECONDS), otherwise)


class Locales:
    """May be asked from any thread."""

    def __init__(
        self, client: WebClient, otherwise: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`otherwise` is the language of those whose locale Slack does not say."""
        self._client = client
        self._otherwise = otherwise
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._people: dict[str, _Read] = {}
        self._not_before = 0.0

    def known(self, user: str) -> str | None:
        """The language of a person as far as it was ever learned; asks nobody."""
        read = self._people.get(user)
        return read.language if read else None

    def of(self, user: str) -> str:
        """The language of a person. Asks Slack when that is an hour ago; what cannot be learned is `otherwise`."""
        with self._lock:
            read = self._people.get(user)
            now = self._monotonic()
            if (read is None or read.until <= now) and now >= self._not_before:
                read = self._asked(user, read.language if read else None, now)
                self._people[user] = read
        return (read.language if read else None) or self._otherwise

    def _asked(self, user: str, before: str | None, now: float) -> _Read:
        try:
            answer = self._client.users_info(user=user, include_locale=True)
            locale = (answer.get("user") or {}).get("locale")
        except SlackApiError as error:
            refused = refusal(error)
            _log.warning("Slack does not say what %s reads: %s", user, refused)
            self._not_before = now + (refused.retry_after or 0.0)
        except NO_ANSWER as error:
            _log.warning("Slack does not say what %s reads: %s", user, error)
        else:
            return _Read(language_of(locale) if locale else None, now + _GOOD_SECONDS)
        return _Read(before, now + _AFTER_REFUSAL)
