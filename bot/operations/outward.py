"""What comes out of a container on its way to somewhere else: a single file's bytes, or a directory's tar, checked.

A tar from a container is a stranger's: every entry must lie below what was asked for and be reached through directories
alone, for whoever unpacks it will follow it. Must not know where it goes.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot import words
from bot.entry import ROOT, Entry, printable
from bot.errors import Conflict, EngineError
from bot.language import later, say
from bot.reasons import Reason
from bot.tar.header import KINDS, Header, entry_of
from bot.tar.stream import TarParser

MAX_ENTRIES = 100_000
"""More things than that are a job for `backup`."""

_LONGEST_PATH = 4096


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many bytes may come, and how sentences call what they come from."""

    limit: int
    what: str

    def refuse(self, size: int) -> None:
        """Raises Conflict for more bytes than may come."""
        if size > self.limit:
            raise Conflict(
                say(
                    "{what} has {size}, and at most {limit} are copied. Nothing was copied. "
                    "Name less of it, or take a backup.",
                    what=self.what,
                    size=_bytes(size),
                    limit=_bytes(self.limit),
                )
            )

    def refuse_more(self) -> Conflict:
        """For what turned out to be more while it came."""
        return Conflict(
            say(
                "{what} has more than the {limit} that are copied at most. Nothing was copied. Name "
                "less of it, or take a backup.",
                what=self.what,
                limit=_bytes(self.limit),
            )
        )


def _bytes(count: int) -> str:
    return (
        say("{count} bytes", count=count)
        if count < 1000
        else say("{count} bytes ({size})", count=count, size=words.size(count))
    )


@dataclass
class _Seen:
    """What came so far, by a digest of each path: a million long names must not fill the memory."""

    directories: set[bytes] = field(default_factory=set)
    others: set[bytes] = field(default_factory=set)


class Outward(TarParser):
    """Parses a tar that Docker sends of one path; `taken` gives what goes on, `kind` says of what, once it is known.

    Raises EngineError for what is no such tar, or would lead whoever unpacks it elsewhere; Conflict beyond the limit
    and for devices and FIFOs, which are no files. What was taken counts only after `close`.
    """

    def __init__(self, root: str, limit: Limit) -> None:
        super().__init__(root)
        self.kind = ""
        self.leading_out = 0
        self._limit = limit
        self._out: list[bytes] = []
        self._came = 0
        self._seen = _Seen()

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._came += len(data)
        if self._came > self._limit.limit + self._overhead:
            raise self._limit.refuse_more()
        if self.kind in ("", "directory"):
            self._out.append(bytes(data))
        super().feed(data)

    def taken(self) -> Iterator[bytes]:
        """What goes on of what came since the last time."""
        if self.kind:
            yield from self._out
            self._out.clear()

    @property
    def _overhead(self) -> int:
        """Headers do not count, but there cannot be more of them than that."""
        return (1 << 21) + self.entries * 2048

    def opened(self, header: Header, block: bytes, records: dict[str, str]) -> None:  # noqa: ARG002
        """Refuse it, or remember what it is."""
        if KINDS[header.type] in ("fifo", "char", "block"):
            raise Conflict(
                say(
                    "“{path}” is a {kind}, which is no file to be copied. Nothing "
                    "was copied. Name what lies beside it, or take a backup, which keeps such things.",
                    path=printable(header.name),
                    kind=say(_NOUNS[KINDS[header.type]]),
                )
            )
        entry = entry_of(header, None, self.root)
        self._begin(entry)
        self._remember(entry)
        if self.kind == "file":
            self._limit.refuse(header.size)

    def part(self, view: memoryview) -> None:
        """Of a single file nothing but the bytes goes on."""
        if self.kind == "file":
            self._out.append(bytes(view))

    def _begin(self, entry: Entry) -> None:
        if not self.entries:
            if entry.path != ROOT or entry.kind not in ("file", "directory"):
                raise self._odd(entry, say("comes first, and is not what was asked for"))
            self.kind = entry.kind
            if self.kind == "file":
                self._out.clear()
        elif self.kind == "file":
            raise self._odd(entry, say("comes with a single file"))

    def _remember(self, entry: Entry) -> None:
        """Docker sends a directory before what is in it, so each thing's own directory must have come as one."""
        seen, path = self._seen, _digest(entry.path)
        if len(entry.path) > _LONGEST_PATH:
            raise self._odd(entry, say("has a path of {number} characters", number=len(entry.path)))
        if path in seen.directories or path in seen.others:
            raise self._odd(entry, say("comes twice"))
        if self.entries >= MAX_ENTRIES:
            raise Conflict(
                say(
                    "{what} holds more than {limit} things. Nothing was copied. Name less of it, or "
                    "take a backup.",
                    what=self._limit.what,
                    limit=MAX_ENTRIES,
                )
            )
        if entry.path != ROOT and _digest(posixpath.dirname(entry.path) or ROOT) not in seen.directories:
            raise self._odd(entry, say("lies in something that did not come before it as a directory"))
        (seen.directories if entry.kind == "directory" else seen.others).add(path)
        if entry.kind == "hardlink" and (
            entry.link == entry.path or _digest(entry.link or "") not in seen.others
        ):
            raise self._odd(entry, say("is a hard link to what did not come before it"))
        if entry.kind == "symlink" and _leads_out(entry):
            self.leading_out += 1

    def _odd(self, entry: Entry, why: str) -> EngineError:
        return EngineError(
            say(
                "What Docker sent of {what} is no tar to hand on: “{path}” {why}. "
                "Nothing was copied. If a Docker engine really sent this, report it.",
                what=self._limit.what,
                path=printable(entry.path[:200]),
                why=why,
            ),
            reason=Reason.NOT_A_TAR,
        )


_NOUNS = {"fifo": "FIFO", "char": later("device"), "block": later("device")}


def _digest(path: str) -> bytes:
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _leads_out(entry: Entry) -> bool:
    """Whether a symbolic link's text names something outside the directory that was asked for."""
    target = entry.link or ""
    if target.startswith("/"):
        return True
    depth = entry.path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False
