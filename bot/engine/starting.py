"""Why a program could not be started in a container, told apart: for now, or as the container is. Words only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bot.engine.translate import scrub
from bot.errors import EngineError, NotStarted
from bot.language import later, say

_COULD_NOT = later("The container “{container}” on host “{host}” could not start a program: {reason}.")
_NEVER = re.compile(
    r"/bin/sh.*(no such file|not found|permission denied|not a directory|exec format)"
    r"|unable to find (user|group)|no matching entries",
    re.IGNORECASE | re.DOTALL,
)


def not_started(where: Mapping[str, str], words: bytes) -> EngineError:
    """What the daemon wrote in place of the program's output; NotStarted where trying again cannot help."""
    said = scrub(words.decode("utf-8", "replace")) or say("it said nothing")
    told = [say(_COULD_NOT, **where, reason=said.rstrip("."))]
    if "/bin/sh" in said:
        told.append(say("Programs are started through its /bin/sh."))
    kind = NotStarted if _NEVER.search(said) else EngineError
    return kind(" ".join((*told, say("Nothing was run."))))


@contextmanager
def told_apart() -> Iterator[None]:
    """Some engines refuse at once, by an answer, what others say where the program's output comes."""
    try:
        yield
    except EngineError as error:
        if _NEVER.search(str(error)):
            raise NotStarted(str(error)) from error
        raise
