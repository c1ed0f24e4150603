"""How entries of the audit log are sealed, one over the one before, and how it is found which one does not fit.

Entries are mappings of the sealed words here: it must not know where they lie, neither table nor file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from json.encoder import encode_basestring
from typing import Any, Final

from bot.errors import UsageError
from bot.language import later, say

GENESIS: Final = "0" * 64
"""What the first entry names as the hash before it."""

FIRST, PLAIN, KEYED = 1, 2, 3
"""Formats, each stronger than the one before: the first version's, SHA-256 and HMAC-SHA256 over canonical JSON."""

WORDS: Final = (
    "seq",
    "format",
    "at",
    "run_id",
    "kind",
    "actor_id",
    "actor_name",
    "origin",
    "channel",
    "command",
    "line",
    "host",
    "targets",
    "detail",
    "facts",
)
"""What is sealed, with `before`; `at` is ISO 8601, `targets` and `facts` are JSON as text."""

_HEAD = re.compile(r"(?P<seq>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")
_AHEAD = 10_000
"""So many entries behind the first that does not fit are looked at to tell what happened."""

Entry = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest entry at some time: whoever remembers it can tell whether the log was cut or rewritten since."""

    seq: int
    hash: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """`SEQ:HASH`, as it is posted; raises UsageError."""
        found = _HEAD.fullmatch(text.strip())
        if not found:
            raise UsageError(
                say(
                    "“{text}” is no head of the audit log: they look like 1024:9f86d0…, a number, a colon and 64 "
                    "characters. Nothing was changed.",
                    text=text,
                )
            )
        return cls(seq=int(found["seq"]), hash=found["hash"])


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The first entry that does not fit, and what was done to the log there, as far as that can be told."""

    seq: int
    what: str
    other: int = 0
    """The other one of a swap; the last of those that are missing or were inserted."""

    def in_words(self) -> str:
        """A sentence."""
        return say(_SENTENCES[self.what], seq=self.seq, other=self.other)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How many entries fit, the newest of them, and what is wrong with the next one, if anything is.

    `format` is the strongest one among those that fit, 0 of none; `compared` are the numbers of heads that agreed.
    """

    entries: int
    head: Head
    problem: Problem | None = None
    format: int = 0
    compared: frozenset[int] = frozenset()


_SENTENCES = {
    "changed": later("Entry {seq} was changed: it does not fit its seal."),
    "missing": later("Entries {seq} to {other} are missing: they were taken out."),
    "swapped": later("Entry {seq} and entry {other} were swapped."),
    "inserted": later("Entries {seq} to {other} were inserted: the seals around them do not know of them."),
    "cut": later("The end was cut off: entries {seq} to {other} are missing, of which a head was published."),
    "rewritten": later(
        "The log was written anew: entry {seq} has another seal than the head that was published of it. Entries "
        "behind {other} and up to it may have been changed."
    ),
    "weaker": later(
        "Entry {seq} is sealed more weakly than the one before it: it was written by somebody else."
    ),
    "unkeyed": later(
        "Entry {seq}, which tells what the export holds, is sealed without the key: whoever has none may have written "
        "it, and taken entries out."
    ),
    "keyless": later("Entry {seq} is sealed with a key; set SHIPKEEPER_AUDIT_KEY to verify it."),
    "fewer": later("Some of the entries {seq} to {other} are missing: the export had more."),
    "more": later("Some of the entries {seq} to {other} were inserted: the export had fewer."),
    "unreadable": later("From entry {seq} on the log cannot be read; the file that holds it is damaged."),
}


def canonical(value: object) -> bytes:
    """JSON in UTF-8 with sorted keys and without spaces; raises ValueError or TypeError for what has none."""
    return _encode(value).encode()


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_first = json.JSONEncoder(sort_keys=True).encode


_SORTED = sorted((*WORDS, "before"))
_NAMES = [f'{"," if number else "{"}"{name}":' for number, name in enumerate(_SORTED)]


def _sealed(entry: Entry, before: str) -> bytes:
    """The canonical JSON of the words and `before`, in half the time, for a million are verified at once."""
    words = [before if name == "before" else entry[name] for name in _SORTED]
    return ("".join([name + _value(word) for name, word in zip(_NAMES, words, strict=True)]) + "}").encode()


def _value(value: object) -> str:
    if isinstance(value, str):  # typed kinds of arguments are text, too
        return encode_basestring(value)
    if value is None:
        return "null"
    if type(value) is int:
        return str(value)
    raise TypeError("no word of an entry is such a thing")


class Sealer:
    """Makes seals, with HMAC-SHA256 if there is a key, and tells whether one fits."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    @property
    def format(self) -> int:
        """How new entries are sealed."""
        return PLAIN if self._key is None else KEYED

    def has_key_for(self, form: object) -> bool:
        """Whether seals of that format can be made here."""
        return form != KEYED or self._key is not None

    def seal(self, entry: Entry, before: str) -> str:
        """The seal of an entry behind the one with the hash `before`. Raises ValueError, TypeError, LookupError."""
        form = entry["format"]
        if form == PLAIN:
            return hashlib.sha256(_sealed(entry, before)).hexdigest()
        if form == KEYED and self._key is not None:
            return hmac.digest(self._key, _sealed(entry, before), "sha256").hex()
        if form == FIRST and entry["facts"] == "{}":
            words = {name: entry[name] for name in WORDS if name not in ("format", "facts")}
            return hashlib.sha256(_encode_first({**words, "before": before}).encode()).hexdigest()
        raise ValueError("no such format, or no key, or facts where there were none")

    def fits(self, entry: Entry, before: str, *, as_seq: int | None = None) -> bool:
        """Whether it has the seal that it would have there, perhaps under another number."""
        moved = entry if as_seq is None else {**entry, "seq": as_seq}
        try:
            return bool(self.seal(moved, before) == entry["hash"])
        except (ValueError, TypeError, LookupError):
            return False


def verify(
    entries: Iterable[Entry], sealer: Sealer, heads: Sequence[Head] = (), *, has_gaps: bool = False
) -> Verdict:
    """Make every seal anew, in order, and compare with the heads that were published.

    With `has_gaps` entries may be missing between others; each then names the hash `before` it itself.
    """
    known: dict[int, set[str]] = {}
    for head in heads:
        known.setdefault(head.seq, set()).add(head.hash)
    older = last = proven = Head(seq=0, hash=GENESIS)
    count, strength, compared = 0, 0, set[int]()
    coming = iter(entries)
    for entry in coming:
        before = last.hash
        if has_gaps and _is_behind_a_gap(entry, last):
            before = entry["before"]
            last = Head(seq=entry["seq"] - 1, hash=before)
        problem = _problem(sealer, (older, last), entry, coming)
        if problem is None and entry["format"] < strength:
            problem = Problem(seq=entry["seq"], what="weaker")
        if problem is not None:
            return Verdict(entries=count, head=last, problem=problem, format=strength)
        strength, count = entry["format"], count + 1
        older, last = last, Head(seq=entry["seq"], hash=entry["hash"], at=entry["at"])
        if last.seq in known:
            if known[last.seq] != {last.hash}:
                changed = Problem(seq=last.seq, what="rewritten", other=proven.seq)
                return Verdict(entries=count, head=last, problem=changed, format=strength)
            compared.add(last.seq)
            proven = last
    newest = max(known, default=0)
    cut = Problem(seq=last.seq + 1, what="cut", other=newest) if newest > last.seq and not has_gaps else None
    return Verdict(entries=count, head=last, problem=cut, format=strength, compared=frozenset(compared))


def _is_behind_a_gap(entry: Entry, last: Head) -> bool:
    return isinstance(entry["seq"], int) and entry["seq"] > last.seq + 1 and isinstance(entry["before"], str)


def _problem(
    sealer: Sealer, last_two: tuple[Head, Head], entry: Entry, coming: Iterator[Entry]
) -> Problem | None:
    last = last_two[1]
    seq, before = entry["seq"], entry.get("before", last.hash)
    if seq == last.seq + 1 and before == last.hash and sealer.fits(entry, last.hash):
        return None
    if not sealer.has_key_for(entry["format"]):
        return Problem(seq=seq, what="keyless")
    return _diagnosis(sealer, last_two, entry, list(islice(coming, _AHEAD)))


def _diagnosis(
    sealer: Sealer, last_two: tuple[Head, Head], entry: Entry, following: Sequence[Entry]
) -> Problem:
    """What was done where `entry` does not fit behind the last one, by what comes then."""
    older, last = last_two
    seq = last.seq + 1
    if entry["seq"] != seq:
        return _misplaced(seq, entry, following)
    if last.seq and sealer.fits(entry, older.hash, as_seq=last.seq):
        return Problem(seq=last.seq, what="inserted", other=last.seq)
    previous = entry
    for at, other in enumerate(following, seq + 1):
        if sealer.fits(other, last.hash, as_seq=seq):
            before = other["hash"] if at == seq + 1 else previous["hash"]
            if sealer.fits(entry, before, as_seq=at):
                return Problem(seq=seq, what="swapped", other=at)
            return Problem(seq=seq, what="inserted", other=at - 1)
        previous = other
    if following:
        then = following[0]
        for gone in range(1, _AHEAD if isinstance(then["seq"], int) else 1):
            if sealer.fits(then, entry["hash"], as_seq=then["seq"] + gone):
                return Problem(seq=seq, what="missing", other=seq + gone - 1)
    return Problem(seq=seq, what="changed")


def _misplaced(seq: int, entry: Entry, following: Sequence[Entry]) -> Problem:
    """Another number stands where `seq` should."""
    found = entry["seq"]
    if not isinstance(found, int):
        return Problem(seq=seq, what="changed")
    if found < seq:
        return Problem(seq=found, what="inserted", other=found)
    if any(other["seq"] == seq for other in following):
        return Problem(seq=seq, what="swapped", other=found)
    return Problem(seq=seq, what="missing", other=found - 1)
