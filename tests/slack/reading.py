"""Reading the bot's messages as people and Slack's clients do. Knows nothing of runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bot.playground import Message

_SIGNED = re.compile("(run|실행) [0-9a-f]{8} ")


def signature_of(message: Message) -> str:
    """The line of a message that names its run and status; empty when it has none."""
    for block in reversed(message.blocks):
        if block["type"] == "context" and _SIGNED.match(block["elements"][0]["text"]):
            return str(block["elements"][0]["text"]) + " "
    return ""


def words_of(message: Message) -> str:
    """Everything that people read in a message, blocks and fallback."""
    return message.text + json.dumps(message.blocks, ensure_ascii=False)


def buttons_of(message: Message) -> list[str]:
    """The labels of a message's buttons."""
    return [
        element["text"]["text"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def refuse_mentions(message: Message) -> None:
    """No version of the message may call a group, or a person other than the one who asked."""
    for version in message.versions:
        for text in _mrkdwn(version.text, version.blocks):
            assert "<!" not in text.replace("<!date^", ""), f"calls a group: {text}"
            assert "<#" not in text, f"links a channel: {text}"
            for rest in text.split("<@")[1:]:
                assert _SIGNED.match(text), f"calls {rest[:12]}: {text}"


def _mrkdwn(text: str, blocks: Any) -> Iterator[str]:
    yield text
    if isinstance(blocks, dict):
        if blocks.get("type") == "mrkdwn":
            yield blocks["text"]
        blocks = list(blocks.values())
    if isinstance(blocks, list | tuple):
        for block in blocks:
            if isinstance(block, dict | list | tuple):
                yield from _mrkdwn("", block)
