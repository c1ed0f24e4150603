"""What an operation is given by the run it belongs to: where to note undo, whether to stop, whom to tell.

Must not know who keeps the journal nor who reads the progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from bot.model import Actor

REMOVE_HELPER = "remove_helper"
"""Undo verb with `name`."""
UNPAUSE = "unpause"
"""Undo verb with `container` (id), `started_at`, `name`."""
START = "start"
"""Undo verb with `container` (id), `started_at`, `name`, and `grace`, the seconds that a stop may last."""
DISCARD_DRAFT = "discard_draft"
"""Undo verb with `host`, `volume`, `backup` (id)."""
REMOVE_VOLUME = "remove_volume"
"""Undo verb with `name` and `run` (the label that the volume must carry)."""
RUN_HOOK = "run_hook"
"""Undo verb with `container` (id), `started_at`, `name`, `command`, `user`, `seconds`."""
CLEAR_STAGE = "clear_stage"
"""Undo verb with `directory` (on the engine's machine), `stage` (a name in it), `run`, `name` (for people)."""
EXCHANGE_BACK = "exchange_back"
"""Undo verb with `directory`, `place`, `new`, `aside` (relative to it), `run`, `storage`, `users` (ids of those who
were stopped for it, with blanks between), `name` (for people)."""

UNTAG = "untag"
"""Undo verb with `reference` (in full), `image` (id), `before` (id of who had the name, or empty), `name`."""
REMOVE_FILES = "remove_files"
"""Undo verb with `holder` (a container's id), `storage` (what it mounts there, or empty), `directory`, `run`."""
PUT_BACK_FILE = "put_back_file"
"""Undo verb with the same, `name` (of a file in the directory), `was` (empty if nothing was there before), `place`
(`CONTAINER:/PATH`, for people), and, but for runs of older versions, `before` (the SHA-256 of what was there), `sha256`
and `size` of what the run leaves there (empty and 0: nothing)."""
REMOVE_PART = "remove_part"
"""Undo verb with `path`, of a file where the bot runs that was not whole yet, `place`, where it was to stand, and
`old`, what it took the place of (empty if it was to take none's; runs of older versions have not got it)."""
REMOVE_SNAPSHOT = "remove_snapshot"
"""Undo verb with `run`, `seconds` (how long the engine may still be making the image), `name` (for people)."""
REMOVE_CLONE = "remove_clone"
"""Undo verb with `name`, `run` (the label that the container and its volumes must carry), `volumes` (with blanks
between)."""


_LOOK_EVERY = 256
_T = TypeVar("_T")


class Step(Protocol):
    """One undoable thing while it is being done."""

    def keep(self) -> None:
        """What was done stays: the undo is struck off without being carried out."""


class RunContext(Protocol):
    """The run an operation belongs to."""

    @property
    def run_id(self) -> str:
        """The run's id; it names what the operation makes."""

    @property
    def actor(self) -> Actor:
        """Who asked."""

    def undoable(self, verb: str, **arguments: str) -> AbstractContextManager[Step]:
        """Write down, durably, how to undo what the body is about to do; on leaving, undo it unless kept."""

    def check(self) -> None:
        """Raises Cancelled or LostHold when the work must end; to be called once a chunk.

        It may wait for a moment, so that people who ask for something meanwhile are answered first.
        """

    def in_a_hurry(self) -> AbstractContextManager[None]:
        """While the body runs, nobody goes first: people's containers are kept still for it. It may be nested."""

    def watched(self, end: Callable[[], None]) -> AbstractContextManager[None]:
        """While the body runs: as soon as the work must end, call `end` once, from another thread.

        `end` makes a call that waits for bytes give up, so that a cancel does not wait as long as it does.
        """

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        """How far it is; cheap, may be called once a chunk."""


def heeding(check: Callable[[], None], things: Iterable[_T]) -> Iterator[_T]:
    """The things as they come; `check` is called now and then, and what it raises ends them."""
    for count, thing in enumerate(things):
        if count % _LOOK_EVERY == 0:
            check()
        yield thing
