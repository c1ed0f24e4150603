"""What a run did that it could take back, in words. Must not know who wrote it down, nor when."""

from __future__ import annotations

from collections.abc import Mapping

from bot.language import later
from bot.operations import context

_DID = {
    context.REMOVE_HELPER: later("helper container"),
    context.UNPAUSE: "paused",
    context.START: "stopped",
    context.DISCARD_DRAFT: later("wrote the files of the backup of"),
    context.REMOVE_VOLUME: later("made the volume"),
    context.RUN_HOOK: later("hook to run afterwards in"),
    context.CLEAR_STAGE: later("staged the content of"),
    context.EXCHANGE_BACK: later("changed places of old and new content of"),
    context.UNTAG: later("gave the name"),
    context.REMOVE_FILES: later("wrote a file for"),
    context.PUT_BACK_FILE: later("put the new file at"),
    context.REMOVE_PART: later("began the file"),
    context.REMOVE_SNAPSHOT: later("made an image of"),
    context.REMOVE_CLONE: later("made the clone"),
}
_NAMES = ("name", "place", "volume", "reference", "holder", "path")


def done(verb: str, arguments: Mapping[str, str]) -> str:
    """What was done whose undo is that verb: `paused db`."""
    name = next((arguments[key] for key in _NAMES if arguments.get(key)), "")
    return f"{_DID.get(verb, verb.replace('_', ' '))} {name}".strip()
