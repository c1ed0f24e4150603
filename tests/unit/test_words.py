"""Values in words: sizes, durations, times and names, the same for every face."""

from __future__ import annotations

import pytest

from bot import words
from bot.model import Status, Value


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (2_400_000, "2.4 MB"),
        (7_300_000_000, "7.3 GB"),
        (12_000_000_000_000, "12.0 TB"),
        (9_000_000_000_000_000, "9000.0 TB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    """Bytes are said in the largest unit that leaves one or more, in steps of a thousand."""
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    """Durations are said in one or two units, and rounding never makes sixty of one."""
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("raw_bytes", 1500, "1.5 kB"),
        ("took_seconds", 12.4, "12 s"),
        ("taken_at", "2026-11-24T12:00:01.5+00:00", "2026-11-24 12:00:01 UTC"),
        ("at", "2026-11-24T12:00:01+00:00", "2026-11-24 12:00:01 UTC"),
        ("is_kept", True, "yes"),
        ("is_kept", False, "no"),
        ("count", 3, "3"),
        ("note", "", "–"),
        ("note", None, "–"),
        ("raw_bytes", None, "–"),
        ("raw_bytes", "many", "many"),
        ("volume", "pgdata", "pgdata"),
    ],
)
def test_values(name: str, raw: Value, said: str) -> None:
    """The ending of its name tells how a value is said."""
    assert words.value(name, raw) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stored_bytes", "Stored"),
        ("took_seconds", "Took"),
        ("taken_at", "Taken"),
        ("not_kept", "Not kept"),
        ("sha256", "Sha256"),
    ],
)
def test_labels(name: str, said: str) -> None:
    """A name becomes a heading, without its unit."""
    assert words.label(name) == said


def test_each_status_has_its_own_mark() -> None:
    """Every status has a mark, no two the same; the tick is for success alone."""
    assert set(words.MARKS) == set(Status)
    assert len(set(words.MARKS.values())) == len(Status)
    assert [status for status, mark in words.MARKS.items() if mark == "✅"] == [Status.SUCCEEDED]
