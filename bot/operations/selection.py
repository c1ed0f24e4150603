"""What `--path` picks of a backup: that path, all below it, and the directories that lead to it.

Must not know where it is restored to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from bot.engine.names import did_you_mean
from bot.entry import ROOT, Entry, Item, printable
from bot.errors import NotFound, UsageError
from bot.language import say
from bot.tar.edit import UNCHANGED, Edit
from bot.tar.header import VOLUME, member_name

CONSIDERED = 5_000
"""So many names of a directory are looked at for the one that was meant."""

Entries = Callable[[], Iterable[Entry]]
_DROP = Edit(drop=True)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is at one path of a backup. `entry` is what the tar says of it.

    `moved` names, for each file outside of it that hard links inside share, the first of these links: it becomes
    the file. Made by `select`; takes memory only for those.
    """

    path: str
    entry: Entry
    root: str = VOLUME
    moved: dict[str, str] = field(default_factory=dict)
    count: int = 0
    total_bytes: int = 0

    def decide(self, entry: Entry) -> Edit:
        """For `tar/edit.py`: leaves out what is not selected, and makes files of links whose first name is outside."""
        if entry.path in self.moved:
            return Edit(records={"path": member_name(self.root, self.moved[entry.path])})
        if not self.holds(entry.path):
            return _DROP
        first = self._first(entry)
        if first is None:
            return UNCHANGED
        return _DROP if first == entry.path else Edit(records={"linkpath": member_name(self.root, first)})

    def entries(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """What the tar holds once `decide` was obeyed, out of what it holds now; in its order."""
        for entry in entries:
            if entry.path in self.moved:
                yield replace(entry, path=self.moved[entry.path])
            elif self.holds(entry.path):
                first = self._first(entry)
                if first != entry.path:
                    yield entry if first is None else replace(entry, link=first)

    def items(self, items: Iterable[Item]) -> Iterator[Item]:
        """Of what a walk found, the same: hard links need nothing there."""
        return (item for item in items if self.holds(item.path))

    def holds(self, path: str) -> bool:
        """Whether the path is selected, as itself, below it, or as a directory that leads to it."""
        return is_within(path, self.path) or path == ROOT or self.path.startswith(f"{path}/")

    def _first(self, entry: Entry) -> str | None:
        """The name that takes the place of a hard link's first one, which is outside."""
        if entry.kind != "hardlink" or entry.link is None:
            return None
        return self.moved.get(entry.link)


def select(entries: Entries, path: str, root: str = VOLUME) -> Selection:
    """Look through a backup's entries, once, for what is at `path`, relative to its root; a leading `/` does no harm.

    Raises UsageError for a path that names no such place, NotFound, with the nearest names, when nothing is there.
    """
    wanted = normal(path)
    found: Entry | None = None
    moved: dict[str, str] = {}
    inside = Selection(path=wanted, entry=_NOTHING)
    count = total = 0
    for entry in entries():
        if not inside.holds(entry.path):
            continue
        count += 1
        total += entry.size
        if entry.path == wanted:
            found = entry
        if entry.kind == "hardlink" and entry.link is not None and not is_within(entry.link, wanted):
            moved.setdefault(entry.link, entry.path)
    if found is None:
        raise _not_found(entries, wanted)
    if moved:
        total += sum(entry.size for entry in entries() if entry.path in moved)
    return Selection(path=wanted, entry=found, root=root, moved=moved, count=count, total_bytes=total)


_NOTHING = Entry(path=ROOT, kind="directory", size=0, mode=0, uid=0, gid=0, mtime=0)


def is_within(path: str, top: str) -> bool:
    """Whether it is `top` or below it: `ab` is not below `a`."""
    return path == top or path.startswith(f"{top}/")


def normal(path: str) -> str:
    """The path without slashes around it; raises UsageError for one that is empty, or has empty or dotted steps."""
    text = path.strip("/")
    if "\0" in text or any(step in ("", ".", "..") for step in text.split("/")):
        raise UsageError(
            say(
                "“{path}” is no path inside a backup: it has to name something below the backup’s root, "
                "without “.”, “..” or empty steps. Nothing was changed. Leave --path out for all of it.",
                path=printable(path),
            )
        )
    return text


def _not_found(entries: Entries, wanted: str) -> NotFound:
    """Names what the deepest directory that is there has to offer instead."""
    parts = wanted.split("/")
    ways = {"/".join(parts[:length]): length for length in range(1, len(parts))}
    depth = max((ways[entry.path] for entry in entries() if entry.path in ways), default=0)
    above = "/".join(parts[:depth])
    names = dict[str, None]()
    for entry in entries():
        parent, _, name = entry.path.rpartition("/")
        if parent == above and name != ROOT and len(names) < CONSIDERED:
            names[name] = None
    told = (
        say(
            "The backup holds no “{path}”: in “{directory}” there is no “{name}”. Nothing was changed.",
            path=printable(wanted),
            directory=printable(above),
            name=printable(parts[depth]),
        )
        if above
        else say(
            "The backup holds no “{path}”: it has nothing so named. Nothing was changed.",
            path=printable(wanted),
        )
    )
    meant = did_you_mean(parts[depth], map(printable, names)).strip()
    return NotFound(f"{told} {meant}".strip())
