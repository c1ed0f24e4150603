"""Where charts are drawn on, and the only place that knows Pillow: lines, marks, bars and words on a ground of its own.

Must not know what is drawn. The font that comes with Pillow has ASCII and an ellipsis, and no more.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Drawing
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as PlainFont

GROUND, INK, FAINT = "#ffffff", "#1d1c1d", "#d5d5d5"
"""A solid ground, so that words can be read on it in a light and in a dark client. `FAINT` says nothing by itself."""

Spot = tuple[float, float]

_FINER = 2
"""Everything is drawn so much larger, and shrunk: Pillow draws no smooth lines."""
_ELLIPSIS = "…"
_TINTS = (1.0, 0.5)
"""Of every colour that was used, for smooth edges; more would only cost bytes."""


class Canvas:
    """A drawing in points of the final picture."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw  # only who draws pays for loading it

        self._image = Image.new("RGB", (width * _FINER, height * _FINER), GROUND)
        self._draw: Drawing = ImageDraw.Draw(self._image)
        self._small = (width, height)
        self._used = {INK: None}

    def line(self, spots: Sequence[Spot], colour: str, width: int) -> None:
        """Through all of them."""
        self._used[colour] = None
        places = [(x * _FINER, y * _FINER) for x, y in spots]
        self._draw.line(places, fill=colour, width=width * _FINER, joint="curve")

    def mark(self, spot: Spot, sides: int, colour: str) -> None:
        """A disc, or a polygon with so many sides."""
        self._used[colour] = None
        x, y = spot[0] * _FINER, spot[1] * _FINER
        if sides:
            self._draw.regular_polygon((x, y, 8 * _FINER), sides, fill=colour)
        else:
            radius = 6 * _FINER
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def bar(self, start: Spot, end: Spot, colour: str) -> None:
        """A filled rectangle between its upper left and its lower right corner."""
        self._used[colour] = None
        (left, top), (right, bottom) = start, end
        corners = (left * _FINER, top * _FINER, max(left, right) * _FINER, max(top, bottom) * _FINER)
        self._draw.rectangle(corners, fill=colour)

    def text(self, spot: Spot, said: str, anchor: str, size: int = 20) -> None:
        """Words, anchored as Pillow's manual names it; what the font has no glyph for is a question mark."""
        place = (spot[0] * _FINER, spot[1] * _FINER)
        self._draw.text(place, drawable(said), fill=INK, font=_font(size * _FINER), anchor=anchor)

    def png(self) -> bytes:
        """The picture, shrunk to its size and to a palette that has every colour just as it was asked for."""
        from PIL import Image

        palette = Image.new("P", (1, 1))
        palette.putpalette([part for tint in self._palette() for part in tint])
        written = io.BytesIO()
        shrunk = self._image.resize(self._small).quantize(palette=palette, dither=Image.Dither.NONE)
        shrunk.save(written, "PNG", optimize=True)
        return written.getvalue()

    def _palette(self) -> list[tuple[int, ...]]:
        ground = _rgb(GROUND)
        tints = [
            tuple(
                round(part * tint + under * (1 - tint))
                for part, under in zip(_rgb(colour), ground, strict=True)
            )
            for colour in self._used
            for tint in _TINTS
        ]
        return [ground, *tints]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def drawable(said: str) -> str:
    """The same in characters that the font has: the words beside a picture say them as they are."""
    return "".join(one if " " <= one <= "~" or one == _ELLIPSIS else "?" for one in said)


def shortened(name: str, longest: int) -> str:
    """With an ellipsis for what is too much."""
    return name if len(name) <= longest else name[: longest - 1] + _ELLIPSIS


@cache
def _font(size: float) -> FreeTypeFont | PlainFont:
    from PIL import ImageFont

    load: Callable[[float], FreeTypeFont | PlainFont] = ImageFont.load_default
    return load(size)
