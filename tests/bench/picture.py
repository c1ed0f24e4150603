"""Measured growth as a picture: both axes logarithmic, so that what grows straight is straight, drawn on the canvas.

A faint line of slope 1 begins where each line begins: one that stays on it or below grows no faster than its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.charts.canvas import FAINT, Canvas, Spot, shortened
from bot.charts.chart import COLOURS

WIDTH, PLOT = 1_200, 520
_LEFT, _RIGHT, _TOP, _LEGEND_ROW = 130, 50, 60, 34
_SIDES = (0, 4, 3, 5, 6)
_LONGEST_NAME = 42
_SLOPE_ONE = "#8f8f8f"

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that was measured, at growing sizes."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """All that one picture says; `written` writes a size, `unit` a value. Five lines can be told apart, no more."""

    title: str
    across: str
    written: Callable[[float], str]
    unit: Callable[[float], str]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Frame:
    """How sizes and values become places."""

    left: float
    right: float
    bottom: float
    top: float

    def spot(self, point: Point) -> Spot:
        across = (math.log10(point[0]) - self.left) / (self.right - self.left)
        up = (math.log10(point[1]) - self.bottom) / (self.top - self.bottom)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), _TOP + PLOT * (1 - up)


def draw(sheet: Sheet) -> bytes:
    """The picture as PNG."""
    lines = sheet.lines[: len(COLOURS)]
    rows = math.ceil((len(lines) + 1) / 2)
    canvas = Canvas(WIDTH, _TOP + PLOT + 80 + rows * _LEGEND_ROW)
    frame = _framed(lines)
    canvas.text((_LEFT, _TOP - 20), sheet.title, "ls", size=24)
    _grid(canvas, frame, sheet)
    for line in lines:
        _slope_one(canvas, frame, line)
    for line, colour, sides in zip(lines, COLOURS, _SIDES, strict=False):
        spots = [frame.spot(point) for point in line.points]
        canvas.line(spots, colour, 3)
        for spot in spots:
            canvas.mark(spot, sides, colour)
    _legend(canvas, lines)
    return canvas.png()


def _framed(lines: Sequence[Line]) -> _Frame:
    """Whole decades of values, and a little room beside the sizes."""
    sizes = [math.log10(size) for line in lines for size, _ in line.points]
    values = [math.log10(value) for line in lines for _, value in line.points]
    bottom = math.floor(min(values))
    return _Frame(min(sizes) - 0.1, max(sizes) + 0.1, bottom, max(bottom + 1, math.ceil(max(values))))


def _grid(canvas: Canvas, frame: _Frame, sheet: Sheet) -> None:
    for power in range(round(frame.bottom), round(frame.top) + 1):
        y = frame.spot((1.0, 10.0**power))[1]
        canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], FAINT, 1)
        canvas.text((_LEFT - 10, y), sheet.unit(10.0**power), "rm")
    for size in sorted({size for line in sheet.lines for size, _ in line.points}):
        x = frame.spot((size, 1.0))[0]
        canvas.line([(x, _TOP), (x, _TOP + PLOT)], FAINT, 1)
        canvas.text((x, _TOP + PLOT + 10), sheet.written(size), "ma")
    canvas.text((WIDTH - _RIGHT, _TOP + PLOT + 40), sheet.across, "ra")


def _slope_one(canvas: Canvas, frame: _Frame, line: Line) -> None:
    """From its first point on, dashed, as far as the picture goes."""
    (size, value), last = line.points[0], max(size for size, _ in line.points)
    decades = min(math.log10(last / size), frame.top - math.log10(value))
    if decades <= 0:
        return
    begin, end = frame.spot((size, value)), frame.spot((size * 10**decades, value * 10**decades))
    for one, other in _dashes(begin, end):
        canvas.line([one, other], _SLOPE_ONE, 1)


def _dashes(begin: Spot, end: Spot) -> Iterator[tuple[Spot, Spot]]:
    pieces = max(1, round(math.dist(begin, end) / 8))
    places = [
        (begin[0] + (end[0] - begin[0]) * part / pieces, begin[1] + (end[1] - begin[1]) * part / pieces)
        for part in range(pieces + 1)
    ]
    yield from zip(places[::2], places[1::2], strict=False)


def _legend(canvas: Canvas, lines: Sequence[Line]) -> None:
    top = _TOP + PLOT + 90
    for number, line in enumerate(lines):
        x, y = _place(number, top)
        canvas.line([(x, y), (x + 36, y)], COLOURS[number], 3)
        canvas.mark((x + 18, y), _SIDES[number], COLOURS[number])
        canvas.text((x + 46, y), shortened(line.name, _LONGEST_NAME), "lm")
    x, y = _place(len(lines), top)
    for one, other in _dashes((x, y), (x + 36, y)):
        canvas.line([one, other], _SLOPE_ONE, 1)
    canvas.text((x + 46, y), "slope 1: twice as large, twice as much", "lm")


def _place(number: int, top: float) -> Spot:
    return _LEFT + number % 2 * 530, top + number // 2 * _LEGEND_ROW
