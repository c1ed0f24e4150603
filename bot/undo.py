"""Plays the undo journal back. Knows the verbs' names only; what they do is wired in at start.

An entry whose verb is unknown stays open and is reported: an older program's work is never skipped. Nothing overtakes
what it depends on: the journal says what is open, and no memory, for that is lost with the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from bot.entry import printable
from bot.errors import BotError, EngineError, LeftAlone
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

_FORMER_CONTENT = {"clear_stage": "exchange_back", "remove_files": "put_back_file"}
"""What removes the only other place of a former content, and what brings that back first."""


def waits_for(entry: Entry, newer: Iterable[Entry]) -> str:
    """Why it is not carried out while those newer entries of its run are open, in a sentence; empty when it may be.

    What is to be done in a container waits until that is back, nobody is started on what was not proven, and what
    holds the former content is not removed before that is at its place.
    """
    container = entry.arguments.get("container", "")
    for other in newer:
        if other.verb == _FORMER_CONTENT.get(entry.verb):
            return _is_kept(entry, other)
        if container and container == other.arguments.get("container"):
            return say("waits until that container is back.")
        if container and container in other.arguments.get("users", "").split():
            return say(
                "{container} stays stopped until its old content is back at its place, so that it does "
                "not run on what was not proven.",
                container=entry.arguments["name"],
            )
    return ""


def _is_kept(entry: Entry, other: Entry) -> str:
    if "stage" in entry.arguments:
        path = "/".join((entry.arguments["directory"], entry.arguments["stage"]))
        return say("What lies in {path} is kept until the old content is back at its place.", path=path)
    return say(
        "What this run keeps beside {place} stays until that is as it was before.",
        place=printable(other.arguments["place"]),
    )


class Undoer:
    """Carries entries out and strikes them off."""

    def __init__(self, journal: Journal, registry: Mapping[str, Undo], clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._registry = registry
        self._clock = clock
        self._carried: set[int] = set()

    def waits(self, entry: Entry) -> str:
        """Why it must not be carried out yet, by what the journal has open; empty when it may be. Raises StoreError.

        People's containers need not sleep until it can be written that what they wait for was carried out; what
        cannot be brought back is not removed before.
        """
        if "container" not in entry.arguments and entry.verb not in _FORMER_CONTENT:
            return ""
        newer = [other for other in self._journal.open_entries(entry.run_id) if other.id > entry.id]
        if entry.verb not in _FORMER_CONTENT:
            newer = [other for other in newer if other.id not in self._carried]
        return waits_for(entry, newer)

    def carry_out(self, entry: Entry) -> None:
        """Take it back now; raises BotError when that fails, and the entry stays open.

        What was carried out and could not be struck off is only struck off the next time. After LeftAlone it is
        struck off as kept, with the error's sentence.
        """
        if entry.id not in self._carried:
            try:
                self._carry_out(entry)
            except LeftAlone:
                self._journal.settle(entry.id, at=self._clock(), kept=True)
                raise
            self._carried.add(entry.id)
        self._journal.settle(entry.id, at=self._clock())
        self._carried.discard(entry.id)

    def _carry_out(self, entry: Entry) -> None:
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

    def play_back(self, run_id: str, *, failed_too: bool = True) -> tuple[str, ...]:
        """Take back everything the run has open, newest first; returns what could not be, a sentence each.

        Without `failed_too`, what failed before is only reported: a mute Docker need not be waited for twice. What
        depends on one that stays open waits for it. What is left alone is in `Journal.left_alone`.
        """
        problems = []
        for entry in self._journal.open_entries(run_id):
            try:
                reason = self.waits(entry)
                if not reason and entry.error is not None and not failed_too:
                    reason = entry.error
                if not reason:
                    self.carry_out(entry)
            except LeftAlone:  # the journal has it
                continue
            except BotError as error:
                reason = str(error)
            if reason:
                problems.append(f"{_in_words(entry)}: {reason}")
        return tuple(problems)


def _in_words(entry: Entry) -> str:
    name = entry.arguments.get("name") or entry.arguments.get("volume") or ""
    deed = say(_DEEDS.get(entry.verb, entry.verb.replace("_", " ")))
    return say("{deed} {name}", deed=deed, name=name) if name else deed
