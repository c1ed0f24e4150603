"""Hard links: which paths share one content, by a walk and by a tar, so that the two can be compared.

Held in memory, and nothing else is: about 500 bytes for each path that shares its content.
"""

from __future__ import annotations

from dataclasses import replace

from bot.entry import Entry, Item
from bot.operations.tally import Digest, Tally, entry_line, item_line


class Shared:
    """Takes aside what a walk says has further names, then what a tar says of those and of its hard links.

    Two groups are the same when the same paths share a content of the same properties, whichever comes first.
    """

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._groups: dict[str, tuple[int, ...]] = {}
        self._plain: dict[str, int] = {}
        self._entries: dict[str, Entry] = {}
        self.wanted: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.repeated: list[tuple[str, int]] = []

    def wants(self, item: Item) -> bool:
        """Whether it was taken aside: it has further names, here or elsewhere."""
        if item.links < 2 or item.kind == "directory":
            return False
        # An inode's number alone does not say which: below a path there may be several file systems.
        self._groups[item.path] = (item.inode, item.mtime_ns, item.ctime_ns, item.size)
        self._plain[item.path] = self._digest(item_line(item))
        return True

    def takes(self, entry: Entry) -> bool:
        """Whether it was taken aside: it is a hard link, or a walk said that it has further names."""
        if entry.kind != "hardlink" and entry.path not in self._groups:
            return False
        if entry.path in self._entries:
            self.repeated.append((entry.path, self._digest(entry_line(entry))))
        else:
            self._entries[entry.path] = entry
        return True

    def settle(self, wanted: Tally, read: Tally) -> None:
        """Both lists are whole: count every path in with those it shares its content with."""
        leaders: dict[tuple[int, ...], str] = {}
        for path in sorted(self._groups):
            leaders.setdefault(self._groups[path], path)
        for path, group in self._groups.items():
            self.wanted[path] = self._value(path, self._plain[path], leaders[group])
            wanted.add(path, self.wanted[path])
        firsts: dict[str, str] = {}
        for path in sorted(self._entries):
            firsts.setdefault(self._first_of(self._entries[path]), path)
        for path, entry in self._entries.items():
            first = self._first_of(entry)
            held = self._entries.get(first)
            told = replace(held, path=path) if held is not None else entry
            self.read[path] = self._value(path, self._digest(entry_line(told)), firsts[first])
            read.add(path, self.read[path])
        for path, digest in self.repeated:
            read.add(path, digest)

    def _first_of(self, entry: Entry) -> str:
        return entry.link if entry.kind == "hardlink" and entry.link is not None else entry.path

    def _value(self, path: str, plain: int, leader: str) -> int:
        return self._digest(repr((path, plain, leader)).encode("utf-8", "surrogateescape"))
