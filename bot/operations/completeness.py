"""The proof that a copy holds all that was there: what walks and the tar say is added up, compared, and accounted for.

Equality costs no memory to speak of; only when something differs the lists are read again, some buckets at a time.
Must not know engine nor archive: it is fed, and given ways to read the lists again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from bot.entry import Entry, Item
from bot.errors import EngineError
from bot.language import say
from bot.operations.hardlinks import Shared
from bot.operations.losses import Losses
from bot.operations.tally import (
    Tally,
    bucket_of,
    entry_line,
    item_line,
    new_digest,
    strict_line,
    whole_line,
)
from bot.reasons import Reason
from bot.stores.archive import Problem, Problems

LISTED = 1_000
"""So many problems are named; all are counted."""
HELD = 200_000
"""So many things are compared at a time, about 400 bytes each."""
_NUL = b"\0"
_DIGEST_BYTES = 16
_NOTES_BYTES = 1 << 16
_SOCKET = "socket"

Tick = Callable[[], None]
Wants = Callable[[str], bool]
"""Whether the digests of a path are asked for; it is called once a thing."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """The lists once more, each as often as wanted: the first walk, the tar's entries, and what was noted."""

    items: Callable[[], Iterable[Item]]
    entries: Callable[[], Iterable[Entry]]
    notes: Callable[[], Iterable[bytes]]


class Notes:
    """Paths and digests that are to be read again, handed on in pieces worth writing; `write` keeps them."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._held = bytearray()

    def add(self, path: str, digest: int) -> None:
        """Note one."""
        self._held += digest.to_bytes(_DIGEST_BYTES, "big") + path.encode("utf-8", "surrogateescape") + _NUL
        if len(self._held) >= _NOTES_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what is held."""
        if self._held:
            self._write(bytes(self._held))
            self._held.clear()

    @staticmethod
    def read(chunks: Iterable[bytes]) -> Iterator[tuple[str, int]]:
        """What was noted, out of chunks of any size."""
        rest = b""
        for chunk in chunks:
            rest += chunk
            start = 0
            while (end := rest.find(_NUL, start + _DIGEST_BYTES)) >= 0:
                path = rest[start + _DIGEST_BYTES : end].decode("utf-8", "surrogateescape")
                yield path, int.from_bytes(rest[start : start + _DIGEST_BYTES], "big")
                start = end + 1
            rest = rest[start:]


class Proof:
    """Takes the walk before, the tar's entries and the walk after; then says what is not as it should be.

    `write` keeps notes of the walk that nobody else keeps; they come back as `Again.notes`.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.losses = Losses()
        self._notes = Notes(write)
        self._digest = new_digest()
        self._first, self._second, self._wanted, self._read = Tally(), Tally(), Tally(), Tally()
        self._shared = Shared(self._digest)

    def before(self, item: Item) -> None:
        """One thing of the walk before the reading."""
        self.losses.add(item)
        if item.kind == _SOCKET:
            return
        self._first.add(item.path, self._digest(strict_line(item)))
        if not self._shared.wants(item):
            self._wanted.add(item.path, self._digest(item_line(item)))

    def entry(self, entry: Entry) -> None:
        """One entry of the tar, after all of `before`."""
        if not self._shared.takes(entry):
            self._read.add(entry.path, self._digest(entry_line(entry)))

    def after(self, item: Item) -> None:
        """One thing of the walk after the reading."""
        if item.kind == _SOCKET:
            return
        digest = self._digest(strict_line(item))
        self._second.add(item.path, digest)
        self._notes.add(item.path, digest)

    def problems(self, again: Again, tick: Tick) -> Problems:
        """What is not as it should be; nothing means proven. `tick` is called now and then, and may raise.

        Raises EngineError when the lists differ and the difference is not found again: then nothing is proven.
        """
        self._notes.flush()
        self._shared.settle(self._wanted, self._read)
        suspects = self._first.differing(self._second) | self._wanted.differing(self._read)
        lists = _Lists(
            first=lambda wanted: self._first_again(again, wanted),
            second=lambda: Notes.read(again.notes()),
            tar=lambda wanted: self._tar_again(again, wanted),
        )
        tallies = (self._first, self._second, self._wanted, self._read)
        return _account(suspects, tallies, lists, tick)

    def _first_again(self, again: Again, wants: Wants) -> Iterator[tuple[str, int, int]]:
        for item in again.items():
            if wants(item.path) and item.kind != _SOCKET:
                wanted = self._shared.wanted.get(item.path)
                loose = self._digest(item_line(item)) if wanted is None else wanted
                yield item.path, self._digest(strict_line(item)), loose

    def _tar_again(self, again: Again, wants: Wants) -> Iterator[tuple[str, int]]:
        for entry in again.entries():
            if wants(entry.path) and entry.path not in self._shared.read:
                yield entry.path, self._digest(entry_line(entry))
        yield from self._shared.read.items()
        yield from self._shared.repeated


class TwiceProof:
    """Takes the entries of a tar that was read twice, where no walk is possible, and says what differs."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._notes = Notes(write)
        self._digest = new_digest()
        self._first, self._second = Tally(), Tally()

    def before(self, entry: Entry) -> None:
        """One entry of the first reading."""
        digest = self._digest(whole_line(entry))
        self._first.add(entry.path, digest)
        self._notes.add(entry.path, digest)

    def entry(self, entry: Entry) -> None:
        """One entry of the second reading, which is the one that is kept."""
        self._second.add(entry.path, self._digest(whole_line(entry)))

    def problems(self, again: Again, tick: Tick) -> Problems:
        """What is not the same both times; `again.items` is not used. Raises as `Proof.problems`."""

        self._notes.flush()

        def kept(wants: Wants) -> Iterator[tuple[str, int]]:
            for entry in again.entries():
                if wants(entry.path):
                    yield entry.path, self._digest(whole_line(entry))

        lists = _Lists(
            first=lambda _: ((path, digest, digest) for path, digest in Notes.read(again.notes())),
            second=lambda: kept(lambda _: True),
            tar=kept,
        )
        return _account(self._first.differing(self._second), (self._first, self._second), lists, tick)


@dataclass(frozen=True, kw_only=True)
class _Lists:
    """Path and digests: of the walk before (strictly, and as the tar can tell), the walk after, and the tar."""

    first: Callable[[Wants], Iterator[tuple[str, int, int]]]
    second: Callable[[], Iterator[tuple[str, int]]]
    tar: Callable[[Wants], Iterator[tuple[str, int]]]


class _Thing:
    """One path in the three lists; None where it is not. What comes twice is added up, so it differs."""

    __slots__ = ("first", "read", "second", "wanted")

    def __init__(self) -> None:
        self.first: int | None = None
        self.second: int | None = None
        self.wanted: int | None = None
        self.read: int | None = None

    def reason(self) -> Reason | None:
        """Why it is not in the backup as it should be, or None."""
        if self.first is None:
            return Reason.UNEXPECTED if self.second is None else Reason.APPEARED
        if self.second is None:
            return Reason.VANISHED
        if self.first != self.second:
            return Reason.CHANGED
        if self.read is None:
            return Reason.MISSING
        return Reason.CHANGED if self.read != self.wanted else None


def _account(suspects: set[int], tallies: tuple[Tally, ...], lists: _Lists, tick: Tick) -> Problems:
    found = chain.from_iterable(_examine(batch, lists, tick) for batch in _batches(suspects, tallies))
    count = 0
    listed: list[Problem] = []
    for problem in found:
        count += 1
        if len(listed) < LISTED:
            listed.append(problem)
    if suspects and not count:
        raise EngineError(
            say(
                "What was read is not what was there, and which file differs could not be found out. Nothing was kept; "
                "run it again."
            ),
            reason=Reason.DIFFERS,
        )
    return Problems(count=count, listed=tuple(sorted(listed, key=lambda problem: problem.path)))


def _batches(suspects: set[int], tallies: tuple[Tally, ...]) -> Iterator[set[int]]:
    batch: set[int] = set()
    held = 0
    for bucket in sorted(suspects):
        size = max(tally.counts[bucket] for tally in tallies)
        if batch and held + size > HELD:
            yield batch
            batch, held = set(), 0
        batch.add(bucket)
        held += size
    if batch:
        yield batch


def _examine(batch: set[int], lists: _Lists, tick: Tick) -> Iterator[Problem]:
    things: dict[str, _Thing] = {}

    def wants(path: str) -> bool:
        tick()
        return bucket_of(path) in batch

    for path, strict, loose in lists.first(wants):
        if bucket_of(path) in batch:
            thing = things.setdefault(path, _Thing())
            thing.first, thing.wanted = strict + (thing.first or 0), loose + (thing.wanted or 0)
    for path, digest in lists.second():
        if wants(path):
            thing = things.setdefault(path, _Thing())
            thing.second = digest + (thing.second or 0)
    for path, digest in lists.tar(wants):
        if bucket_of(path) in batch:
            thing = things.setdefault(path, _Thing())
            thing.read = digest + (thing.read or 0)
    for path in sorted(things):
        reason = things[path].reason()
        if reason is not None:
            yield Problem(path=path, reason=reason)
