"""Retention: which backups stay. By example, and by thousands of made-up histories against a slow second reading."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.operations.retention import Candidate, Decision, Retention, decide

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
NOTHING = Retention(floor=1)


def one(name: str, at: datetime, **changes: object) -> Candidate:
    """A proven backup, unless said otherwise."""
    made = Candidate(id=name, started_at=at, is_verified=True, is_partial=False, is_held=False, raw_bytes=100)
    return replace(made, **changes)  # type: ignore[arg-type]


def every(step: timedelta, count: int, start: datetime = NOON) -> list[Candidate]:
    """So many backups, `0` the newest, each a step older than the one before."""
    return [one(str(number), start - number * step) for number in range(count)]


def kept(decision: Decision) -> list[str]:
    """The ids that stay, newest first."""
    return [name for name, _ in decision.keep]


DAY = timedelta(days=1)


def test_without_rules_everything_stays() -> None:
    """With every number at nought nothing is dropped, however much there is."""
    decision = decide(every(DAY, 50), NOTHING)
    assert len(decision.keep) == 50
    assert decision.drop == ()


def test_no_backups_are_no_trouble() -> None:
    """Nothing in, nothing out."""
    assert decide([], Retention(last=1)) == Decision(keep=(), drop=(), refused="")


@pytest.mark.parametrize(
    ("rule", "step", "wanted"),
    [
        ({"last": 3}, timedelta(minutes=1), ["0", "1", "2"]),
        ({"hourly": 2}, timedelta(minutes=20), ["0", "1"]),
        ({"daily": 3}, timedelta(hours=12), ["0", "2", "4"]),
        ({"weekly": 2}, DAY, ["0", "2"]),
        ({"monthly": 2}, DAY, ["0", "3"]),
        ({"yearly": 2}, timedelta(days=100), ["0", "4"]),
        ({"last": 1, "daily": 2, "yearly": 2}, timedelta(days=100), ["0", "1", "4"]),
    ],
)
def test_each_rule_keeps_the_newest_of_each_period(
    rule: dict[str, int], step: timedelta, wanted: list[str]
) -> None:
    """So many periods that have a backup, and of each its newest; rules add up."""
    decision = decide(every(step, 12), Retention(floor=1, **rule))
    assert kept(decision) == wanted
    assert list(decision.drop) == [str(number) for number in range(12) if str(number) not in wanted]


def test_days_without_a_backup_do_not_count() -> None:
    """After a gap the rules reach back as far as there are days with backups: age alone drops nothing."""
    old = [
        replace(each, id=f"old{each.id}", started_at=each.started_at - 400 * DAY) for each in every(DAY, 5)
    ]
    assert kept(decide([*every(DAY, 2), *old], Retention(floor=1, daily=4))) == ["0", "1", "old0", "old1"]


@pytest.mark.parametrize(
    ("zone", "times", "rule", "count"),
    [
        # The clock goes back from 3 to 2 o'clock: 2:30 comes twice, and they are two hours.
        ("Europe/Berlin", ["2026-10-25T00:30Z", "2026-10-25T01:30Z"], "hourly", 2),
        # The clock goes on from 2 to 3 o'clock: 1:30 and 3:30 are an hour apart, and the same day.
        ("Europe/Berlin", ["2026-03-29T00:30Z", "2026-03-29T01:30Z"], "hourly", 2),
        ("Europe/Berlin", ["2026-03-28T23:00Z", "2026-03-29T21:59Z"], "daily", 1),
        ("Europe/Berlin", ["2026-03-28T22:59Z", "2026-03-28T23:00Z"], "daily", 2),
        ("Europe/Berlin", ["2026-10-24T22:00Z", "2026-10-25T22:59Z"], "daily", 1),
        ("Europe/Berlin", ["2026-10-25T22:59Z", "2026-10-25T23:00Z"], "daily", 2),
        # By half an hour.
        ("Australia/Lord_Howe", ["2026-04-04T14:45Z", "2026-04-04T15:15Z"], "hourly", 2),
        # At one minute past midnight back to the day before: that day is one day all the same.
        ("America/St_Johns", ["2006-10-29T02:15Z", "2006-10-29T03:15Z"], "daily", 1),
        ("Asia/Seoul", ["2026-11-01T14:59Z", "2026-11-01T15:00Z"], "daily", 2),
        ("Asia/Seoul", ["2026-11-01T14:59Z", "2026-11-01T15:00Z"], "weekly", 2),
        ("UTC", ["2026-11-01T14:59Z", "2026-11-01T15:00Z"], "weekly", 1),
        ("UTC", ["2026-12-28T00:00Z", "2027-01-03T23:59Z"], "weekly", 1),
        ("UTC", ["2026-12-31T23:59Z", "2027-01-01T00:00Z"], "yearly", 2),
        ("UTC", ["2026-11-30T23:59Z", "2026-12-01T00:00Z"], "monthly", 2),
        ("UTC", ["2025-11-30T23:59Z", "2026-11-01T00:00Z"], "monthly", 2),
    ],
)
def test_periods_are_those_of_the_time_zone(zone: str, times: list[str], rule: str, count: int) -> None:
    """Days, weeks from Monday and hours are those on the wall of the place, both nights of the change included."""
    candidates = [one(text, datetime.fromisoformat(text.replace("Z", "+00:00"))) for text in times]
    rules = {rule: 2}
    assert len(decide(candidates, Retention(floor=1, timezone=zone, **rules)).keep) == count


def test_the_ends_of_the_calendar_are_times_too() -> None:
    """Times that have no local time in the zone are still ordered and kept."""
    ends = [one("first", datetime.min.replace(tzinfo=UTC)), one("last", datetime.max.replace(tzinfo=UTC))]
    for zone in ("Asia/Seoul", "America/New_York"):
        assert len(decide(ends, Retention(floor=1, daily=2, timezone=zone)).keep) == 2


def test_equal_times_are_ordered_by_id() -> None:
    """Which of two stays does not depend on the order they are given in."""
    same = [one(name, NOON) for name in "abc"]
    for given_so in (same, same[::-1]):
        assert kept(decide(given_so, Retention(floor=1, last=1, daily=3))) == ["c"]


def test_a_backup_is_not_judged_twice() -> None:
    """The same id twice is a mistake of the caller."""
    with pytest.raises(ValueError, match="twice"):
        decide([one("a", NOON), one("a", NOON)], Retention(last=1))


@pytest.mark.parametrize("wrong", [{"last": -1}, {"yearly": -1}, {"floor": 0}])
def test_a_retention_makes_sense(wrong: dict[str, int]) -> None:
    """Negative numbers, and a floor of nothing, are refused."""
    with pytest.raises(ValueError, match="floor"):
        Retention(**wrong)


def test_the_floor_is_never_undercut() -> None:
    """The newest verified ones stay, whatever the rules say, and where there are fewer, all of them."""
    assert kept(decide(every(DAY, 9), Retention(floor=4, last=1))) == ["0", "1", "2", "3"]
    assert decide(every(timedelta(), 3), Retention(floor=4, last=1)).drop == ()


def test_partial_and_unverified_ones_take_no_place() -> None:
    """The newest proven ones stay although doubtful ones are newer, and those stay as long as they are newer."""
    candidates = every(timedelta(hours=1), 6)
    candidates[0] = replace(candidates[0], is_partial=True)
    candidates[1] = replace(candidates[1], is_verified=False)
    decision = decide(candidates, Retention(floor=2, last=2))
    assert kept(decision) == ["0", "1", "2", "3"]
    assert dict(decision.keep)["0"] == "partial, and newer than all that are verified"
    assert dict(decision.keep)["1"] == "not verified, and newer than all that are verified"


def test_a_doubtful_one_goes_when_the_rules_would_drop_it_anyway() -> None:
    """Between proven ones a doubtful one stays only where it would be the one to keep."""
    candidates = every(timedelta(hours=12), 8)
    candidates[2] = replace(
        candidates[2], is_partial=True
    )  # the newest of its day: kept beside the proven one
    candidates[5] = replace(candidates[5], is_verified=False)  # neither newest nor last
    decision = decide(candidates, Retention(floor=1, daily=3))
    assert kept(decision) == ["0", "2", "3", "4"]
    assert "would be daily" in dict(decision.keep)["2"]


def test_doubtful_ones_stay_while_the_floor_is_not_reached() -> None:
    """As long as there are too few verified ones, anything may be needed."""
    candidates = [one("good", NOON), *(one(str(n), NOON - n * DAY, is_partial=True) for n in range(1, 5))]
    assert decide(candidates, Retention(floor=2, last=1)).drop == ()
    assert decide(candidates, Retention(floor=1, last=1)).drop == ("1", "2", "3", "4")


def test_held_ones_stay() -> None:
    """A hold is stronger than every rule, and is said."""
    candidates = every(DAY, 5)
    candidates[4] = replace(candidates[4], is_held=True)
    decision = decide(candidates, Retention(floor=1, last=1))
    assert decision.keep[-1] == ("4", "held")
    assert kept(decision) == ["0", "4"]


@pytest.mark.parametrize(
    ("sizes", "is_refused"),
    [
        ([49, 100], True),
        ([50, 100], False),
        ([0, 1], True),
        ([0, 0], False),
        ([1000, 1], False),
        ([100, 100, 900], True),
        ([50, 60], False),
        ([50, 60, 101], True),
    ],
)
def test_a_sudden_loss_of_size_stops_everything(sizes: list[int], is_refused: bool) -> None:
    """When the newest is less than half of the one before, or of one that would go, nothing goes, and it says why."""
    padded = [*sizes, *[sizes[-1]] * (3 - len(sizes))]
    candidates = [replace(each, raw_bytes=size) for each, size in zip(every(DAY, 3), padded, strict=True)]
    decision = decide(candidates, Retention(floor=1, last=1))
    assert bool(decision.refused) is is_refused
    assert bool(decision.drop) is not is_refused
    if is_refused:
        assert "Nothing was pruned" in decision.refused
        assert len(decision.keep) == len(candidates)


def test_a_loss_of_size_is_seen_in_what_is_not_verified_too() -> None:
    """An unverified newest that shrank stops pruning; a partial one, of which files are missing anyway, does not."""
    candidates = every(DAY, 3)
    candidates[0] = replace(candidates[0], raw_bytes=10, is_verified=False)
    assert decide(candidates, Retention(floor=1, last=1)).refused
    candidates[0] = replace(candidates[0], is_partial=True)
    assert not decide(candidates, Retention(floor=1, last=1)).refused


def test_nobody_is_asked_when_nothing_would_go() -> None:
    """A loss of size is no reason to bother anybody while every backup stays."""
    candidates = [one("new", NOON, raw_bytes=1), one("old", NOON - DAY)]
    assert decide(candidates, Retention(floor=1, last=2)).refused == ""


# A second reading of the rules, slow and by other means: is there anything that speaks for keeping this one?

_WORDS = {
    "hourly": "%Y-%m-%d %H %z",
    "daily": "%Y-%m-%d",
    "weekly": "%G week %V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}


def _is_newer(this: Candidate, other: Candidate) -> bool:
    return this.started_at > other.started_at or (this.started_at == other.started_at and this.id > other.id)


@dataclass
class Oracle:
    """The rules asked of one backup at a time."""

    all: Sequence[Candidate]
    rules: Retention
    words: dict[tuple[str, str], str] = field(default_factory=dict)

    def period(self, this: Candidate, rule: str) -> str:
        key = (this.id, rule)
        if key not in self.words:
            local = this.started_at.astimezone(ZoneInfo(self.rules.timezone))
            self.words[key] = local.strftime(_WORDS[rule])
        return self.words[key]

    def fills_a_place(self, this: Candidate, among: Sequence[Candidate]) -> bool:
        newer = [other for other in among if _is_newer(other, this)]
        if len(newer) < self.rules.last:
            return True
        for rule in _WORDS:
            taken = {self.period(other, rule) for other in newer}
            if self.period(this, rule) not in taken and len(taken) < getattr(self.rules, rule):
                return True
        return False

    def stays(self, this: Candidate) -> bool:
        proven = [other for other in self.all if other.is_verified and not other.is_partial]
        newer = [other for other in proven if _is_newer(other, this)]
        if this.is_held or not any((self.rules.last, *(getattr(self.rules, rule) for rule in _WORDS))):
            return True
        if this in proven:
            return len(newer) < self.rules.floor or self.fills_a_place(this, proven)
        return len(proven) < self.rules.floor or not newer or self.fills_a_place(this, self.all)

    def has_shrunk(self, going: set[str]) -> bool:
        for counts in (
            lambda each: each.is_verified and not each.is_partial,
            lambda each: not each.is_partial,
        ):
            counted = [each for each in sorted(self.all, key=_age) if counts(each)]
            for place, each in enumerate(counted[:-1]):
                is_compared = place == len(counted) - 2 or each.id in going
                if is_compared and counted[-1].raw_bytes < each.raw_bytes / 2:
                    return True
        return False

    def decision(self) -> tuple[set[str], set[str], bool]:
        """Who stays, who goes, and whether it is refused."""
        names = {each.id for each in self.all}
        stay = {each.id for each in self.all if self.stays(each)}
        if stay != names and self.has_shrunk(names - stay):
            return names, set(), True
        return stay, names - stay, False


def _age(each: Candidate) -> tuple[datetime, str]:
    return (each.started_at, each.id)


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Seoul")
STARTS = (
    NOON,
    datetime(2026, 3, 28, 20, tzinfo=UTC),
    datetime(2026, 10, 24, 20, tzinfo=UTC),
    datetime(2024, 12, 27, tzinfo=UTC),
)
STEPS = (timedelta(minutes=7), timedelta(hours=1), timedelta(hours=12), DAY, 8 * DAY, 40 * DAY)


@dataclass
class History:
    """Backups over time on one volume: made, doubted, held, let go, pruned, under a clock that jumps."""

    dice: random.Random
    now: datetime = NOON
    backups: list[Candidate] = field(default_factory=list)
    made: int = 0
    prunings: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        dice = self.dice
        self.now = dice.choice(STARTS)
        self.step = dice.choice(STEPS)
        few = (0, 0, 0, 1, 2, 3)
        self.rules = Retention(
            floor=dice.choice((1, 1, 2, 3)),
            timezone=dice.choice(ZONES),
            **{name: dice.choice(few) for name in ("last", *_WORDS)},
        )

    def live(self, events: int) -> None:
        """Let so many things happen, and prune at the end twice."""
        happenings: Sequence[Callable[[], None]] = (
            self.back_up, self.back_up, self.back_up, self.back_up, self.jump, self.doubt, self.hold, self.prune,
        )  # fmt: skip
        for _ in range(events):
            self.now += self.step * self.dice.choice((0, 1, 1, 1, 1, 3))
            self.dice.choice(happenings)()
        self.prune()
        self.prune()

    def back_up(self) -> None:
        self.made += 1
        made = Candidate(
            id=f"{self.dice.randrange(10)}-{self.made}",
            started_at=self.now,
            is_verified=self.dice.random() < 0.85,
            is_partial=self.dice.random() < 0.12,
            is_held=self.dice.random() < 0.05,
            raw_bytes=self.dice.choice((100, 100, 100, 100, 90, 120, 50, 49, 1)),
        )
        self.backups.append(made)

    def jump(self) -> None:
        self.now += self.dice.choice((-1, 1)) * self.dice.choice((timedelta(hours=1), DAY, 400 * DAY))

    def doubt(self) -> None:
        if self.backups:
            place = self.dice.randrange(len(self.backups))
            this = self.backups[place]
            self.backups[place] = replace(this, is_verified=not this.is_verified)

    def hold(self) -> None:
        if self.backups:
            place = self.dice.randrange(len(self.backups))
            this = self.backups[place]
            self.backups[place] = replace(this, is_held=not this.is_held)

    def prune(self) -> None:
        decision = decide(self.backups, self.rules)
        check(self.backups, self.rules, decision, self.dice)
        self.prunings += 1
        self.dropped += len(decision.drop)
        self.backups = [each for each in self.backups if each.id not in decision.drop]


def check(before: Sequence[Candidate], rules: Retention, decision: Decision, dice: random.Random) -> None:
    """Everything that must be true of any decision."""
    stay, go, is_refused = Oracle(before, rules).decision()
    assert (set(kept(decision)), set(decision.drop), bool(decision.refused)) == (stay, go, is_refused)
    assert len(decision.keep) + len(decision.drop) == len(before)
    assert all(reason for _, reason in decision.keep)
    after = [each for each in before if each.id in stay]
    proven = sorted((each for each in before if each.is_proven), key=_age)
    assert {each.id for each in proven[-rules.floor :]} <= stay, "the floor"
    assert {each.id for each in before if each.is_held} <= stay, "a held one went"
    assert decide(dice.sample(before, len(before)), rules) == decision, "the preview is not the action"
    assert decide(after, rules).drop == (), "pruning again drops more"
    if not decision.refused and dice.random() < 0.5:
        grow_only(before, rules, go, dice)


def grow_only(before: Sequence[Candidate], rules: Retention, go: set[str], dice: random.Random) -> None:
    """What goes would go as well if there were more backups; with more generous rules no more goes."""
    anyone = dice.choice(before) if before else one("x", NOON)
    more = replace(anyone, id="more", started_at=anyone.started_at + dice.choice((-1, 0, 1)) * DAY)
    then = decide([*before, more], rules)
    assert then.refused or go <= set(then.drop), "another backup saved one that had to go"
    if rules.is_set:
        rule = dice.choice(("last", "floor", *_WORDS))
        generous = replace(rules, **{rule: getattr(rules, rule) + 1})
        assert set(decide(before, generous).drop) <= go, "more generous rules drop more"


HISTORIES_A_BATCH = 50
BATCHES = int(os.environ.get("SHIPKEEPER_HISTORIES", "500")) // HISTORIES_A_BATCH


@settings(max_examples=BATCHES, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_thousands_of_histories(seed: int) -> None:
    """Whatever happened, every pruning follows the slow reading, and keeps the floor, the held and its word."""
    for number in range(HISTORIES_A_BATCH):
        dice = random.Random(seed * HISTORIES_A_BATCH + number)
        History(dice).live(events=dice.randrange(4, 24))


def test_histories_are_worth_their_time() -> None:
    """The made-up histories do drop, refuse and keep: they are no empty runs."""
    dropped = prunings = backups = 0
    for seed in range(200):
        history = History(random.Random(seed))
        history.live(events=20)
        dropped, prunings, backups = (
            dropped + history.dropped,
            prunings + history.prunings,
            backups + history.made,
        )
    assert dropped > backups / 10
    assert prunings > 600


_TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
_CANDIDATES = st.lists(
    st.tuples(_TIMES, st.booleans(), st.booleans(), st.booleans(), st.sampled_from((100, 49, 1))), max_size=12
)
_RULES = st.builds(
    Retention,
    **{name: st.integers(0, 3) for name in ("last", *_WORDS)},
    floor=st.integers(1, 3),
    timezone=st.sampled_from(ZONES),
)


@settings(max_examples=300, deadline=None)
@given(rows=_CANDIDATES, rules=_RULES, seed=st.integers(0, 99))
def test_any_set_of_backups(
    rows: list[tuple[datetime, bool, bool, bool, int]], rules: Retention, seed: int
) -> None:
    """The same of any set of backups, in a form that shrinks to a small example when it fails."""
    candidates = [
        one(str(number), at, is_verified=verified, is_partial=partial, is_held=held, raw_bytes=size)
        for number, (at, verified, partial, held, size) in enumerate(rows)
    ]
    check(candidates, rules, decide(candidates, rules), random.Random(seed))
