"""What is said of a change that began, and then went wrong before anybody could prove it.

Must not know what was changed, nor who is asked about it: an error's own words know nothing of what Docker had been
told by then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.errors import BotError, Cancelled, EngineError, Interrupted
from bot.language import later, say
from bot.waiting import patiently

_log = logging.getLogger(__name__)
_SECONDS = 2.0
_ENDED: dict[type[BotError], str] = {
    Cancelled: later("The run was cancelled."),
    Interrupted: later("The bot was stopped in the middle of this run."),
}


class Started:
    """Whether it began."""

    def __init__(self) -> None:
        self.has_begun = False

    def now(self) -> None:
        """From now on something may be changed, whatever is raised."""
        self.has_begun = True


@contextmanager
def after_all(look: Callable[[], str]) -> Iterator[Started]:
    """What the body raises once it began comes with what `look` finds; unchanged, if that is nothing.

    `look` is left to itself after two seconds: whoever cancelled does not wait for somebody who does not answer.
    Raises the same kind of error, with the same reason.
    """
    started = Started()
    try:
        yield started
    except BotError as error:
        found = _found(look) if started.has_begun else ""
        if not found:
            raise
        said = next((say(words) for kind, words in _ENDED.items() if isinstance(error, kind)), str(error))
        raise _same_kind(error, f"{said} {found}") from error


def _found(look: Callable[[], str]) -> str:
    until = time.monotonic() + _SECONDS

    def check() -> None:
        if time.monotonic() > until:
            raise EngineError(say("There was no answer for {seconds:.0f} s.", seconds=_SECONDS))

    try:
        return patiently(look, check)
    except BotError as error:
        _log.warning("what was changed cannot be told: %s", error)
        return say(
            "But it had begun by then, and whether it was done cannot be told now. Look before you type it again: "
            "`tags` says what a registry has, `images` what a host has."
        )


def _same_kind(error: BotError, text: str) -> BotError:
    """So that the run ends as it would have; what its clean-up could not do is still told."""
    made = type(error)(text, reason=error.reason)
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made
