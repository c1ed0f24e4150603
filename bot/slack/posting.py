"""One call to Slack for one message, and what its refusals mean. Decides nothing about when.

Errors: the "errors" tables of chat.postMessage, chat.update and chat.postEphemeral in Slack's reference.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.slack.blocks import Rendered
from bot.slack.rates import RESPONSE_URL
from bot.slack.trust import trusted
from bot.stores.outbox import Message

_log = logging.getLogger(__name__)

_PEOPLE = "UW"
"""How the ids of people begin."""

_EVENT = "shipkeeper_run"
_UNREACHABLE = {
    "channel_not_found",
    "not_in_channel",
    "user_not_in_channel",
    "is_archived",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "cannot_reply_to_message",
    "messages_tab_disabled",
    "team_not_found",
}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_TOO_RICH = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch"}
_PASSING = {
    "fatal_error",
    "internal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
    "update_failed",
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "unreadable_answer",
}
_DISPENSABLE = {"chat.postEphemeral", "conversations.history", "conversations.replies", "conversations.open"}
"""Methods that we can do without, so that one which is not there must not be waited for."""

_LONGEST_CODE = 80
_CODE = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Slack's no: its code, and what follows from it."""

    method: str
    code: str
    retry_after: float | None

    @property
    def is_unreachable(self) -> bool:
        """The bot cannot speak there."""
        return self.code in _UNREACHABLE

    @property
    def is_gone(self) -> bool:
        """The message cannot be edited any more."""
        return self.code in _GONE

    @property
    def is_lasting(self) -> bool:
        """Asking again would get the same answer."""
        return self.retry_after is None and self.code not in _PASSING

    @property
    def is_elsewhere(self) -> bool:
        """It can still be said in a direct message."""
        return self.is_unreachable or (self.method == "chat.postEphemeral" and self.is_lasting)

    def __str__(self) -> str:
        return f"{self.method} said {self.code}"


def refusal(error: SlackApiError) -> Refusal:
    """What Slack refused, from the SDK's exception."""
    response: Any = error.response
    body = response.data if isinstance(response.data, dict) else {}
    code = str(body.get("error"))
    method = str(response.api_url).rsplit("/", 1)[-1]
    if response.status_code == 404 and method in _DISPENSABLE:
        code = "unknown_method"
    elif response.status_code >= 500:  # whatever the body says: the SDK puts its own words there
        code = "service_unavailable"
    elif not _CODE.fullmatch(code):
        code = "unreadable_answer"
    limited = response.status_code == 429 or code in ("ratelimited", "rate_limited")
    after = str(response.headers.get("Retry-After") or response.headers.get("retry-after"))
    return Refusal(method=method, code=code, retry_after=_wait(after) if limited else None)


def _wait(retry_after: str) -> float:
    """Seconds; Slack promises a whole number, and a proxy between us may not."""
    return max(float(retry_after), 1.0) if retry_after.isdecimal() else 1.0


class Sender:
    """The calls. The client must not retry by itself: a repeated post would double the message."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def post(self, message: Message, rendered: Rendered) -> Any:
        """A new message; its metadata names the run, so that it can be found if the answer is lost."""
        metadata = {"event_type": _EVENT, "event_payload": {"run": message.run.id}}
        quiet = {"unfurl_links": False, "unfurl_media": False, "metadata": metadata}
        call = self._client.chat_postMessage
        return self._rich_or_plain(
            call, rendered, channel=message.channel, thread_ts=message.thread_ts, **quiet
        )

    def update(self, message: Message, rendered: Rendered) -> None:
        """Edit it. May be repeated."""
        call = self._client.chat_update
        self._rich_or_plain(call, rendered, channel=message.channel, ts=message.ts)

    def whisper(self, message: Message, rendered: Rendered) -> None:
        """A message that only the asker sees, where they asked: by the response URL when not by the method."""
        asked = message.run.invocation
        try:
            self._rich_or_plain(
                self._client.chat_postEphemeral,
                rendered,
                channel=message.channel,
                user=asked.actor.id,
                thread_ts=message.thread_ts,
            )
        except SlackApiError as error:
            if not (refusal(error).is_lasting and asked.place and asked.place.response_url):
                raise
            if self.respond(asked.place.response_url, rendered) is not None:
                raise

    def methods_to_look(self, message: Message) -> tuple[str, ...]:
        """What `look_for` calls, each of which Slack may have asked to wait with."""
        look = "conversations.history" if message.thread_ts is None else "conversations.replies"
        return ("conversations.open", look) if message.channel[0] in _PEOPLE else (look,)

    def look_for(self, message: Message) -> tuple[str, str] | None:
        """Channel and ts of the run's message, if Slack has it; None if not, or if we may not look."""
        try:
            channel = self._conversation(message.channel)
            for found in self._since(message, channel):
                metadata = found.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("run") == message.run.id:
                    return channel, str(found["ts"])
        except SlackApiError as error:
            refused = refusal(error)
            if not refused.is_lasting:
                raise  # it can be looked up a little later; posting now could double it
            _log.warning(
                "run %s: its message may be there twice, for we may not look: %s", message.run.id, refused
            )
        return None

    def _since(self, message: Message, channel: str) -> Iterator[dict[str, Any]]:
        """What was posted since a little before our post began, newest first, page by page."""
        since = message.posting_since
        where: dict[str, Any] = {"channel": channel, "limit": 200, "include_all_metadata": True}
        if since is not None:
            where["oldest"] = f"{since.timestamp() - 60:.6f}"
        if message.thread_ts is not None:
            pages = self._client.conversations_replies(ts=message.thread_ts, **where)
        else:
            pages = self._client.conversations_history(**where)
        for page in pages:
            yield from page.get("messages") or ()

    def _conversation(self, channel: str) -> str:
        """The id that a conversation is read under: a person's id only serves for posting."""
        if channel[0] not in _PEOPLE:
            return channel
        opened: Any = self._client.conversations_open(users=channel)
        return str(opened["channel"]["id"])

    def _rich_or_plain(self, call: Any, rendered: Rendered, **where: Any) -> Any:
        given = {name: value for name, value in where.items() if value is not None}
        try:
            return call(text=rendered.text, blocks=rendered.blocks, **given)
        except SlackApiError as error:
            if refusal(error).code not in _TOO_RICH:
                raise
            _log.error("Slack refused our blocks, so it gets plain text: %s", error.response.data)
            return call(text=rendered.text, blocks=[], **given)

    def respond(self, url: str, rendered: Rendered) -> Refusal | None:
        """The same by the response URL, for which no other message waits; the refusal if Slack does not take it."""
        answer = WebhookClient(url, timeout=10, retry_handlers=[], ssl=trusted()).send(
            text=rendered.text, blocks=rendered.blocks, response_type="ephemeral", replace_original=False
        )
        if answer.status_code == 200:
            return None
        after = str(answer.headers.get("Retry-After") or answer.headers.get("retry-after"))
        return Refusal(
            method=RESPONSE_URL,
            code=str(answer.body)[:_LONGEST_CODE],
            retry_after=_wait(after) if answer.status_code == 429 else None,
        )
