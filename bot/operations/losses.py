"""What a backup cannot keep of a source, found while it is walked through, and told in a few words.

Whatever the list beside a backup carries, and a restore puts back, is not lost.
"""

from __future__ import annotations

from bot.entry import Item, printable
from bot.language import later, say, say_count
from bot.words import size

NAMED = 20
_SPARSE_BYTES = 1 << 16

UNKNOWN = (
    later(
        "whatever the path has of extended attributes, POSIX ACLs, sub-second modification times, sockets "
        "and sparseness"
    ),
)
"""Of what can only be read through Docker's archive API (engine fact 10); to be said."""


class Losses:
    """Sockets, and the holes of sparse files."""

    def __init__(self) -> None:
        self._sockets: list[str] = []
        self._socket_count = 0
        self._sparse_count = 0
        self._hole_bytes = 0

    def add(self, item: Item) -> None:
        """Look at one thing of the walk."""
        if item.kind == "socket":
            self._socket_count += 1
            if len(self._sockets) < NAMED:
                self._sockets.append(item.path)
        elif item.kind == "file" and item.size - item.used_bytes >= _SPARSE_BYTES:
            self._sparse_count += 1
            self._hole_bytes += item.size - item.used_bytes

    @property
    def texts(self) -> tuple[str, ...]:
        """One text a loss; nothing when all is kept."""
        lost = [say("socket {path}", path=printable(path)) for path in sorted(self._sockets)]
        if self._socket_count > len(self._sockets):
            more = self._socket_count - len(self._sockets)
            lost.append(say_count("{number} more socket", "{number} more sockets", more))
        if self._sparse_count:
            lost.append(
                say_count(
                    "sparseness: {number} sparse file is stored full, {size} more when restored",
                    "sparseness: {number} sparse files are stored full, {size} more when restored",
                    self._sparse_count,
                    size=size(self._hole_bytes),
                )
            )
        return tuple(lost)
