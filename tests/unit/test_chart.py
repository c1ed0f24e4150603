"""The picture of how backups grow: a readable PNG of any numbers, and the same in words."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot import chart
from bot.trends import Point, Trend, digest_of, in_words
from tests.support.effort import examples

AT = datetime(2026, 11, 1, tzinfo=UTC)


def _trend(source: str, *points: tuple[float, int, float], host: str = "local") -> Trend:
    made = (Point(at=AT + timedelta(days=d), size_bytes=size, seconds=seconds) for d, size, seconds in points)
    return Trend(host=host, source=source, points=tuple(made))


def _colours(content: bytes) -> set[tuple[int, int, int]]:
    image = Image.open(BytesIO(content))
    assert (image.format, image.size) == ("PNG", (chart.WIDTH, chart.HEIGHT))
    rgb = image.convert("RGB")
    assert rgb.getpixel((2, 2)) == (255, 255, 255)  # a ground of its own, in a dark client too
    return {tuple(colour) for _, colour in rgb.getcolors(1 << 24)}  # type: ignore[misc, union-attr]


def test_each_trend_has_a_colour_of_its_own() -> None:
    """Two sources are drawn in two colours, small enough to be uploaded at once."""
    one = _trend("pgdata", (0, 10**9, 9.0), (1, 2 * 10**9, 12.0), (9, 3 * 10**9, 20.0))
    other = _trend("web", (2, 10**8, 3.0), (5, 2 * 10**8, 4.0))
    content = chart.png((one, other))
    assert len(content) < 200_000
    assert _is_in(content, "#0072b2")
    assert _is_in(content, "#d55e00")
    assert not _is_in(content, "#009e73")
    assert not _is_in(chart.png((one,)), "#d55e00")


def _is_in(content: bytes, colour: str) -> bool:
    """Whether the picture has that colour, or nearly: a palette of few colours mixes them."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return any(max(abs(a - b) for a, b in zip(wanted, one, strict=True)) < 20 for one in _colours(content))


_POINT = st.tuples(st.floats(0, 4_000), st.integers(0, 10**16), st.floats(0, 10**6))
_TRENDS = st.lists(
    st.builds(
        lambda name, points: _trend(name, *sorted(points)),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
        st.lists(_POINT, min_size=2, max_size=60),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(6, 15), deadline=None)
@given(_TRENDS)
def test_any_numbers_make_a_picture(trends: list[Trend]) -> None:
    """No size, duration, time or name breaks the drawing, nor the words for it."""
    _colours(chart.png(tuple(trends)))
    assert in_words(tuple(trends)).count(" backups from ") >= len(trends)


def test_the_scale_is_round_and_short() -> None:
    """At most six lines at round values, the highest at or above the largest value."""
    for most in (4.0, 7.0, 999.0, 1e3, 4.2e9, 9.99e15):
        top, step = chart._steps(most, ())
        assert top >= most
        assert 1 <= round(top / step) <= 5
        assert f"{step:e}"[0] in "125"
    assert chart._steps(50.0, chart._SECONDS) == (60.0, 20.0)
    assert chart._steps(5_000.0, chart._SECONDS) == (5_400.0, 1_800.0)


def test_the_same_numbers_have_the_same_digest() -> None:
    """And others another: that decides whether a picture is made anew."""
    one = (_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0)),)
    assert digest_of(one) == digest_of((_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0)),))
    assert digest_of(one) != digest_of((_trend("pgdata", (0, 1, 1.0), (1, 3, 1.0)),))
    assert digest_of(one) != digest_of((_trend("pgdata", (0, 1, 1.0), (1, 2, 1.0), host="beta"),))


def test_nothing_is_loaded_before_something_is_drawn() -> None:
    """A bot that starts, or a shell, does not pay for the drawing library."""
    asked = "import sys, bot.serve, bot.chart; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False, timeout=60).returncode == 0
