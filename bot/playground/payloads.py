"""The payloads Slack sends: slash commands, events, clicks, forms, type-ahead. Pure functions of records.

Shapes from docs.slack.dev (interactivity, slash commands, Events API).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.playground.records import APP_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Channel, Json, Message, User

LEGACY_TOKEN = "not-for-trust"


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What every interaction has: who, where (None in a Home page), and the pass to open a form."""

    user: User
    channel: Channel | None
    trigger_id: str
    response_url: str | None = None


def slash(occasion: Occasion, command: str, text: str) -> Json:
    """The payload of a slash command; `is_enterprise_install` is text here, by Slack's custom."""
    channel = occasion.channel
    return {
        "token": LEGACY_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": "" if channel is None else channel.id,
        "channel_name": _display_name(channel),
        "user_id": occasion.user.id,
        "user_name": occasion.user.name,
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": occasion.response_url or "",
        "trigger_id": occasion.trigger_id,
    }


def _display_name(channel: Channel | None) -> str:
    if channel is None:
        return ""
    return "directmessage" if channel.is_im else channel.name


def event(inner: Json) -> Json:
    """The outer envelope of an Events API event, with a fresh event id."""
    authorization = {
        "enterprise_id": None,
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": LEGACY_TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event": inner,
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": secrets.token_hex(12),
    }


def message_event(kind: str, message: Message, channel: Channel, files: Sequence[Json] = ()) -> Json:
    """An `app_mention` or `message` event about something a person wrote, with the files that came with it."""
    inner: Json = {
        "type": kind,
        "user": message.user,
        "text": message.text,
        "ts": message.ts,
        "channel": message.channel,
        "event_ts": message.ts,
        "team": TEAM_ID,
    }
    if message.thread_ts is not None:
        inner["thread_ts"] = message.thread_ts
    if files:
        inner |= {"files": list(files), "upload": False, "display_as_bot": False}
    if kind == "message":
        inner |= {"subtype": "file_share"} if files else {}
        inner["channel_type"] = "im" if channel.is_im else "channel"
    return event(inner)


def home_event(user: User, channel: Channel, view: Json | None) -> Json:
    """An `app_home_opened` event; `view` is the Home page published before."""
    inner: Json = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": channel.id,
        "tab": "home",
        "event_ts": f"{time.time():.6f}",
    }
    if view is not None:
        inner["view"] = view
    return event(inner)


def _interaction(kind: str, occasion: Occasion) -> Json:
    user = occasion.user
    return {
        "type": kind,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM_ID},
        "api_app_id": APP_ID,
        "token": LEGACY_TOKEN,
        "is_enterprise_install": False,
    }


def block_actions(occasion: Occasion, action: Json, message: Message | None, shown: Json) -> Json:
    """A click. `shown` is the message, or the view when `message` is None; ephemeral messages are left out."""
    payload = _interaction("block_actions", occasion)
    payload |= {"trigger_id": occasion.trigger_id, "actions": [action]}
    if message is None:
        return payload | {"container": {"type": "view", "view_id": shown["id"]}, "view": shown}
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.ephemeral_for is not None,
    }
    if message.thread_ts is not None:
        container["thread_ts"] = message.thread_ts
    payload["container"] = container
    if occasion.channel is not None:
        payload["channel"] = {"id": occasion.channel.id, "name": _display_name(occasion.channel)}
    if message.ephemeral_for is None:
        payload["message"] = shown
    return payload | {"state": {"values": {}}, "response_url": occasion.response_url}


def view_submission(occasion: Occasion, view: Json) -> Json:
    """A form that was sent off; `view` holds the typed values in its state."""
    payload = _interaction("view_submission", occasion)
    return payload | {"trigger_id": occasion.trigger_id, "view": view, "response_urls": []}


def shortcut(occasion: Occasion, callback_id: str) -> Json:
    """A global shortcut: Slack says nothing of where the person was."""
    payload = _interaction("shortcut", occasion)
    stamp = f"{time.time():.6f}"
    return payload | {"callback_id": callback_id, "trigger_id": occasion.trigger_id, "action_ts": stamp}


def message_action(occasion: Occasion, callback_id: str, message: Json) -> Json:
    """A shortcut chosen on a message, which is `message`."""
    channel = occasion.channel
    payload = _interaction("message_action", occasion)
    return payload | {
        "callback_id": callback_id,
        "trigger_id": occasion.trigger_id,
        "action_ts": f"{time.time():.6f}",
        "message_ts": message["ts"],
        "channel": {"id": "" if channel is None else channel.id, "name": _display_name(channel)},
        "message": message,
        "response_url": occasion.response_url,
    }


@dataclass(frozen=True, kw_only=True)
class Typing:
    """Letters typed into a select whose options the bot provides."""

    action_id: str
    block_id: str
    letters: str


def block_suggestion(occasion: Occasion, typing: Typing, view: Json) -> Json:
    """Type-ahead in a form's external select."""
    payload = _interaction("block_suggestion", occasion)
    return payload | {
        "container": {"type": "view", "view_id": view["id"]},
        "action_id": typing.action_id,
        "block_id": typing.block_id,
        "value": typing.letters,
        "view": view,
    }
