"""What a program wrote, as it may be shown: secrets masked, cut in the middle, everything in it visible.

Must not know what the program is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from bot.language import say

_MASK = "•••".encode()


class Masked:
    """Replaces secrets in bytes that come in pieces of any size."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret.encode("utf-8", "surrogatepass") for secret in secrets}
        self._secrets = sorted(found - {b""}, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be told by now; the end is held back as long as a secret could begin in it."""
        self._held += data
        for secret in self._secrets:
            self._held = self._held.replace(secret, _MASK)
        keep = len(self._secrets[0]) - 1 if self._secrets else 0
        cut = max(0, len(self._held) - keep)
        told, self._held = self._held[:cut], self._held[cut:]
        return told

    def rest(self) -> bytes:
        """What was held back, at the end."""
        told, self._held = self._held, b""
        return told


class Kept:
    """The beginning and the end of a stream, at most `limit` bytes, and how much it was."""

    def __init__(self, limit: int, secrets: Iterable[str] = ()) -> None:
        self._masked = Masked(secrets)
        self._of_head, self._of_tail = limit - limit // 2, limit // 2
        self._head, self._tail = bytearray(), bytearray()
        self.total_bytes = 0

    @property
    def left_out_bytes(self) -> int:
        """How many bytes are not kept."""
        return self.total_bytes - len(self._head) - len(self._tail)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._take(self._masked.feed(data))

    def text(self) -> str:
        """All that is kept, at the end of the stream."""
        self._take(self._masked.rest())
        head, tail = visible(bytes(self._head)), visible(bytes(self._tail))
        if not self.left_out_bytes:
            return visible(bytes(self._head + self._tail)).rstrip("\n")
        left_out = say("… {number} bytes left out …", number=self.left_out_bytes)
        return f"{head}\n{left_out}\n{tail}".strip("\n")

    def _take(self, data: bytes) -> None:
        self.total_bytes += len(data)
        room = self._of_head - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[: max(0, len(self._tail) - self._of_tail)]


def visible(data: bytes) -> str:
    """As text, in which nothing works on a terminal or the eye: what is not printable is written as `\\x1b`."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(sign if sign in "\n\t" or _is_seen(sign) else _escaped(sign) for sign in text)


def _is_seen(sign: str) -> bool:
    return sign == " " or unicodedata.category(sign)[0] not in "CZ"


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
