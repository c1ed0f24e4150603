"""The picture of backups: a readable PNG of any numbers, in a light and a dark client, and the same in words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from bot.charts import canvas, chart
from bot.charts.trends import Age, Figures, Point, Trend
from bot.language import LANGUAGES, speaking
from tests.support.effort import examples

AT = datetime(2026, 11, 1, tzinfo=UTC)
DAY = 86_400.0
SLACK_LIGHT, SLACK_DARK = "#ffffff", "#1a1d21"


def _trend(source: str, *points: tuple[float, int, float], host: str = "local") -> Trend:
    made = (Point(at=AT + timedelta(days=d), size_bytes=size, seconds=seconds) for d, size, seconds in points)
    return Trend(host=host, source=source, points=tuple(made))


def _age(source: str, days: float | None, limit: float | None = None, host: str = "local") -> Age:
    seconds, may = (None if one is None else one * DAY for one in (days, limit))
    return Age(host=host, source=source, seconds=seconds, limit=may)


def _lines(*trends: Trend) -> Figures:
    return Figures(trends=trends)


def _opened(content: bytes) -> Image.Image:
    """The picture, after the looks that every one must stand."""
    image = Image.open(BytesIO(content))
    image.load()
    assert image.format == "PNG"
    assert image.width == chart.WIDTH
    assert image.height <= 1_400
    assert len(content) < 100_000
    assert image.info.get("transparency") is None
    rgb = image.convert("RGB")
    for corner in ((2, 2), (rgb.width - 3, 2), (2, rgb.height - 3)):
        assert rgb.getpixel(corner) == (255, 255, 255)  # a ground of its own, in a dark client too
    return rgb


def _is_in(content: bytes, colour: str) -> bool:
    """Whether the picture has that colour, or nearly: a palette of few colours mixes them."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    found = _opened(content).getcolors(1 << 24) or []
    return any(
        max(abs(a - b) for a, b in zip(wanted, one, strict=True)) < 20  # type: ignore[arg-type]
        for _, one in found
    )


def test_each_trend_has_a_colour_of_its_own() -> None:
    """Two sources are drawn in two colours."""
    one = _trend("pgdata", (0, 10**9, 9.0), (1, 2 * 10**9, 12.0), (9, 3 * 10**9, 20.0))
    other = _trend("web", (2, 10**8, 3.0), (5, 2 * 10**8, 4.0))
    content = chart.png(_lines(one, other))
    assert _opened(content).height == chart.HEIGHT
    assert [_is_in(content, colour) for colour in chart.COLOURS[:3]] == [True, True, False]
    assert not _is_in(chart.png(_lines(one)), chart.COLOURS[1])


def test_the_fullest_picture_is_small_and_has_every_colour() -> None:
    """Five lines of sixty points that look like noise, and ten bars: still below 100 kB, and all can be told apart."""
    dice = Random(8)
    trends = (
        _trend(
            f"a-volume-with-a-long-name-{n}",
            *((d, dice.randrange(10**10), 1e3 * dice.random()) for d in range(60)),
        )
        for n in range(5)
    )
    ages = (_age(f"a-volume-with-a-long-name-{n}", 9 * dice.random(), 9 * dice.random()) for n in range(10))
    content = chart.png(Figures(trends=tuple(trends), ages=tuple(ages)))
    assert all(_is_in(content, colour) for colour in (*chart.COLOURS, canvas.INK))


def test_a_bar_tells_whether_it_is_too_old() -> None:
    """By its colour and in words; none verified has no bar at all."""
    young, old, none = _age("a", 1, 2), _age("b", 3, 2), _age("c", None, 2)
    for ages, found in (((young,), (True, False)), ((old,), (False, True)), ((none,), (False, False))):
        content = chart.png(Figures(ages=ages))
        assert tuple(_is_in(content, colour) for colour in (chart.WITHIN, chart.OVER)) == found
    assert [chart._told(one) for one in (young, old, none, _age("d", 5))] == [
        "24 h of 2 d",
        "3 d of 2 d: too old",
        "none verified",
        "5 d",
    ]


def _light(colour: str) -> float:
    """The relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_light(one), _light(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_enough_in_a_light_and_a_dark_client() -> None:
    """Words have 7:1 on the picture's ground; lines and bars 3:1 on it and on both of Slack's own."""
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast(canvas.INK, canvas.GROUND) >= 7
    assert _contrast(canvas.GROUND, SLACK_DARK) >= 3
    for colour in chart.COLOURS:
        assert min(_contrast(colour, ground) for ground in (canvas.GROUND, SLACK_LIGHT, SLACK_DARK)) >= 3
    assert len(set(chart.COLOURS)) == len(chart._SIDES)


_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
_POINT = st.tuples(st.floats(0, 4_000), st.integers(0, 10**16), st.floats(0, 10**6))
_TRENDS = st.lists(
    st.builds(
        lambda name, points: _trend(name, *sorted(points)),
        _NAME,
        st.lists(_POINT, min_size=1, max_size=60),
    ),
    max_size=5,
)
_LENGTH = st.none() | st.floats(0, 10**11) | st.sampled_from([0.0, 5e-324, 59.9, DAY])
_AGES = st.lists(
    st.builds(Age, host=st.sampled_from(["local", "beta"]), source=_NAME, seconds=_LENGTH, limit=_LENGTH),
    max_size=10,
)


@settings(max_examples=examples(8, 100), deadline=None)
@given(
    st.builds(lambda trends, ages: Figures(trends=tuple(trends), ages=tuple(ages)), _TRENDS, _AGES).filter(
        bool
    )
)
def test_any_numbers_make_a_picture(figures: Figures) -> None:
    """No size, duration, age, limit, time or name breaks the drawing, nor the words for it."""
    _opened(chart.png(figures))
    said = figures.in_words
    assert all(one.source in said for one in (*figures.trends, *figures.ages))
    assert figures.digest == replace(figures).digest


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_needs_a_glyph_that_the_font_lacks(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """Whoever reads, the picture is in English; a name in other letters has question marks, and its own in words."""
    drawn: list[str] = []
    monkeypatch.setattr(canvas, "drawable", lambda said: drawn.append(said) or said)
    trend = _trend("pgdata", (0, 10**9, 4_000.0), (900, 2 * 10**9, 12.0))
    with speaking(language):
        chart.png(Figures(trends=(trend,), ages=(_age("pgdata", 3, 2), _age("web", 0.2), _age("x", None))))
    font = ImageFont.load_default(40)
    missing = bytes(font.getmask("\uffff"))
    shown = set("".join(drawn)) | {chr(code) for code in range(0x21, 0x7F)} | {"…"}
    assert [one for one in shown - {" "} if bytes(font.getmask(one)) == missing] == []
    monkeypatch.undo()
    assert canvas.drawable("web:/자료\n…") == "web:/???…"
    assert "web:/자료" in Figures(ages=(_age("web:/자료", 1),)).in_words


def test_words_say_what_the_picture_shows() -> None:
    """Ages against limits first, then sizes and durations; with hosts where there are several."""
    figures = Figures(
        trends=(
            _trend("pgdata", (0, 10**9, 9.0), (1, 2 * 10**9, 12.0)),
            _trend("web", (0, 10, 1.0), host="beta"),
        ),
        ages=(
            _age("mail", None, 2),
            _age("pgdata", 3.5, 2),
            _age("web", 0.5, 26 / 24, host="beta"),
            _age("x", 5),
        ),
        left_out=True,
    )
    assert figures.in_words == (
        "How old the newest verified backup is: local/mail has none; local/pgdata 3 d 12 h of 2 d, too old; "
        "beta/web 12 h of 26 h; local/x 5 d, without a limit. Backups over time. local/pgdata: 2 backups from "
        "2026-11-01 to 2026-11-02, 1.0 GB at first and 2.0 GB at last; they took 9.0 s to 12 s. beta/web: 1 backup of "
        "2026-11-01, 10 B; it took 1.0 s. There are more: the largest, and those that are worst off, are drawn."
    )


def test_the_worst_age_comes_first() -> None:
    """None verified, then what is furthest over its limit, then the oldest without one."""
    ages = [_age("a", 9), _age("b", 1, 2), _age("c", 4, 2), _age("d", None), _age("e", 30, 20)]
    ages.sort(key=lambda age: age.worst_first)
    assert [one.source for one in ages] == ["d", "c", "e", "b", "a"]


def test_the_scale_is_round_and_short() -> None:
    """At most six lines at round values, the highest at or above the largest value."""
    for most in (4.0, 7.0, 999.0, 1e3, 4.2e9, 9.99e15):
        top, step = chart._steps(most, ())
        assert top >= most
        assert 1 <= round(top / step) <= 5
        assert f"{step:e}"[0] in "125"
    assert chart._steps(50.0, chart._SECONDS) == (60.0, 20.0)
    assert chart._steps(5_000.0, chart._SECONDS) == (5_400.0, 1_800.0)
    assert chart._steps(3.2 * DAY, chart._SPANS) == (4 * DAY, DAY)
    assert all(one < other for one, other in pairwise(chart._SPANS))


def test_the_same_numbers_have_the_same_digest() -> None:
    """And others another: that decides whether a picture is made anew."""
    one = _lines(_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0)))
    assert one.digest == _lines(_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0))).digest
    assert one.digest != _lines(_trend("pgdata", (0, 1, 1.0), (1, 3, 1.0))).digest
    assert one.digest != _lines(_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0), host="beta")).digest
    assert one.digest != replace(one, ages=(_age("pgdata", 1),)).digest


def test_nothing_is_loaded_before_something_is_drawn() -> None:
    """A bot that starts, or a shell, does not pay for the drawing library."""
    asked = "import sys, bot.serve, bot.charts.chart; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False, timeout=60).returncode == 0
