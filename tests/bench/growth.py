"""How something grows: what was measured at each size, the exponent that fits, and the row and picture of it.

It must not know what is measured.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.picture import Line, Sheet, draw
from tests.bench.report import KEPT, record

UPPER = 3
"""So many of the largest sizes tell how it grows: at small ones there is more of what is done once."""

HEADS = ("what", "against", "measured", "exponent")
NOTE = (
    "The exponent is the slope of a straight line through the logarithms (least squares) of the three largest sizes: "
    "1 is as much more time for as much more to do, 0 is no growth."
)


def sizes_of(variable: str, usual: str) -> tuple[int, ...]:
    """The sizes to measure at, from small to large: from the environment, or the usual ones."""
    return tuple(sorted(int(float(one)) for one in os.environ.get(variable, usual).split(",")))


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line that fits the upper points best, both axes logarithmic; nan of a single one."""
    upper = [(math.log(x), math.log(y)) for x, y in sorted(points)[-UPPER:]]
    if len(upper) < 2:
        return math.nan
    return statistics.linear_regression(*zip(*upper, strict=True)).slope


def median_of(call: Callable[[], object], times: int = 9) -> float:
    """Seconds by the wall clock of the middle one of so many calls."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is grown, and how sizes of it are written."""

    name: str
    written: Callable[[float], str]


@dataclass
class Grown:
    """What was measured, by name and then by size, of one axis; `unit` writes a value."""

    axis: Axis
    unit: Callable[[float], str]
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def note(self, size: float, values: Mapping[str, float]) -> None:
        """What was measured at that size."""
        for name, value in values.items():
            self.points.setdefault(name, []).append((size, value))

    def rows(self) -> Iterable[tuple[str, ...]]:
        """A row for each, with its exponent."""
        for name, points in self.points.items():
            measured = " · ".join(f"{self.axis.written(size)}: {self.unit(value)}" for size, value in points)
            yield name, self.axis.name, measured, f"{exponent(points):.2f}"

    def picture(self, name: str, title: str, names: Sequence[str] = ()) -> None:
        """Draw it, or only those of that name, as `growth-NAME.png` beside the tables."""
        wanted = names or tuple(self.points)
        sheet = Sheet(
            title=title,
            across=self.axis.name,
            written=self.axis.written,
            unit=self.unit,
            lines=tuple(
                Line(name=f"{one} ({exponent(self.points[one]):.2f})", points=tuple(self.points[one]))
                for one in wanted
                if one in self.points
            ),
        )
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"growth-{name}.png").write_bytes(draw(sheet))


def kept(name: str, grown: Iterable[Grown], notes: Sequence[str] = ()) -> str:
    """The table of all of them, kept under that name, and as it will stand on the page."""
    rows = [row for one in grown for row in one.rows()]
    return record(name, HEADS, rows, (NOTE, *notes))


# ---- how values are written --------------------------------------------------------------------------------------


def count(value: float) -> str:
    """`10 k`, `1 M`."""
    for factor, ending in ((1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{ending}"
    return f"{value:g}"


def gigabytes(value: float) -> str:
    """`0.1 GB`."""
    return f"{value / 1e9:g} GB"


def seconds(value: float) -> str:
    """`12 s`, `3.4 ms`, with three digits."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def megabytes(value: float) -> str:
    """`123 MB`, with three digits."""
    return f"{value / 1e6:.3g} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"
