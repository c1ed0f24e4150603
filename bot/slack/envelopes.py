"""Socket Mode's envelopes as they come off the wire: what is none is dropped before the SDK looks at it.

The SDK logs a traceback for what it cannot read, with the whole message. Dropped is also not acknowledged, so that
Slack shows its own error to whoever waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.slack.shapes import is_sound, text

_envelope_id = text(r"[!-~]{1,100}")


def envelope_in(raw: str) -> Mapping[str, Any] | None:
    """The message, if it is one of Slack's own about the socket, or an envelope with a sound payload; else None."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, Mapping):
        return None
    if message.get("type") in ("hello", "disconnect"):
        return message
    is_envelope = (
        isinstance(message.get("type"), str)
        and _envelope_id(message.get("envelope_id"))
        and is_sound(message.get("payload"))
    )
    return message if is_envelope else None
