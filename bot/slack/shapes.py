"""What a payload of Slack's must look like before anything reads it: which fields are there, and of which type.

Only the fields that the listeners or Bolt itself read; whatever else Slack adds may stand beside them. Shapes are from
docs.slack.dev (slash commands, interactivity, Events API). Must not know what becomes of a payload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.slack.blocks import PRESS
from bot.slack.fields import FILL
from bot.slack.forms import CHANNEL, CHOOSER, COMMAND, FORM

Check = Callable[[Any], bool]
"""Whether a value may stand there."""

_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_DEEPEST = 64
_LONGEST_TEXT = 40_000
"""Slack cuts messages at this length (chat.postMessage, "Truncating content")."""


def is_shallow(value: object) -> bool:
    """Whether it nests no deeper than Slack's payloads do: deeper ones are made to exhaust whoever walks them."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            return False
        level = [
            inner
            for one in level
            if isinstance(one, Mapping | list)
            for inner in (one.values() if isinstance(one, Mapping) else one)
        ]
    return True


def is_sound(payload: object) -> bool:
    """Whether it is one of the payloads that are listened to, with all that is read of it as it should be."""
    if not (isinstance(payload, Mapping) and is_shallow(payload) and _BY_BOLT(payload)):
        return False
    shape = _command if "command" in payload else _SHAPES.get(_kind(payload))
    return shape is not None and shape(payload)


def is_known(payload: object) -> bool:
    """Whether it says that it is of a kind that is listened to, sound or not."""
    return isinstance(payload, Mapping) and ("command" in payload or _kind(payload) in _SHAPES)


def _kind(payload: Mapping[Any, Any]) -> str:
    kind = payload.get("type")
    return kind if isinstance(kind, str) else ""


def text(pattern: str = "", most: int = _LONGEST_TEXT) -> Check:
    """Text that a database can keep, as long as that at most; all of it as the pattern says, if there is one."""
    wanted = re.compile(pattern)

    def check(value: Any) -> bool:
        if not isinstance(value, str) or len(value) > most or _NO_TEXT.search(value):
            return False
        return not pattern or wanted.fullmatch(value) is not None

    return check


def record(needed: Mapping[str, Check], may: Mapping[str, Check] | None = None) -> Check:
    """A mapping that has what is needed; what it may have can be missing or null."""
    others = may or {}

    def check(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and all(name in value and one(value[name]) for name, one in needed.items())
            and all(value.get(name) is None or one(value[name]) for name, one in others.items())
        )

    return check


def several(each: Check, least: int = 0, most: int = 1_000) -> Check:
    """A list of such things."""
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(each, value))


def named(each: Check) -> Check:
    """A mapping from names to such things."""
    return lambda value: isinstance(value, Mapping) and all(map(each, value.values()))


def either(*checks: Check) -> Check:
    """Any of these."""
    return lambda value: any(check(value) for check in checks)


_TEXT = text()
_WORD = text(r"[!-~]{0,150}")
_ID = text(r"([A-Z0-9][A-Za-z0-9_.-]{0,63})?")
_PERSON = text(r"[UW][A-Za-z0-9_.-]{1,63}")
"""Slack promises little of an id but its first letter: it is a string, and may grow."""
_NAME = text(most=255)
_TOKEN = text(r"[!-~]{0,64}")
_MOMENT = text(r"[0-9.]{0,32}")
_URL = text(r"(https?://[!-~]{1,2000})?")
_USER = record({"id": _PERSON}, {"username": _NAME, "name": _NAME, "team_id": _ID})
_PLACE = either(_ID, record({"id": _ID}))
_TEAM = either(_ID, record({"id": _ID}, {"enterprise_id": _ID}))
_FILES = several(record({}, {"id": _ID}))

_AUTHORIZATION = record({}, {"team_id": _ID, "enterprise_id": _ID, "user_id": _ID})
_BY_BOLT = record(
    {},
    {
        "authorizations": several(_AUTHORIZATION),
        "enterprise": either(_ID, record({}, {"id": _ID})),
        "enterprise_id": _ID,
        "team": _TEAM,
        "team_id": _ID,
        "user": either(_PERSON, _USER),
        "channel": _PLACE,
        "thread_ts": _MOMENT,
        "event": record({}, {"channel": _PLACE, "user": either(_ID, record({}, {"id": _ID})), "team": _TEAM}),
        "message": record({}, {"user": either(_ID, record({}, {"id": _ID})), "thread_ts": _MOMENT}),
        "view": record({}, {"app_installed_team_id": _ID, "team_id": _ID}),
        "response_urls": several(record({}, {"response_url": _URL})),
        "token": _TEXT,
    },
)
"""What Bolt reads of every payload, to know whose it is (`slack_bolt.request.internals`, 1.30)."""

_TYPED = record(
    {"command": text(r"/[!-~]{1,100}"), "user_id": _PERSON, "channel_id": _ID},
    {"text": _TEXT, "user_name": _NAME, "trigger_id": _WORD, "response_url": _URL},
)


def _command(value: Any) -> bool:
    """A slash command, which has something by which its repeat is known again."""
    return _TYPED(value) and bool(value.get("trigger_id") or value.get("response_url"))


_MENTION = record(
    {"channel": _ID}, {"user": _PERSON, "text": _TEXT, "thread_ts": _MOMENT, "files": _FILES, "tab": _WORD}
)
_HOME = record({}, {"user": _PERSON, "tab": _WORD})
_EVENTS: Mapping[str, Check] = {"app_mention": _MENTION, "app_home_opened": _HOME}


def _event(value: Any) -> bool:
    """One of the events that are listened to; of the others it only matters that Bolt can tell them apart."""
    if not record({"type": _WORD}, {"thread_ts": _MOMENT, "message": named(lambda _: True)})(value):
        return False
    shape = _EVENTS.get(value["type"])
    return shape is None or shape(value)


_CHOICE = record({"value": _TEXT})
_FIELD = record(
    {},
    {
        "value": _TEXT,
        "selected_option": _CHOICE,
        "selected_options": several(_CHOICE),
        "selected_date": _WORD,
        "selected_conversation": _ID,
    },
)
_STATE = record({}, {"values": named(named(_FIELD))})
_PRESSABLE = record({"action_id": text(most=255)}, {"value": _TEXT, "action_ts": _WORD, "block_id": _TEXT})


def _action(value: Any) -> bool:
    """Something that was pressed or chosen; what one of our buttons carries is a token, and those are short."""
    if not _PRESSABLE(value):
        return False
    return not value["action_id"].startswith(f"{PRESS}:") or _TOKEN(value.get("value") or "")


_CONTAINER = record({}, {"thread_ts": _MOMENT, "message_ts": _MOMENT, "channel_id": _ID})
_IDENTIFIED = record({"block_id": text(most=255)})
_SOME_BLOCK = record({"type": _WORD}, {"block_id": text(most=255)})


def _block(value: Any) -> bool:
    """A block of a view; of those that people fill in it must be clear which one it is."""
    return _SOME_BLOCK(value) and (value["type"] != "input" or _IDENTIFIED(value))


def _form(value: Any) -> bool:
    """A form that is sent off, or the one that asks for the command; other views are none of ours."""
    blocks = record({"id": _WORD, "blocks": several(_block, least=1)}, {"private_metadata": _TEXT})
    if not (blocks(value) and text(most=255)(value.get("callback_id"))):
        return False
    if value["callback_id"] == FORM:
        filled = record({"state": record({"values": named(named(_FIELD))})})
        return filled(value) and any(block["type"] == "input" for block in value["blocks"])
    chosen = record({COMMAND: record({COMMAND: _FIELD}), CHANNEL: record({CHANNEL: _FIELD})})
    return value["callback_id"] != CHOOSER or record({"state": record({"values": chosen})})(value)


def _suggestion(value: Any) -> bool:
    typed_into = record(
        {"user": _USER, "view": record({}, {"private_metadata": _TEXT, "state": _STATE})},
        {"value": _TEXT, "block_id": _TEXT},
    )
    name = value.get("action_id")
    if not (typed_into(value) and text(most=255)(name)):
        return False
    return not name.startswith(f"{FILL}:") or name.count(":") >= 2


_PRESSED = record(
    {"user": _USER, "actions": several(_action, least=1)},
    {
        "trigger_id": _WORD,
        "response_url": _URL,
        "container": _CONTAINER,
        "channel": record({"id": _ID}),
        "team": record({"id": _ID}),
        "state": _STATE,
    },
)
_SHORTCUT = record(
    {"user": _USER, "callback_id": text(most=255), "trigger_id": _WORD}, {"team": record({"id": _ID})}
)
_ON_A_MESSAGE = record(
    {"message": record({}, {"files": _FILES, "thread_ts": _MOMENT}), "channel": record({"id": _ID})},
    {"response_url": _URL},
)

_SHAPES: Mapping[str, Check] = {
    "event_callback": record({"event": _event, "event_id": _WORD}),
    "url_verification": record({"challenge": text(most=1_000)}),
    "block_actions": _PRESSED,
    "block_suggestion": _suggestion,
    "view_submission": record({"user": _USER, "view": _form}, {"team": record({"id": _ID})}),
    "shortcut": _SHORTCUT,
    "message_action": lambda value: _SHORTCUT(value) and _ON_A_MESSAGE(value),
}
