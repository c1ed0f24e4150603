"""How a shell's press of its completion key gets an answer: from the bot that serves on this state directory.

A Unix socket in that directory, which only the bot's own user and root may open, and nothing but the standard library:
asking must cost less than a tenth of a second. Must not know what is offered, nor why.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.environment import user_of

_log = logging.getLogger(__name__)
_NAME = "complete.sock"
_SECONDS = 1.0
"""What either side waits for the other: whoever presses a key does not wait longer."""
_LARGEST = 1 << 16
_PEER = struct.Struct("3i")

Answer = Callable[[Sequence[str], str, str], str]
"""From the words, the user of the machine and the language to what the shell is told."""


class TabDoor:
    """The bot's side, on a thread of its own. Only the one bot that may execute runs opens it."""

    def __init__(self, state: Path, answer: Answer) -> None:
        self._state = state
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="tabdoor", daemon=True)

    def start(self) -> None:
        """Listen; raises OSError where no socket can be made, and shells then look by themselves."""
        with suppress(FileNotFoundError):
            (self._state / _NAME).unlink()  # a dead bot's
        before = os.umask(0o177)
        try:
            with _short(self._state) as address:
                self._socket.bind(address)
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more. May be called twice."""
        if not self._thread.is_alive():
            return
        with suppress(OSError):  # nobody listens any more
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        with suppress(FileNotFoundError):
            (self._state / _NAME).unlink()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._socket.accept()
            except OSError:  # it was shut
                return
            with wire:
                try:
                    wire.settimeout(_SECONDS)
                    self._speak(wire)
                except (OSError, ValueError, TypeError, KeyError) as error:
                    _log.info("a shell asked for completion and got none: %s", error)

    def _speak(self, wire: socket.socket) -> None:
        asked = json.loads(_all_of(wire))
        words, language = [str(word) for word in asked["words"]], str(asked["language"])
        peer = _PEER.unpack(wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1]
        # Root may be whom sudo names; everybody else is who the kernel says.
        user = str(asked["user"]) if peer == 0 else user_of(peer)
        wire.sendall(self._answer(words, user, language).encode("utf-8", "replace"))


def asked(state: Path, words: Sequence[str], user: str, language: str) -> str | None:
    """What the bot says that serves there; None where none does. Raises TimeoutError for one that is mute."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(_SECONDS)
        try:
            with _short(state) as address:
                wire.connect(address)
            wire.sendall(json.dumps({"words": list(words), "user": user, "language": language}).encode())
            wire.shutdown(socket.SHUT_WR)
            return _all_of(wire).decode("utf-8", "replace") or None
        except TimeoutError:
            raise
        except OSError:
            return None


def _all_of(wire: socket.socket) -> bytes:
    """What the other side sends until it is through; raises ValueError for more than anybody types."""
    data = b""
    while more := wire.recv(_LARGEST):
        data += more
        if len(data) > _LARGEST:
            raise ValueError("too much")
    return data


@contextmanager
def _short(state: Path) -> Iterator[str]:
    """An address that fits into the 108 bytes of one (unix(7)), however long the directory's path is."""
    directory = os.open(state, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{_NAME}"
    finally:
        os.close(directory)
