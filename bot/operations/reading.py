"""Reads the tar of a source, and walks through it, so that both end soon when the run or the downtime must end.

Must not know what is made of what is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bot.engine import Engine
from bot.entry import Entry, Item
from bot.errors import BotError
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.downtime import Downtime
from bot.operations.sources import Source
from bot.tar.stream import TarReader

CHUNK_BYTES = 1 << 20
_LOOK_EVERY = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read, in whose run, and while who sleeps."""

    engine: Engine
    run: RunContext
    source: Source
    downtime: Downtime

    @classmethod
    def undisturbed(cls, engine: Engine, run: RunContext, source: Source) -> Reading:
        """A reading while nobody sleeps for it."""
        return cls(engine=engine, run=run, source=source, downtime=Downtime(timedelta(0)))

    def check(self) -> None:
        """Raises what `run.check` raises, and EngineError once the downtime is over."""
        self.run.check()
        self.downtime.check()

    def tar(
        self, holder: str, on_entry: Callable[[Entry], None], write: Callable[[bytes], int | None]
    ) -> None:
        """The whole tar; returns only when it is whole to its end marker.

        `write` is given every chunk after its entries, and returns how many bytes are to come, if it knows.
        Raises EngineError (StreamCut), or what the two raise.
        """
        reader, done = TarReader(on_entry, root=self.source.root), 0
        with (
            true_cause(self.check),
            self.engine.read_volume(holder, self.source.path, check=self.check) as stream,
            self.run.watched(stream.abort),
            self.downtime.guarded(stream.abort),
        ):
            while chunk := stream.read(CHUNK_BYTES):
                self.check()
                reader.feed(chunk)
                done += len(chunk)
                self.run.progress(say("copying"), done, write(chunk))
            reader.close()

    def walk(self, tool: str, step: str, on_item: Callable[[Item], None], *, attributes: bool = False) -> int:
        """Every thing, and how many there were; returns only when the walk was whole.

        Raises NotFound when there is nothing at the source's path, EngineError, or what `on_item` raises.
        """
        count, end = 0, ending(self.engine, tool)
        with (
            true_cause(self.check),
            self.run.watched(end),
            self.downtime.guarded(end),
            self.engine.inventory(tool, self.source.path, attributes=attributes) as items,
        ):
            for item in items:
                if count % _LOOK_EVERY == 0:
                    self.check()
                    self.run.progress(step)
                count += 1
                on_item(item)
        return count


@contextmanager
def true_cause(check: Callable[[], None]) -> Iterator[None]:
    """Who asked for an end is told so, and not of what was cut or taken away for it.

    Docker may say of a tool that was just removed that it does not run, or that there is none: all of that counts.
    """
    try:
        yield
    except BotError:
        check()
        raise


def ending(engine: Engine, tool: str) -> Callable[[], None]:
    """Ends a walk that says nothing by taking its tool away, which the journal does once more later."""

    def end() -> None:
        try:
            engine.remove_helper(tool)
        except BotError as error:
            _log.warning("the walk of %s could not be ended: %s", tool, error)

    return end
