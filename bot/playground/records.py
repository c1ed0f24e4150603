"""The nouns of the Slack stand-in: users, channels, messages, deliveries and logged calls.

They know nothing of HTTP, sockets or threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

TEAM_ID: Final = "T0PLAY"
TEAM_DOMAIN: Final = "playground"
APP_ID: Final = "A0PLAY"
BOT_USER_ID: Final = "U0BOT"
BOT_ID: Final = "B0BOT"
BOT_NAME: Final = "shipkeeper"

ENVELOPE_TYPES: Final = {
    "slash": "slash_commands",
    "mention": "events_api",
    "message": "events_api",
    "home": "events_api",
    "press": "interactive",
    "view_submission": "interactive",
    "block_suggestion": "interactive",
    "shortcut": "interactive",
    "message_action": "interactive",
}


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody whom the workspace knows; `name` is the handle, `tz` an IANA zone, `locale` like `en-US`.

    A guest is `is_restricted`, one of a single channel `is_ultra_restricted`, too. Somebody of another workspace has
    another `team_id`, and is a stranger where they share no channel with the bot.
    """

    id: str
    name: str
    real_name: str = ""
    tz: str = "Etc/UTC"
    locale: str = "en-US"
    is_bot: bool = False
    is_admin: bool = False
    deleted: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    team_id: str = TEAM_ID


@dataclass(frozen=True, kw_only=True)
class UserGroup:
    """A user group; `users` are the ids of its members, and a disabled one has none that count."""

    id: str
    handle: str
    users: tuple[str, ...] = ()
    is_disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A conversation; ids starting with D are direct messages."""

    id: str
    name: str
    members: frozenset[str] = frozenset()
    is_private: bool = False
    is_archived: bool = False

    @property
    def is_im(self) -> bool:
        """True for a direct message."""
        return self.id.startswith("D")


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a message said from `at` (unix seconds) until the next version."""

    text: str
    blocks: tuple[Json, ...] = ()
    metadata: Json | None = None
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message about to be posted."""

    channel: str
    user: str
    text: str
    blocks: tuple[Json, ...] = ()
    metadata: Json | None = None
    thread_ts: str | None = None
    ephemeral_for: str | None = None
    files: tuple[str, ...] = ()


@dataclass(eq=False, kw_only=True)
class Message:
    """A posted message. It stays the same object while it is edited; each edit replaces `versions` at once."""

    channel: str
    ts: str
    user: str
    order: int
    versions: tuple[Version, ...]
    thread_ts: str | None = None
    ephemeral_for: str | None = None
    files: tuple[str, ...] = ()
    deleted: bool = False
    reactions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text as currently edited."""
        return self.versions[-1].text

    @property
    def blocks(self) -> tuple[Json, ...]:
        """The blocks as currently edited."""
        return self.versions[-1].blocks

    @property
    def metadata(self) -> Json | None:
        """The metadata as currently edited."""
        return self.versions[-1].metadata

    @property
    def edits(self) -> int:
        """How often the message was changed after it was posted."""
        return len(self.versions) - 1

    @property
    def history(self) -> tuple[Version, ...]:
        """The earlier versions, oldest first."""
        return self.versions[:-1]


@dataclass(eq=False, kw_only=True)
class Delivery:
    """One thing a person did, and what became of telling the bot about it.

    `sent_at` and `acked_at` are monotonic seconds. `error` is what the person is shown: `operation_timeout`,
    `dispatch_failed`, or the reason why Slack did not send anything at all.
    """

    id: str
    kind: str
    payload: Json
    user: str
    channel: str
    order: int
    summary: str
    sent_at: float | None = None
    acked_at: float | None = None
    ack_payload: Any = None
    acks: int = 0
    attempts: int = 0
    error: str | None = None
    envelope_ids: list[str] = field(default_factory=list)

    @property
    def envelope_type(self) -> str:
        """The Socket Mode envelope type this travels in."""
        return ENVELOPE_TYPES[self.kind]

    @property
    def took(self) -> float | None:
        """Seconds from the first sending to the first ack, or None while unacknowledged."""
        if self.sent_at is None or self.acked_at is None:
            return None
        return self.acked_at - self.sent_at


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One answered Web API call; `at` is unix seconds, `status` 0 means the connection was reset."""

    method: str
    args: Json
    at: float
    status: int
    answer: Json

    @property
    def error(self) -> str | None:
        """Slack's error code, or None when the call succeeded."""
        error = self.answer.get("error")
        return None if error is None else str(error)


@dataclass(frozen=True, kw_only=True)
class RateViolation:
    """A call made `early_seconds` before the Retry-After that had been announced was over."""

    method: str
    channel: str | None
    at: float
    early_seconds: float
