"""A pen for silhouettes: filled shapes in a unit square, laid down and cut out again."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

MARGIN = 1.125
"""A silhouette's picture is wider than its object by this factor, for corners that turn outwards and soft shadows."""

_SHARE = 0.96 / MARGIN

Point = tuple[float, float]


class Pen:
    """Draws in the square from -1 to 1, and can take away what it has drawn. `side` in pixels."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = Image.new("L", (self.side, self.side), 0)
        self._draw = ImageDraw.Draw(self.image)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [((x * _SHARE + 1) / 2 * self.side, (y * _SHARE + 1) / 2 * self.side) for x, y in points]

    def polygon(self, *points: Point, ink: bool = True) -> "Pen":
        """A filled polygon."""
        self._draw.polygon(self._pixels(points), fill=255 * ink)
        return self

    def box(self, left: float, top: float, right: float, bottom: float, ink: bool = True) -> "Pen":
        """A filled upright rectangle."""
        return self.polygon((left, top), (right, top), (right, bottom), (left, bottom), ink=ink)

    def disc(self, x: float, y: float, radius: float, radius_y: float | None = None, ink: bool = True) -> "Pen":
        """A filled circle, or an upright ellipse."""
        ry = radius if radius_y is None else radius_y
        (left, top), (right, bottom) = self._pixels([(x - radius, y - ry), (x + radius, y + ry)])
        self._draw.ellipse((left, top, right, bottom), fill=255 * ink)
        return self

    def sector(self, x: float, y: float, radius: float, start: float, end: float, ink: bool = True) -> "Pen":
        """A slice of a circle, from `start` to `end` degrees clockwise from the right."""
        (left, top), (right, bottom) = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.pieslice((left, top, right, bottom), start, end, fill=255 * ink)
        return self

    def line(self, *points: Point, width: float, ink: bool = True) -> "Pen":
        """A thick line with round joints."""
        pixels = self._pixels(points)
        self._draw.line(pixels, fill=255 * ink, width=round(width * _SHARE * self.side / 2), joint="curve")
        return self

    def spokes(self, count: int, inner: float, outer: float, turn: float = -90.0) -> "Pen":
        """A star-like polygon whose corners lie on two circles in turn."""
        angles = [math.radians(turn + 180 * corner / count) for corner in range(2 * count)]
        radii = [outer, inner] * count
        return self.polygon(*[(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)])
