"""What Slack is asked by the doctor, and what it may answer. Words and a protocol; who asks is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.language import later

NETWORK = later(
    "See whether this machine reaches slack.com over HTTPS: name server, firewall, proxy, and SLACK_API_URL if set."
)
"""What to do when Slack does not answer."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Slack said: `refusal` is its error code, `silence` why there was no answer at all; else all is well."""

    refusal: str = ""
    silence: str = ""
    scopes: frozenset[str] | None = None
    """What the token may do; None where Slack does not say."""
    at: datetime | None = None
    """Slack's clock."""
    team: str = ""
    app: str = ""
    """The id of the app that the token is of."""


@dataclass(frozen=True, kw_only=True)
class Channel(Answer):
    """What Slack said of a channel."""

    name: str = ""
    is_member: bool = False
    is_private: bool = False
    is_archived: bool = False


class Asked(Protocol):
    """Slack, as it is asked. No method raises; each takes some seconds at most."""

    def identity(self) -> Answer:
        """Who the bot token is (auth.test)."""

    def app(self) -> Answer:
        """Which app the bot token is of (bots.info)."""

    def socket(self) -> Answer:
        """Whether Socket Mode can be opened with the app token (apps.connections.open)."""

    def channel(self, channel_id: str) -> Channel:
        """How the bot stands with a channel (conversations.info)."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What the environment holds for Slack. Never printed."""

    bot_token: str | None = field(repr=False)
    app_token: str | None = field(repr=False)
    signing_secret: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the app's manifest asks for, and what each optional scope is good for."""

    scopes: Sequence[str]
    optional: Sequence[str]
