"""Lets the steps that one stream goes through overlap: one thread makes or takes pieces while another goes on.

What waits between the two is bounded. It must not know what the pieces are.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

from bot.language import Thread

HELD = 4
"""So many pieces wait between two threads, unless said otherwise: with pieces of a mebibyte that is little memory."""

T = TypeVar("T")


class Caught:
    """Keeps whatever a thread's work raised, for the thread that asked for it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True

    def throw(self) -> None:
        """Raise it, if there is any, and let go of it: kept, it and the frames that it names would be a circle."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error


class Behind(Generic[T]):
    """Does `work` to each piece, in their order, on a thread of its own that begins with the first piece.

    `put`, `finish` and `stop` belong to one thread. After `stop`, and once `work` has raised, no piece is worked on.
    """

    def __init__(self, work: Callable[[T], object], *, name: str, held: int = HELD) -> None:
        self._work = work
        self._name = name
        self._pieces: queue.Queue[T | None] = queue.Queue(held)
        self._caught = Caught()
        self._is_ending = self._is_over = False
        self._thread: Thread | None = None

    def put(self, piece: T) -> None:
        """Hand a piece over; waits while too many wait. Raises what `work` raised of an earlier one."""
        if self._thread is None:
            thread = Thread(self._go, name=self._name)
            thread.start()
            self._thread = thread  # one that could not be started cannot be waited for
        self._refuse()
        self._pieces.put(piece)

    def finish(self) -> None:
        """Returns when every piece was worked on; raises what `work` raised. May be called twice."""
        self._join()
        self._refuse()

    def finished(self, seconds: float) -> bool:
        """Wait so long for that; whether it is so, and then `finish` returns at once. No piece may come after this."""
        if self._thread is None:
            return True
        self._end()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it without those that wait; raises nothing. May be called twice, and after `finish`.

        The work is let go of: mostly it belongs to whoever holds this, and the two would be a circle.
        """
        self._is_over = True
        self._join()
        self._work = _nothing

    def _join(self) -> None:
        if self._thread is not None:
            self._end()
            self._thread.join()

    def _end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._pieces.put(None)

    def _refuse(self) -> None:
        if self._caught.error is not None:
            raise self._caught.error

    def _go(self) -> None:
        while (piece := self._pieces.get()) is not None:
            if self._is_over or self._caught.error is not None:
                continue
            with self._caught:
                self._work(piece)


def _nothing(_piece: object) -> None:
    pass


class Beside:
    """While the body runs, `work` is done on another thread; leaving waits for it, and raises what it raised.

    When the body raises as well, that counts, and what `work` raised is a note on it. Work that is not over then is
    not waited for to its end: `end` makes it give up, and what it raises for that says nothing.
    """

    def __init__(
        self, work: Callable[[], object], *, name: str, end: Callable[[], None] | None = None
    ) -> None:
        self._work = work
        self._end = end
        self._caught = Caught()
        self._thread = Thread(self._go, name=name)

    def _go(self) -> None:
        with self._caught:
            self._work()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_ended = error is not None and self._end is not None and self._thread.is_alive()
        if is_ended and self._end is not None:
            self._end()
        self._thread.join()
        if error is None:
            self._caught.throw()
        elif self._caught.error is not None and not is_ended:
            error.add_note(str(self._caught.error))


def ahead(pieces: Iterator[T], *, name: str, held: int = HELD) -> Generator[T, None, None]:
    """The pieces, made on another thread while the former ones are used; raises what making them raises, in its place.

    Close the generator when it is not read to its end: then the thread ends after the piece it is making, and closes
    `pieces` if that is a generator.
    """
    made: queue.Queue[T | None] = queue.Queue(held)
    caught, is_wanted, is_over = Caught(), True, False

    def make() -> None:
        with caught, _closed(pieces):
            for piece in pieces:
                if not is_wanted:
                    break
                made.put(piece)
        made.put(None)

    thread = Thread(make, name=name)
    thread.start()
    try:
        while (piece := made.get()) is not None:
            yield piece
        is_over = True
    finally:
        is_wanted = False
        while not is_over:
            is_over = made.get() is None
        thread.join()
    caught.throw()


@contextmanager
def _closed(pieces: Iterator[T]) -> Iterator[None]:
    try:
        yield
    finally:
        if isinstance(pieces, Generator):
            pieces.close()
