"""Tells what a walk after a restore found wrong from what no restore can put back.

Takes pairs of rows, so it must not know where they are kept nor who made the walks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.entry import printable
from bot.errors import EngineError
from bot.language import later, say
from bot.operations.comparison import LATEST_TIME, SHOWN_DIFFERENCES
from bot.reasons import Reason
from bot.tar.edit import MAX_RECORD_BYTES
from bot.words import size

WALK_COLUMNS = (
    "path", "shared", "kind", "size", "mode", "uid", "gid", "link", "device", "attributes", "seconds", "nanos", "used",
)  # fmt: skip
"""What is kept of an item; `seconds` is rounded down, `nanos` are those after it."""

LISTED = 1_000
"""So many differences are named; all are counted."""
NAMED = 20
"""So many paths are named of each loss."""
SPARSE_BYTES = 1 << 16
"""A sparse file counts as filled when it takes so much more than before."""

_PLAIN = slice(1, 9)
_NAMES = WALK_COLUMNS[_PLAIN]
_ATTRIBUTES, _SECONDS, _NANOS, _USED = 9, 10, 11, 12
_SIZE, _KIND = 3, 2
_STEPS = (100, 1_000, 1_000_000, 10_000_000, 1_000_000_000)
_SPACES = {
    "user": later("extended attributes user.*"),
    "trusted": later("extended attributes trusted.*"),
    "security": later("file capabilities"),
    "system": later("POSIX ACLs"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not as it should be, and how, as the end of a sentence that begins with its name."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that could not be put back, why, on how many paths, and the first of them."""

    text: str
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison: `count` differences, the first of them, and what was lost. Losses are no failure."""

    differences: tuple[Difference, ...]
    count: int
    losses: tuple[Loss, ...]

    def refuse(self, place: str) -> None:
        """Raises EngineError, naming the first five differences, if there is any; `place` is what was restored."""
        if self.count:
            first = self.differences[:SHOWN_DIFFERENCES]
            shown = "; ".join(f"“{printable(one.path)}” {one.what}" for one in first)
            raise EngineError(
                say(
                    "After restoring, {place} differs from the backup in {count} places: {shown}. "
                    "The backup is unchanged. Look at the engine's log and disk.",
                    place=place,
                    count=self.count,
                    shown=shown,
                ),
                reason=Reason.DIFFERS,
            )


def is_carried(name: str) -> bool:
    """Whether an extended attribute is put back: not the labels that the host gives files itself.

    Go's archive/tar, and so Docker, ends a record's name at its first `=`.
    """
    return "=" not in name and (not name.startswith("security.") or name == "security.capability")


def carried(attributes: Mapping[str, str]) -> dict[str, bytes]:
    """Those of a thing's attributes that its PAX records can carry: name -> value."""
    found: dict[str, bytes] = {}
    room = MAX_RECORD_BYTES
    for name, value in sorted(attributes.items()):
        data = bytes.fromhex(value)
        taken = len(name.encode("utf-8", "surrogateescape")) + len(data) + 40
        if is_carried(name) and taken <= room:
            found[name] = data
            room -= taken
    return found


@dataclass(slots=True)
class _Noted:
    """Paths, the first of them kept."""

    count: int = 0
    paths: list[str] = field(default_factory=list)

    def add(self, path: str, most: int = NAMED) -> None:
        self.count += 1
        if len(self.paths) < most:
            self.paths.append(path)


@dataclass(slots=True)
class _AllOrNothing:
    """A property that a file system has or has not: missing everywhere it cannot be kept, else something is wrong."""

    what: str
    kept: int = 0
    missing: _Noted = field(default_factory=_Noted)


class Judge:
    """Takes what should be and what is, path by path, in order; then gives its verdict."""

    def __init__(self) -> None:
        self._count = 0
        self._differences: list[Difference] = []
        self._sockets, self._times, self._labels, self._uncarried, self._sparse = (_Noted() for _ in range(5))
        self._sparse_bytes = 0
        self._fractions = _AllOrNothing(say("fractions of a second in modification times"))
        self._spaces = {space: _AllOrNothing(say(what)) for space, what in _SPACES.items()}

    def take(self, wanted: tuple[Any, ...] | None, found: tuple[Any, ...] | None) -> None:
        """One path's rows of `WALK_COLUMNS`, the first path of its hard-link group in place of `shared`."""
        if wanted is None or found is None:
            self._take_one(wanted, found)
            return
        if wanted[_PLAIN] != found[_PLAIN]:
            pairs = zip(_NAMES, wanted[_PLAIN], found[_PLAIN], strict=True)
            wrong = [name for name, one, other in pairs if one != other]
            self._differs(wanted[0], _another(wrong))
        self._take_time(wanted, found)
        if wanted[_ATTRIBUTES] or found[_ATTRIBUTES]:
            self._take_attributes(_path(wanted), _loaded(wanted), _loaded(found))
        more = found[_USED] - wanted[_USED]
        if wanted[_KIND] == "file" and wanted[_USED] < wanted[_SIZE] and more >= SPARSE_BYTES:
            self._sparse.add(_path(wanted))
            self._sparse_bytes += more

    def verdict(self) -> Compared:
        """What all that was taken comes to."""
        losses = []
        for noted, text in (
            (self._sockets, say("sockets: their programs make them again")),
            (self._times, say("modification times before 1970 or after 2262: Docker sets them to 1970")),
            (
                self._sparse,
                say(
                    "sparseness: the files take {size} more than before",
                    size=size(self._sparse_bytes),
                ),
            ),
            (self._labels, say("security labels: they are the host's own")),
            (
                self._uncarried,
                say(
                    "extended attributes that Docker cannot set: empty, very long, or with “=” in their names"
                ),
            ),
        ):
            if noted.count:
                losses.append(Loss(text, noted.count, tuple(noted.paths)))
        for one in (self._fractions, *self._spaces.values()):
            if one.missing.count and not one.kept:
                text = say("{property}: the place keeps none", property=one.what)
                losses.append(Loss(text, one.missing.count, tuple(one.missing.paths[:NAMED])))
            elif one.missing.count:
                self._add(one)
        return Compared(tuple(self._differences), self._count, tuple(losses))

    def _add(self, one: _AllOrNothing) -> None:
        room = LISTED - len(self._differences)
        self._count += one.missing.count
        self._differences += [
            Difference(path, say("has lost its {property}", property=one.what))
            for path in one.missing.paths[:room]
        ]

    def _take_one(self, wanted: tuple[Any, ...] | None, found: tuple[Any, ...] | None) -> None:
        if wanted is not None and wanted[_KIND] == "socket":
            self._sockets.add(_path(wanted))
        elif wanted is not None:
            self._differs(wanted[0], say("is missing"))
        elif found is not None:
            self._differs(found[0], say("is there and should not be"))

    def _take_time(self, wanted: tuple[Any, ...], found: tuple[Any, ...]) -> None:
        seconds, nanos, now = wanted[_SECONDS], wanted[_NANOS], (found[_SECONDS], found[_NANOS])
        if (seconds, nanos) == now:
            self._fractions.kept += nanos > 0
        elif not 0 <= seconds < LATEST_TIME and now == (0, 0):
            self._times.add(_path(wanted))
        elif seconds == now[0] and any(nanos - nanos % step == now[1] for step in _STEPS):
            self._fractions.missing.add(_path(wanted), LISTED)
        else:
            self._differs(wanted[0], say("has another {property}", property="mtime"))

    def _take_attributes(self, path: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
        can = carried(wanted)
        labels = uncarried = False
        for name in sorted({*wanted, *found}):
            one, other = wanted.get(name), found.get(name)
            space = self._spaces.get(name.partition(".")[0])
            if name.startswith("security.") and not is_carried(name):
                labels = labels or one != other
            elif one == other:
                if space is not None:
                    space.kept += 1
            elif other is not None:
                self._differs(
                    path,
                    say("has another {property}", property=printable(name))
                    if one is not None
                    else say("has gained {property}", property=printable(name)),
                )
            elif name not in can or not one or space is None:
                uncarried = True
            else:
                space.missing.add(path, LISTED)
        if labels:
            self._labels.add(path)
        if uncarried:
            self._uncarried.add(path)

    def _differs(self, path: str | bytes, what: str) -> None:
        self._count += 1
        if len(self._differences) < LISTED:
            self._differences.append(Difference(_path((path,)), what))


def _another(wrong: list[str]) -> str:
    if wrong == ["shared"]:
        return say("shares its content with other files than before")
    names = [say("hard-link group") if name == "shared" else name for name in wrong]
    return say("has another {property}", property=", ".join(names))


def _path(row: tuple[Any, ...]) -> str:
    name: str | bytes = row[0]
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def _loaded(row: tuple[Any, ...]) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(row[_ATTRIBUTES]) if row[_ATTRIBUTES] else {}
    return found
