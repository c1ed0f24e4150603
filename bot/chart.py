"""Trends as a picture: two charts under each other, sizes and durations over time, as PNG.

Solid white ground, so that it reads in a light and in a dark client. Knows nothing of who looks at it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot import words
from bot.trends import Point, Trend

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Drawing
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as PlainFont

WIDTH, HEIGHT = 1_200, 860
_FINER = 2
"""Lines are drawn so much larger, and shrunk: Pillow draws no smooth ones."""
_LEFT, _RIGHT, _TOP, _GAP, _LEGEND = 130, 60, 50, 90, 90
_INK, _FAINT, _GROUND = "#1d1c1d", "#d5d5d5", "#ffffff"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Okabe and Ito's, which colour-blind people can tell apart; each line has a mark of its own besides."""
_SIDES = (0, 4, 3, 5, 6)
"""Corners of the marks; 0 is a disc."""
_LONGEST_NAME = 30
_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 86_400)
_FORMS = (
    (timedelta(days=900), "%b %Y"),
    (timedelta(days=4), "%d %b"),
    (timedelta(hours=4), "%d %b %H:%M"),
    (timedelta(0), "%H:%M:%S"),
)
"""How a moment is written, by how long a time is shown."""

Spot = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where one chart lies, and how values become places: times from left to right, `step` a line upward."""

    top: float
    height: float
    since: float
    until: float
    most: float
    step: float

    def spot(self, at: float, value: float) -> Spot:
        """Where a value stands; in the middle, when there is only one moment."""
        span = self.until - self.since
        part = (at - self.since) / span if span else 0.5
        width = WIDTH - _LEFT - _RIGHT
        return _LEFT + part * width, self.top + self.height * (1 - value / self.most)


class _Canvas:
    """A drawing in points of the final picture."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw, ImageFont  # only who draws pays for loading it

        self._font: Callable[[float], FreeTypeFont | PlainFont] = ImageFont.load_default
        self._image = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), _GROUND)
        self._draw: Drawing = ImageDraw.Draw(self._image)
        self._small = (WIDTH, HEIGHT)

    def line(self, spots: Sequence[Spot], colour: str, width: int) -> None:
        """Through all of them."""
        places = [(x * _FINER, y * _FINER) for x, y in spots]
        self._draw.line(places, fill=colour, width=width * _FINER, joint="curve")

    def mark(self, spot: Spot, sides: int, colour: str) -> None:
        """A disc, or a polygon with so many sides."""
        x, y = spot[0] * _FINER, spot[1] * _FINER
        if sides:
            self._draw.regular_polygon((x, y, 8 * _FINER), sides, fill=colour)
        else:
            radius = 6 * _FINER
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def text(self, spot: Spot, said: str, anchor: str, size: int = 20) -> None:
        """Words, anchored as Pillow's manual names it."""
        place = (spot[0] * _FINER, spot[1] * _FINER)
        self._draw.text(place, said, fill=_INK, font=self._font(size * _FINER), anchor=anchor)

    def png(self) -> bytes:
        """The picture, shrunk to its size and to a palette."""
        written = io.BytesIO()
        small = self._image.resize(self._small)
        small.quantize(64).save(written, "PNG", optimize=True)
        return written.getvalue()


def png(trends: tuple[Trend, ...]) -> bytes:
    """The picture of at least one trend."""
    canvas = _Canvas()
    moments = [point.at.timestamp() for trend in trends for point in trend.points]
    times = (min(moments), max(moments))
    height = (HEIGHT - _TOP - 2 * _GAP - _LEGEND) / 2
    _chart(canvas, trends, _frame(_TOP, height, times, _size_steps(trends)), _SIZES)
    _chart(canvas, trends, _frame(_TOP + height + _GAP, height, times, _second_steps(trends)), _DURATIONS)
    _legend(canvas, trends, _TOP + 2 * height + 1.75 * _GAP)
    return canvas.png()


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """What a chart is of."""

    title: str
    value: Callable[[Point], float]
    in_words: Callable[[float], str]


_SIZES = _Measure(
    title="Size of the backups, before compression",
    value=lambda point: float(point.size_bytes),
    in_words=words.size,
)
_DURATIONS = _Measure(title="How long they took", value=lambda point: point.seconds, in_words=words.duration)


def _size_steps(trends: tuple[Trend, ...]) -> tuple[float, float]:
    return _steps(max(4.0, *(_SIZES.value(point) for trend in trends for point in trend.points)), ())


def _second_steps(trends: tuple[Trend, ...]) -> tuple[float, float]:
    return _steps(
        max(1.0, *(_DURATIONS.value(point) for trend in trends for point in trend.points)), _SECONDS
    )


def _steps(most: float, known: Sequence[float]) -> tuple[float, float]:
    """The top of the scale, and the distance of its lines: at most five, at round values."""
    rough = most / 4
    fitting = [step for step in known if step >= rough]
    if fitting and rough >= known[0] / 2:
        step = float(fitting[0])
    else:
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return step * math.ceil(most / step), step


def _frame(top: float, height: float, times: tuple[float, float], steps: tuple[float, float]) -> _Frame:
    return _Frame(top=top, height=height, since=times[0], until=times[1], most=steps[0], step=steps[1])


def _chart(canvas: _Canvas, trends: tuple[Trend, ...], frame: _Frame, measure: _Measure) -> None:
    canvas.text((_LEFT, frame.top - 14), measure.title, "ls", size=22)
    for number in range(round(frame.most / frame.step) + 1):
        y = frame.spot(frame.since, number * frame.step)[1]
        canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], _FAINT, 1)
        canvas.text((_LEFT - 10, y), measure.in_words(number * frame.step), "rm")
    for at in _moments(frame):
        x = frame.spot(at, 0)[0]
        canvas.text((x, frame.top + frame.height + 8), _day(at, frame), "ma")
    for trend, colour, sides in zip(trends, _COLOURS, _SIDES, strict=False):
        spots = [frame.spot(point.at.timestamp(), measure.value(point)) for point in trend.points]
        canvas.line(spots, colour, 3)
        for spot in spots:
            canvas.mark(spot, sides, colour)


def _moments(frame: _Frame) -> list[float]:
    """Where times are written: five, or one when all happened at once."""
    span = frame.until - frame.since
    return [frame.since + span * part / 4 for part in range(5)] if span else [frame.since]


def _day(at: float, frame: _Frame) -> str:
    span = timedelta(seconds=frame.until - frame.since)
    form = next(form for longer, form in _FORMS if span >= longer)
    return datetime.fromtimestamp(at, UTC).strftime(form)


def _legend(canvas: _Canvas, trends: tuple[Trend, ...], top: float) -> None:
    hosts = len({trend.host for trend in trends})
    for number, (trend, colour, sides) in enumerate(zip(trends, _COLOURS, _SIDES, strict=False)):
        x, y = _LEFT + (number % 3) * 350, top + (number // 3) * 34
        name = f"{trend.host}/{trend.source}" if hosts > 1 else trend.source
        canvas.line([(x, y), (x + 36, y)], colour, 3)
        canvas.mark((x + 18, y), sides, colour)
        canvas.text(
            (x + 46, y), name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…", "lm"
        )
    canvas.text((WIDTH - _RIGHT, HEIGHT - 12), "times in UTC", "rs", size=16)
