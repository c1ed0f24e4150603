"""Plays the undo journal back. Knows the verbs' names only; what they do is wired in at start.

An entry whose verb is unknown stays open and is reported: an older program's work is never skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.errors import BotError, EngineError
from bot.language import later, say
from bot.stores.journal import Entry, Journal
from bot.witnessing import taking_back

_log = logging.getLogger(__name__)
_DEEDS = {
    "remove_helper": later("remove helper"),
    "unpause": later("unpause"),
    "start": later("start"),
    "discard_draft": later("discard draft"),
    "remove_volume": later("remove volume"),
    "run_hook": later("run hook"),
    "clear_stage": later("clear stage"),
    "exchange_back": later("exchange back"),
    "untag": later("untag"),
    "remove_files": later("remove files"),
    "put_back_file": later("put back file"),
    "remove_part": later("remove part"),
    "remove_snapshot": later("remove snapshot"),
    "remove_clone": later("remove clone"),
}
Undo = Callable[[str, Mapping[str, str]], None]
"""Takes the host and the entry's arguments; may be called twice; raises BotError when it fails."""


class Undoer:
    """Carries entries out and strikes them off."""

    def __init__(self, journal: Journal, registry: Mapping[str, Undo], clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._registry = registry
        self._clock = clock

    def carry_out(self, entry: Entry) -> None:
        """Take it back now; raises BotError when that fails, and the entry stays open."""
        undo = self._registry.get(entry.verb)
        if undo is None:
            message = say(
                "This version of shipkeeper does not know how to take back “{verb}”.", verb=entry.verb
            )
            self._journal.note_failure(entry.id, message)
            raise EngineError(message)
        try:
            with taking_back(entry.run_id):
                undo(entry.host, entry.arguments)
        except BotError as error:
            _log.error("run %s: cannot take back %s %s: %s", entry.run_id, entry.verb, entry.arguments, error)
            self._journal.note_failure(entry.id, str(error))
            raise
        except Exception as error:  # a fault of ours must not keep the other undos from being tried
            _log.exception("run %s: taking back %s %s broke", entry.run_id, entry.verb, entry.arguments)
            message = say("something broke on our side; the log says what.")
            self._journal.note_failure(entry.id, message)
            raise EngineError(message) from error
        self._journal.settle(entry.id, at=self._clock())

    def play_back(self, run_id: str, *, failed_too: bool = True) -> tuple[str, ...]:
        """Take back everything the run has open, newest first; returns what could not be, a sentence each.

        Without `failed_too`, what failed before is only reported: a mute Docker need not be waited for twice. What
        is to be done in a container that could not be woken or started waits until it is: it would find nothing to do.
        """
        problems = []
        not_back: set[str] = set()
        for entry in self._journal.open_entries(run_id):
            container = entry.arguments.get("container", "")
            if container in not_back:
                problems.append(say("{deed}: waits until that container is back.", deed=_in_words(entry)))
                continue
            try:
                if entry.error is not None and not failed_too:
                    raise EngineError(entry.error)
                self.carry_out(entry)
            except BotError as error:
                problems.append(f"{_in_words(entry)}: {error}")
                not_back |= {container} - {""}
        return tuple(problems)


def _in_words(entry: Entry) -> str:
    name = entry.arguments.get("name") or entry.arguments.get("volume") or ""
    deed = say(_DEEDS.get(entry.verb, entry.verb.replace("_", " ")))
    return say("{deed} {name}", deed=deed, name=name) if name else deed
