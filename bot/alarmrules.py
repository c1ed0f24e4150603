"""What is an alarm: its kinds, one that holds just now, and from when on something counts as one.

Words and rules only. Who looks, where alarms are kept and how they are told is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.language import later, say
from bot.model import Button

MAX_AGE_LABEL = "shipkeeper.max-age"
"""The label of a volume that says how old its newest verified backup may become, such as `26h`; `0` is no limit."""


class AlarmKind(StrEnum):
    """What is wrong. The word is stored, and is the beginning of an alarm's key."""

    STALE = "stale"
    UNPROTECTED = "unprotected"
    HOST = "host"
    OVERDUE = "overdue"
    SLOW = "slow"
    FAILING = "failing"
    SUSPENDED = "suspended"
    SPACE = "space"
    ARCHIVE = "archive"
    SCHEDULER = "scheduler"


_TITLES = {
    AlarmKind.STALE: later("backup too old"),
    AlarmKind.UNPROTECTED: later("unprotected"),
    AlarmKind.HOST: later("host silent"),
    AlarmKind.OVERDUE: later("overdue"),
    AlarmKind.SLOW: later("slow"),
    AlarmKind.FAILING: later("failing"),
    AlarmKind.SUSPENDED: later("suspended"),
    AlarmKind.SPACE: later("archive fills up"),
    AlarmKind.ARCHIVE: later("archive unreadable"),
    AlarmKind.SCHEDULER: later("scheduler stopped"),
}


def title(kind: AlarmKind) -> str:
    """The kind in a word or three."""
    return say(_TITLES[kind])


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that is wrong just now. `key` is the same for as long as it is the same thing that is wrong.

    `text` is the sentence that tells it; it names moments and not ages, so that it is the same at every look. `remedy`
    is a next step.
    """

    kind: AlarmKind
    key: str
    text: str
    remedy: Button | None = None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a look found. `unsure` are keys that could not be judged this time, or beginnings of such keys.

    A beginning goes up to a colon or a slash. What is open of those stays as it is.
    """

    conditions: tuple[Condition, ...] = ()
    unsure: frozenset[str] = frozenset()

    def __add__(self, other: Findings) -> Findings:
        return Findings(conditions=(*self.conditions, *other.conditions), unsure=self.unsure | other.unsure)

    def leaves_open(self, key: str) -> bool:
        """Whether it is not known if that holds."""
        return key in self.unsure or any(key.partition(end)[0] + end in self.unsure for end in ":/")


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """From when on something is an alarm, and where that is told; without a `channel` only the log hears of it.

    `ages` are patterns of volumes (`pg*`, `HOST/pg*`) with how old their newest verified backup may become, which is
    `max_age` where none fits; None is no limit. A run is too slow when it takes `slower` times as long as usual.
    """

    channel: str = ""
    max_age: timedelta | None = None
    ages: Mapping[str, timedelta | None] = field(default_factory=dict)
    unprotected: bool = True
    free_percent: int = 10
    slower: float = 3
    overdue: timedelta = timedelta(hours=12)

    def limit_of(self, host: str, volume: str) -> timedelta | None:
        """How old the newest verified backup of the volume may become, where no label says it."""
        return self.ages.get(self._fitting(host, volume), self.max_age)

    def names(self, host: str, volume: str) -> bool:
        """Whether a pattern is about it."""
        return bool(self._fitting(host, volume))

    def is_left_out(self, host: str, volume: str) -> bool:
        """Whether a pattern says that nobody need protect it."""
        fitting = self._fitting(host, volume)
        return bool(fitting) and self.ages[fitting] is None

    def _fitting(self, host: str, volume: str) -> str:
        """The first pattern that fits; empty when none does. Only one with a slash is about hosts."""
        return next((pattern for pattern in self.ages if _fits(pattern, host, volume)), "")


def _fits(pattern: str, host: str, volume: str) -> bool:
    names = (volume, f"{host}/{volume}") if "/" in pattern else (volume,)
    return any(fnmatchcase(name, pattern) for name in names)


class Taken:
    """The rules that count now. They are replaced when the settings are read again."""

    def __init__(self, rules: AlarmRules) -> None:
        self.rules = rules

    def replace(self, rules: AlarmRules) -> None:
        """These count from the next look on."""
        self.rules = rules
