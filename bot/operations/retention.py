"""Retention: which backups of one volume are kept and which are dropped, and why; a pure function.

Must not know the archive, the disk or today's date: the same backups always get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.language import later, say
from bot.words import size


@dataclass(frozen=True, kw_only=True)
class Retention:
    """So many to keep. `last` counts backups, the others count periods of `timezone` (an IANA name).

    With every number at 0 all backups are kept. `floor` verified ones are always left. Raises ValueError for
    negative numbers and for a floor below 1.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    floor: int = 3
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.floor < 1 or min(self.last, *self.periods().values()) < 0:
            raise ValueError("a retention keeps 0 or more of each kind, and has a floor of 1 or more")

    def periods(self) -> dict[str, int]:
        """How many periods of each kind, by its name."""
        return {name: getattr(self, name) for name in _PERIODS}

    @property
    def is_set(self) -> bool:
        """Whether there is any rule; without one nothing is ever dropped."""
        return bool(self.last or any(self.periods().values()))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One backup as the rules see it. `started_at` has a time zone; `id` is unique among the candidates."""

    id: str
    started_at: datetime
    is_verified: bool
    is_partial: bool
    is_held: bool
    raw_bytes: int

    @property
    def is_proven(self) -> bool:
        """Whether it may take a place that a rule gives: whole, and verified."""
        return self.is_verified and not self.is_partial


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`keep`: ids with the reason in words; `drop`: ids; both newest first. `refused`: why nothing is dropped."""

    keep: tuple[tuple[str, str], ...]
    drop: tuple[str, ...]
    refused: str = ""


def decide(candidates: Iterable[Candidate], retention: Retention) -> Decision:
    """What is kept, and what goes. Give it all backups of one volume; raises ValueError when an id comes twice.

    - `last` keeps the newest so many. `hourly`, `daily` … keep the newest backup of each period that has one, for
      the newest so many such periods. Days and weeks (from Monday) are those of the time zone; an hour that the
      end of summer time repeats is two hours.
    - Only proven backups, whole and verified, take these places, and the newest `floor` proven ones always stay.
    - A doubtful one, partial or unverified, never takes a place from a proven one. It goes only when the rules
      would drop it even if it were proven, a newer proven one is kept, and the floor is reached without it.
    - A held one stays.
    - When the newest proven backup is less than half as large as the proven one before it, or as one that would
      go, nothing goes, and the same of whole ones: something may be missing from the volume, and old backups may
      be the only ones that have it. That stays so until a person says that it is right.

    Age alone drops nothing, and a time in the future is a time like any other. Equal times are ordered by id.
    """
    ordered = sorted(candidates, key=lambda one: (one.started_at, one.id), reverse=True)
    if len({one.id for one in ordered}) < len(ordered):
        raise ValueError("the same backup was given twice")
    reasons = _reasons(ordered, retention)
    going = [one.id for one in ordered if not reasons[one.id]]
    refused = _shrunk(ordered, frozenset(going)) if going else ""
    return Decision(
        keep=tuple(
            (one.id, ", ".join(reasons[one.id]) or say("nothing is pruned"))
            for one in ordered
            if refused or reasons[one.id]
        ),
        drop=() if refused else tuple(going),
        refused=refused,
    )


def _reasons(ordered: Sequence[Candidate], retention: Retention) -> dict[str, list[str]]:
    """Why each stays, the strongest reason last; no reason means that it goes."""
    proven = [one for one in ordered if one.is_proven]
    reasons: dict[str, list[str]] = {one.id: [] for one in ordered}
    if not retention.is_set:
        return {one.id: [say("no rule is set")] for one in ordered}
    for name, kept in _by_rules(proven, retention):
        reasons[kept.id].append(name)
    for kept in proven[: retention.floor]:
        reasons[kept.id].append(say("one of the newest {number} verified", number=retention.floor))
    for kept, words in _doubtful(ordered, proven, retention):
        reasons[kept.id].append(words)
    for one in ordered:
        if one.is_held:
            reasons[one.id].append(say("held"))
    return reasons


def _by_rules(ordered: Sequence[Candidate], retention: Retention) -> Iterable[tuple[str, Candidate]]:
    """Each rule's name with each backup that it keeps, were there only these."""
    for one in ordered[: retention.last]:
        yield "last", one
    zone = ZoneInfo(retention.timezone)
    for name, count in retention.periods().items():
        seen: set[tuple[object, ...]] = set()
        for one in ordered:
            if len(seen) == count:
                break
            period = _PERIODS[name](_local(one.started_at, zone))
            if period not in seen:
                seen.add(period)
                yield name, one


def _doubtful(
    ordered: Sequence[Candidate], proven: Sequence[Candidate], retention: Retention
) -> Iterable[tuple[Candidate, str]]:
    """Each backup that is not proven and stays all the same, with the reason."""
    as_if_proven: dict[str, list[str]] = {}
    for name, one in _by_rules(ordered, retention):
        as_if_proven.setdefault(one.id, []).append(name)
    newest = ordered.index(proven[0]) if proven else len(ordered)
    for place, one in enumerate(ordered):
        if one.is_proven:
            continue
        what = say("partial") if one.is_partial else say("not verified")
        if len(proven) < retention.floor:
            yield (
                one,
                say("{what}, and there are fewer than {number} verified", what=what, number=retention.floor),
            )
        elif place < newest:
            yield one, say("{what}, and newer than all that are verified", what=what)
        elif one.id in as_if_proven:
            yield (
                one,
                say("{what}, would be {rules}", what=what, rules=", ".join(as_if_proven[one.id])),
            )


def _shrunk(ordered: Sequence[Candidate], going: frozenset[str]) -> str:
    """Why pruning must wait for a person, or nothing."""
    kinds = (
        (
            later(
                "The newest verified backup, {newest}, has {size}, less than half of the {larger_size} of {larger}: "
                "something may be missing from the volume."
            ),
            [one for one in ordered if one.is_proven],
        ),
        (
            later(
                "The newest whole backup, {newest}, has {size}, less than half of the {larger_size} of {larger}: "
                "something may be missing from the volume."
            ),
            [one for one in ordered if not one.is_partial],
        ),
    )
    for sentence, (newest, *before) in ((sentence, some) for sentence, some in kinds if some):
        compared = [*before[:1], *(one for one in before if one.id in going)]
        largest = max(compared, key=lambda one: one.raw_bytes, default=newest)
        if newest.raw_bytes * 2 < largest.raw_bytes:
            why = say(
                sentence,
                newest=newest.id,
                size=size(newest.raw_bytes),
                larger_size=size(largest.raw_bytes),
                larger=largest.id,
            )
            advice = say(
                "Nothing was pruned. Look at what changed; when it is right so, say so with --despite-shrink."
            )
            return f"{why} {advice}"
    return ""


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    try:
        return at.astimezone(zone)
    except OverflowError:  # the first and the last hours of the calendar have no time in every zone
        return at


_PERIODS: dict[str, Callable[[datetime], tuple[object, ...]]] = {
    "hourly": lambda at: (at.date(), at.hour, at.utcoffset()),
    "daily": lambda at: (at.date(),),
    "weekly": lambda at: tuple(at.isocalendar()[:2]),
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}
