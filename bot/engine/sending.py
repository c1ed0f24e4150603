"""Sends a tar on a thread of its own, so that whoever makes it can give up even while the daemon takes nothing.

It must not know how the bytes travel, nor what they are.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from bot.errors import StreamCut
from bot.language import Thread, say
from bot.overlap import Caught

_HELD_PIECES = 8
_LOOK_SECONDS = 0.2

# What was given up gets so long to let go of its connection; then it is left to its own time limit.
_LAST_SECONDS = 0.5


class _Feed:
    """What goes from the one thread to the other: pieces, then an end or an error."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_HELD_PIECES)
        self._given_up = threading.Event()
        self._offered = self._taken = 0
        self.is_wanted = threading.Event()
        """Set when the first piece is asked for: the daemon was reached."""

    def offer(self, piece: bytes | None) -> bool:
        """Hand over a piece, or None for the end; False when there was no room for a moment."""
        try:
            self._pieces.put(piece, timeout=_LOOK_SECONDS)
        except queue.Full:
            return False
        self._offered += bool(piece)
        return True

    @property
    def is_left(self) -> bool:
        """Whether a piece waits that nobody will take any more; to be asked once the other thread has ended."""
        return self._offered > self._taken

    def give_up(self) -> None:
        """Let the other thread find an error where the next piece should be."""
        self._given_up.set()

    def __iter__(self) -> Iterator[bytes]:
        self.is_wanted.set()
        while True:
            try:
                piece = self._pieces.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                piece = b""
            if self._given_up.is_set():
                raise StreamCut(say("The tar was given up before its end."))
            if piece is None:
                return
            if piece:
                self._taken += 1
                yield piece


class _Sending(Thread):
    """The thread that sends; `caught` has what it came to, if it failed."""

    def __init__(self, put: Callable[[Iterator[bytes]], None], feed: _Feed) -> None:
        super().__init__(self._send, name="sending")
        self._put, self._feed = put, feed
        self.caught = Caught()
        self.is_over = threading.Event()

    def _send(self) -> None:
        with self.caught:
            self._put(iter(self._feed))
        self.is_over.set()


def send(put: Callable[[Iterator[bytes]], None], tar: Iterator[bytes], check: Callable[[], None]) -> None:
    """Let `put` send the tar, and ask `check` several times a second while nothing moves.

    Raises what `tar` or `check` raise, unchanged, and at once; else what `put` raises, and StreamCut when it ended well
    before it had taken all of the tar. Whatever `tar` proves at its end, behind the last of its bytes, is proven.
    """
    feed = _Feed()
    sending = _Sending(put, feed)
    sending.start()
    try:
        while not (feed.is_wanted.wait(_LOOK_SECONDS) or sending.is_over.is_set()):
            check()
        is_left = not _hand_all_over(tar, feed, sending, check)
        _hand_over(None, feed, sending, check)
        while not sending.is_over.wait(_LOOK_SECONDS):
            check()
    finally:
        if not sending.is_over.is_set():
            feed.give_up()
            sending.join(_LAST_SECONDS)
    sending.caught.throw()
    if is_left or feed.is_left:
        raise StreamCut(
            say(
                "Docker answered before it had taken all of the tar. Nothing of what it made of it counts. Look at "
                "Docker's log, then send the command again."
            )
        )


def _hand_all_over(tar: Iterator[bytes], feed: _Feed, sending: _Sending, check: Callable[[], None]) -> bool:
    """False when there was a piece that nobody took any more; an empty one is nothing to take."""
    for piece in tar:
        is_offered = _hand_over(piece, feed, sending, check)
        if sending.caught.error is not None or (piece and not is_offered):
            return False
    return True


def _hand_over(piece: bytes | None, feed: _Feed, sending: _Sending, check: Callable[[], None]) -> bool:
    """Wait until there is room for it; False when nobody takes any more."""
    while not sending.is_over.is_set():
        if feed.offer(piece):
            return True
        check()
    return False
