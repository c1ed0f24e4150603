"""Figures as they are gathered and written: bounded, true after a restart, and readable by the official client."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.errors import StoreError
from bot.metrics import ACK_SECONDS, Buckets, Family, Histogram, Kind, gathering
from bot.metrics.gathering import Endings, Known, Metrics, Source
from bot.model import Status
from bot.stores.tallies import Behind, Ended, Tallies
from bot.web.exposition import exposed

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class _Tallies(Tallies):
    """Endings that a test makes up."""

    def __init__(self, *ended: Ended) -> None:
        self.ended = list(ended)
        self.asked: list[int] = []
        self.is_away = False

    def ended_after(self, seq: int, limit: int) -> tuple[Ended, ...]:
        if self.is_away:
            raise StoreError("It is away.")
        self.asked.append(seq)
        return tuple([one for one in self.ended if one.seq > seq][:limit])

    def queued(self) -> dict[object, int]:  # type: ignore[override]
        return {}

    def behind(self) -> Behind:
        return Behind(messages=0, failing=0)


def _ended(seq: int, command: str | None = "backup", **values: object) -> Ended:
    made = {"ending": "succeeded", "seconds": 1.0, "raw_bytes": None, **values}
    return Ended(seq=seq, command=command, **made)  # type: ignore[arg-type]


def _counted(families: Iterable[Family]) -> dict[tuple[str, ...], float | Buckets]:
    """How runs ended, without what never happened."""
    return {labels: count for labels, count in _values(families, "runs").items() if count}


def _values(families: Iterable[Family], name: str) -> dict[tuple[str, ...], float | Buckets]:
    (found,) = [family for family in families if family.name == name]
    return dict(found.values)


def test_a_histogram_counts_by_size() -> None:
    """What is just as large as a bound is within it; what is larger than all is in the last one."""
    sizes = Histogram((1, 10))
    for size in (0.5, 1, 2, 11, 1e9):
        sizes.note(size)
    assert sizes.buckets.cumulated == ((1, 2), (10, 3), (math.inf, 5))
    assert sizes.buckets.total == pytest.approx(0.5 + 1 + 2 + 11 + 1e9)


def test_only_what_came_since_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it at first, in batches; then from the last line on."""
    monkeypatch.setattr(gathering, "_BATCH", 2)
    tallies = _Tallies(_ended(3), _ended(7), _ended(9))
    endings = Endings(tallies, ["backup"])
    endings.catch_up()
    assert tallies.asked == [0, 7, 9]
    tallies.ended.append(_ended(12, ending="failed"))
    endings.catch_up()
    assert tallies.asked[3:] == [9, 12]
    assert _counted(endings.families()) == {("backup", "succeeded"): 3.0, ("backup", "failed"): 1.0}


def test_a_long_past_is_told_when_all_of_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape is not kept waiting for it, and half of it is not told."""
    monkeypatch.setattr(gathering, "_BATCH", 1)
    monkeypatch.setattr(gathering, "_CATCHING_SECONDS", -1.0)
    tallies = _Tallies(_ended(1), _ended(2))
    metrics = Metrics(tallies, _known())
    for _ in tallies.ended:
        assert "runs" not in {family.name for family in metrics.families()}
    assert _counted(metrics.families()) == {("backup", "succeeded"): 2.0}


def test_what_never_happened_is_counted_as_nought() -> None:
    """Prometheus sees an increase only of what was there before."""
    endings = Endings(_Tallies(), ["backup"])
    endings.catch_up()
    nought = _values(endings.families(), "runs")
    assert nought["backup", "failed"] == 0.0
    assert len(nought) == len([status for status in Status if status.is_ending])


def test_labels_are_bounded() -> None:
    """Whatever was typed, a command is one of ours, `none` or `other`."""
    endings = Endings(_Tallies(_ended(1), _ended(2, "launch-rockets"), _ended(3, None)), ["backup"])
    endings.catch_up()
    assert set(_counted(endings.families())) == {
        ("backup", "succeeded"),
        ("other", "succeeded"),
        ("none", "succeeded"),
    }


def test_a_database_that_is_away_takes_the_rest_with_it_not() -> None:
    """What is known without it is told, and nothing that would look like a reset."""
    tallies = _Tallies(_ended(1))
    metrics = Metrics(tallies, _known())
    tallies.is_away = True
    assert {family.name for family in metrics.families()} == {
        "ack_seconds",
        "last_verified_age_seconds",
        "backed_up_sources",
    }
    tallies.is_away = False
    assert "runs" in {family.name for family in metrics.families()}


def test_ages_are_those_of_backups_that_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none does, the age is infinite; a clock that went back makes none negative. Oldest first, up to a limit."""
    taken = {
        ("local", "one"): NOW - timedelta(hours=1),
        ("local", "two"): None,
        ("local", "three"): NOW + timedelta(minutes=1),
    }
    metrics = Metrics(_Tallies(), _known(taken))
    found = list(metrics.families())
    assert _values(found, "last_verified_age_seconds") == {
        ("local", "one"): 3600.0,
        ("local", "two"): math.inf,
        ("local", "three"): 0.0,
    }
    assert _values(found, "backed_up_sources") == {(): 3.0}
    monkeypatch.setattr(gathering, "MOST_SOURCES", 2)
    kept = _values(metrics.families(), "last_verified_age_seconds")
    assert list(kept) == [("local", "two"), ("local", "one")]


def _known(taken: Mapping[Source, datetime | None] | None = None) -> Known:
    return Known(
        commands=["backup"], taken=lambda: taken or {}, acks=Histogram(ACK_SECONDS), clock=lambda: NOW
    )


def test_what_is_written_can_be_read() -> None:
    """Counter, gauge and histogram, with labels that hold anything."""
    odd = 'web:/srv "a"\n\\b'
    sizes = Histogram((1.0,))
    sizes.note(5)
    families = [
        Family(name="runs", help="Runs.", kind=Kind.COUNTER, labels=("command",), values={("backup",): 3.0}),
        Family(
            name="age_seconds", help="Age.", kind=Kind.GAUGE, labels=("volume",), values={(odd,): math.inf}
        ),
        Family(name="size_bytes", help="Size.", kind=Kind.HISTOGRAM, values={(): sizes.buckets}),
    ]
    text = exposed(lambda: {"runs": {"queued": 2.0}, "odd_ones": {"x": 1.0}}, lambda: families).decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {
        ("shipkeeper_runs", "queued"): 2.0,
        ("shipkeeper_odd_ones", "x"): 1.0,
        ("shipkeeper_runs_total", "backup"): 3.0,
        ("shipkeeper_age_seconds", odd): math.inf,
        ("shipkeeper_size_bytes_bucket", "1.0"): 0.0,
        ("shipkeeper_size_bytes_bucket", "+Inf"): 1.0,
        ("shipkeeper_size_bytes_count",): 1.0,
        ("shipkeeper_size_bytes_sum",): 5.0,
    }
    assert "# TYPE shipkeeper_runs_total counter" in text
