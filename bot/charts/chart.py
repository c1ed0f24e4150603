"""Backups as a picture: sizes and durations as lines over time, ages as bars against their limits, as PNG.

A picture is one for all readers, in English: its font has no Hangul. `trends.in_words` says the same in words. Knows
nothing of who looks at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot import words
from bot.charts.canvas import FAINT, INK, Canvas, Spot, shortened
from bot.charts.trends import Age, Figures, Point, Trend, several_hosts
from bot.language import ENGLISH, speaking
from bot.model import Attachment
from bot.stores.outgoing import Outgoing

WIDTH, HEIGHT = 1_200, 860
"""Of a picture of lines alone; bars make it higher, or take their place."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#a5558d", "#8a7500")
"""Okabe and Ito's, as far as they can be told from white and from a dark client's ground. Each line has a mark, too."""
WITHIN, OVER = COLOURS[0], COLOURS[1]
"""Bars of what is young enough, and of what is too old, which words say as well."""

_LEFT, _RIGHT, _TOP, _GAP = 130, 60, 50, 90
_PLOT, _FOOT = 270, 40
_BARS_LEFT, _BARS_RIGHT, _ROW, _BAR = 360, 320, 36, 22
_BARS_TOP, _BARS_AXIS = 50, 40
_SIDES = (0, 4, 3, 5, 6)
"""Corners of the marks; 0 is a disc."""
_APART = 30
"""Between two marks of a line; closer ones would hide it."""
_LONGEST_NAME = 30
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, _DAY)
_SPANS = (
    *(part * _MINUTE for part in (1, 5, 15)),
    *(part * _HOUR for part in (1, 2, 6, 12)),
    *(part * 10**power * _DAY for power in range(5) for part in (1, 2, 5)),
)
_FORMS = (
    (timedelta(days=900), "%b %Y"),
    (timedelta(days=4), "%d %b"),
    (timedelta(hours=4), "%d %b %H:%M"),
    (timedelta(0), "%H:%M:%S"),
)
"""How a moment is written, by how long a time is shown."""


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """What a chart of lines is of; `least` is the top of its scale when all is nought."""

    title: str
    value: Callable[[Point], float]
    in_words: Callable[[float], str]
    least: float
    known: Sequence[float] = ()

    def steps(self, trends: tuple[Trend, ...]) -> tuple[float, float]:
        """The top of the scale, and the distance of its lines."""
        return _steps(max(self.least, *(self.value(at) for one in trends for at in one.points)), self.known)


_MEASURES = (
    _Measure(
        title="Size of the backups, before compression",
        value=lambda point: float(point.size_bytes),
        in_words=words.size,
        least=4.0,
    ),
    _Measure(
        title="How long they took",
        value=lambda point: point.seconds,
        in_words=words.duration,
        least=1.0,
        known=_SECONDS,
    ),
)
_AGES = "Age of the newest verified backup, with a line where its limit is"


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where one chart lies, and how values become places: times from left to right, `step` a line upward."""

    top: float
    since: float
    until: float
    most: float
    step: float

    def spot(self, at: float, value: float) -> Spot:
        """Where a value stands; in the middle, when there is only one moment."""
        span = self.until - self.since
        part = (at - self.since) / span if span else 0.5
        return _LEFT + part * (WIDTH - _LEFT - _RIGHT), self.top + _PLOT * (1 - value / self.most)


def png(figures: Figures) -> bytes:
    """The picture of at least one trend or age."""
    lines = HEIGHT - _FOOT if figures.trends else 0
    bars = _BARS_TOP + _ROW * len(figures.ages) + _BARS_AXIS if figures.ages else 0
    canvas = Canvas(WIDTH, lines + bars + _FOOT)
    with speaking(ENGLISH):
        if figures.trends:
            _lines(canvas, figures.trends)
            canvas.text((WIDTH - _RIGHT, lines + bars + _FOOT - 12), "times in UTC", "rs", size=16)
        if figures.ages:
            _bars(canvas, figures.ages, lines + _BARS_TOP)
    return canvas.png()


def kept(figures: Figures, outgoing: Outgoing, run_id: str, name: str) -> Attachment:
    """The picture as a file of that run's reply, with its words; raises StoreError."""
    with outgoing.begin(run_id) as draft:
        draft.write(png(figures))
        return draft.keep(f"{name}-{run_id}.png", alt=figures.in_words)


def _lines(canvas: Canvas, trends: tuple[Trend, ...]) -> None:
    """A chart of each measure under the other, and which line is whose."""
    moments = [point.at.timestamp() for trend in trends for point in trend.points]
    for number, measure in enumerate(_MEASURES):
        most, step = measure.steps(trends)
        top = _TOP + number * (_PLOT + _GAP)
        frame = _Frame(top=top, since=min(moments), until=max(moments), most=most, step=step)
        _plot(canvas, trends, frame, measure)
    _legend(canvas, trends, _TOP + len(_MEASURES) * (_PLOT + _GAP) - _GAP / 4)


def _plot(canvas: Canvas, trends: tuple[Trend, ...], frame: _Frame, measure: _Measure) -> None:
    canvas.text((_LEFT, frame.top - 14), measure.title, "ls", size=22)
    for value in _scale(frame.most, frame.step):
        y = frame.spot(frame.since, value)[1]
        canvas.line([(_LEFT, y), (WIDTH - _RIGHT, y)], FAINT, 1)
        canvas.text((_LEFT - 10, y), measure.in_words(value), "rm")
    for at in _moments(frame):
        x = frame.spot(at, 0)[0]
        canvas.text((x, frame.top + _PLOT + 8), _day(at, frame), "ma")
    for trend, colour, sides in zip(trends, COLOURS, _SIDES, strict=False):
        spots = [frame.spot(point.at.timestamp(), measure.value(point)) for point in trend.points]
        canvas.line(spots, colour, 3)
        for spot in _marked(spots):
            canvas.mark(spot, sides, colour)


def _marked(spots: Sequence[Spot]) -> Iterator[Spot]:
    """Those with a mark: the newest, and of the others only as many as can be told apart."""
    free = math.inf
    for x, y in reversed(spots):
        if x <= free:
            yield x, y
            free = x - _APART


def _legend(canvas: Canvas, trends: tuple[Trend, ...], top: float) -> None:
    is_of_several = several_hosts(trends)
    for number, (trend, colour, sides) in enumerate(zip(trends, COLOURS, _SIDES, strict=False)):
        x, y = _LEFT + (number % 3) * 350, top + (number // 3) * 34
        canvas.line([(x, y), (x + 36, y)], colour, 3)
        canvas.mark((x + 18, y), sides, colour)
        name = trend.name(with_host=is_of_several)
        canvas.text((x + 46, y), shortened(name, _LONGEST_NAME), "lm")


def _bars(canvas: Canvas, ages: tuple[Age, ...], top: float) -> None:
    """A bar for each, from nought to its age, a line at its limit, and both in words behind it."""
    most, step = _steps(max(_MINUTE, *_spans(ages)), _SPANS)
    bottom = top + _ROW * len(ages)
    canvas.text((_LEFT, top - 14), _AGES, "ls", size=22)
    for value in _scale(most, step):
        x = _across(value, most)
        canvas.line([(x, top), (x, bottom)], FAINT, 1)
        canvas.text((x, bottom + 8), words.age(value) if value else "0", "ma", size=16)
    is_of_several = several_hosts(ages)
    for number, age in enumerate(ages):
        middle = top + _ROW * (number + 0.5)
        name = shortened(age.name(with_host=is_of_several), _LONGEST_NAME)
        canvas.text((_BARS_LEFT - 12, middle), name, "rm", size=18)
        _bar(canvas, age, most, middle)
        canvas.text((WIDTH - _BARS_RIGHT + 14, middle), _told(age), "lm", size=18)


def _bar(canvas: Canvas, age: Age, most: float, middle: float) -> None:
    if age.seconds is not None:
        end = (_across(age.seconds, most), middle + _BAR / 2)
        canvas.bar((_BARS_LEFT, middle - _BAR / 2), end, OVER if age.is_too_old else WITHIN)
    if age.limit is not None:
        x = _across(age.limit, most)
        canvas.line([(x, middle - _ROW / 2 + 1), (x, middle + _ROW / 2 - 1)], INK, 4)


def _told(age: Age) -> str:
    """What stands behind a bar; short, for there is little room."""
    if age.seconds is None:
        return "none verified"
    if age.limit is None:
        return words.age(age.seconds)
    told = f"{words.age(age.seconds)} of {words.age(age.limit)}"
    return f"{told}: too old" if age.is_too_old else told


def _spans(ages: tuple[Age, ...]) -> Iterator[float]:
    for age in ages:
        yield from (one for one in (age.seconds, age.limit) if one is not None)
    yield 0.0


def _across(seconds: float, most: float) -> float:
    return _BARS_LEFT + (WIDTH - _BARS_LEFT - _BARS_RIGHT) * seconds / most


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


def _scale(most: float, step: float) -> list[float]:
    return [number * step for number in range(round(most / step) + 1)]


def _moments(frame: _Frame) -> list[float]:
    """Where times are written: five, or one when all happened at once."""
    span = frame.until - frame.since
    return [frame.since + span * part / 4 for part in range(5)] if span else [frame.since]


def _day(at: float, frame: _Frame) -> str:
    span = timedelta(seconds=frame.until - frame.since)
    form = next(form for longer, form in _FORMS if span >= longer)
    return datetime.fromtimestamp(at, UTC).strftime(form)
