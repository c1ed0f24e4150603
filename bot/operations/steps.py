"""What a run did that it could take back, in words. Must not know who wrote it down, nor when."""

from __future__ import annotations

from collections.abc import Mapping

from bot.language import later, say
from bot.operations import context

_DID = {
    context.REMOVE_HELPER: later("helper container {name}"),
    context.UNPAUSE: later("paused {name}"),
    context.START: later("stopped {name}"),
    context.DISCARD_DRAFT: later("wrote the files of the backup of {name}"),
    context.REMOVE_VOLUME: later("made the volume {name}"),
    context.RUN_HOOK: later("hook to run afterwards in {name}"),
    context.CLEAR_STAGE: later("staged the content of {name}"),
    context.EXCHANGE_BACK: later("changed places of old and new content of {name}"),
    context.UNTAG: later("gave the name {name}"),
    context.REMOVE_FILES: later("wrote a file for {name}"),
    context.PUT_BACK_FILE: later("put the new file at {name}"),
    context.REMOVE_PART: later("began the file {name}"),
    context.REMOVE_SNAPSHOT: later("made an image of {name}"),
    context.REMOVE_CLONE: later("made the clone {name}"),
}
_NAMES = ("name", "place", "volume", "reference", "holder", "path")


def done(verb: str, arguments: Mapping[str, str]) -> str:
    """What was done whose undo is that verb: `paused db`."""
    name = next((arguments[key] for key in _NAMES if arguments.get(key)), "")
    if verb not in _DID:  # of a later version
        return f"{verb.replace('_', ' ')} {name}".strip()
    return say(_DID[verb], name=name).strip()
