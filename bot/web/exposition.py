"""Figures as Prometheus reads them: its text format, by its official client. Must not know what they mean.

The format: prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.metrics import Buckets, Family, Kind

_PREFIX = "shipkeeper_"
_HELP = {
    "alarms": "Alarms that are open, by kind.",
    "schedules": "Schedules by how they stand now.",
    "runs": "Runs by how they stand now.",
    "busy_workers": "Workers that carry out a run now, by lane.",
    "refused": "What was turned away at the door for Slack since the bot was started, by reason.",
    "ready": "Whether each thing that the bot needs is there: 1 or 0.",
}
_CLASSES: dict[Kind, Callable[..., CounterMetricFamily | GaugeMetricFamily]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
}


def exposed(
    counts: Callable[[], Mapping[str, Mapping[str, float]]], families: Callable[[], Iterable[Family]]
) -> bytes:
    """All of them; what is in `counts` has one label, `kind`."""
    registry = CollectorRegistry()
    registry.register(_Collected(counts, families))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(
        self,
        counts: Callable[[], Mapping[str, Mapping[str, float]]],
        families: Callable[[], Iterable[Family]],
    ) -> None:
        self._counts = counts
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Count at the moment of the scrape, so that nothing can drift from the database."""
        for name, by_label in self._counts().items():
            told = _HELP.get(name, name.replace("_", " "))
            family = GaugeMetricFamily(f"{_PREFIX}{name}", told, labels=["kind"])
            for label, number in by_label.items():
                family.add_metric([label], number)
            yield family
        yield from map(_written, self._families())


def _written(family: Family) -> Metric:
    name, labels = f"{_PREFIX}{family.name}", list(family.labels)
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, family.help, labels=labels)
        for values, found in family.values.items():
            if isinstance(found, Buckets):
                sizes = [(_bound(bound), count) for bound, count in found.cumulated]
                histogram.add_metric(list(values), sizes, found.total)
        return histogram
    made = _CLASSES[family.kind](name, family.help, labels=labels)
    for values, found in family.values.items():
        if not isinstance(found, Buckets):
            made.add_metric(list(values), found)
    return made


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(float(bound))
