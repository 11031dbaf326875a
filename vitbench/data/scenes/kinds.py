"""The silhouettes: 24 `base` kinds, which the shipped weights are trained on, and 37 `new` ones, which they never saw.

Doodles are a third set, of shapes without a name (see doodles.py).

A silhouette is drawn once, large, inside the unit circle (x to the right, y down) and cached; everything else is
scaling and turning it.
"""

import math
from collections.abc import Callable
from functools import cache

from PIL import Image, ImageFilter

from vitbench.data.scenes.doodles import DOODLES, draw_doodle
from vitbench.data.scenes.pen import Pen

_LEVELS = (48, 96, 192, 384, 768)
_OUTLINE, _SOFTNESS = 1 / 48, 1 / 45  # widths of the outline and of the shadow's soft edge, in silhouette sides

Drawing = Callable[[Pen], object]

_BASE: dict[str, Drawing] = {
    "circle": lambda p: p.disc(0, 0, 0.85),
    "square": lambda p: p.box(-0.7, -0.7, 0.7, 0.7),
    "triangle": lambda p: p.polygon((0, -0.9), (0.85, 0.65), (-0.85, 0.65)),
    "star": lambda p: p.spokes(5, 0.38, 0.97),
    "heart": lambda p: (
        p.disc(-0.4, -0.3, 0.46)
        .disc(0.4, -0.3, 0.46)
        .polygon((-0.82, -0.1), (0.82, -0.1), (0, 0.9))
        .box(-0.3, -0.3, 0.3, 0)
    ),
    "cross": lambda p: p.box(-0.28, -0.85, 0.28, 0.85).box(-0.85, -0.28, 0.85, 0.28),
    "crescent": lambda p: p.disc(-0.05, 0, 0.88).disc(0.38, 0, 0.72, ink=False),
    "ring": lambda p: p.disc(0, 0, 0.88).disc(0, 0, 0.5, ink=False),
    "arrow": lambda p: p.box(-0.9, -0.22, 0.15, 0.22).polygon((0.05, -0.68), (0.95, 0), (0.05, 0.68)),
    "house": lambda p: (
        p.polygon((0, -0.9), (0.88, -0.1), (-0.88, -0.1))
        .box(-0.65, -0.15, 0.65, 0.75)
        .box(-0.17, 0.2, 0.17, 0.75, ink=False)
    ),
    "tree": lambda p: p.disc(0, -0.35, 0.58).disc(-0.35, -0.1, 0.36).disc(0.35, -0.1, 0.36).box(-0.15, 0.1, 0.15, 0.9),
    "diamond": lambda p: p.polygon((0, -0.95), (0.55, 0), (0, 0.95), (-0.55, 0)),
    "cloud": lambda p: (
        p.disc(-0.5, 0.12, 0.38)
        .disc(0.52, 0.14, 0.36)
        .disc(-0.12, -0.2, 0.45)
        .disc(0.3, -0.1, 0.38)
        .box(-0.5, 0.05, 0.52, 0.5)
    ),
    "car": lambda p: (
        p.polygon((-0.5, -0.5), (0.4, -0.5), (0.65, -0.05), (-0.75, -0.05))
        .box(-0.92, -0.08, 0.92, 0.35)
        .disc(-0.5, 0.38, 0.24)
        .disc(0.5, 0.38, 0.24)
        .disc(-0.5, 0.38, 0.09, ink=False)
        .disc(0.5, 0.38, 0.09, ink=False)
    ),
    "balloon": lambda p: (
        p.disc(0, -0.3, 0.55, 0.64)
        .polygon((-0.16, 0.45), (0.16, 0.45), (0, 0.24))
        .line((0, 0.4), (0.1, 0.6), (-0.08, 0.78), (0.02, 0.95), width=0.09)
    ),
    "ladder": lambda p: (
        p.box(-0.5, -0.85, -0.3, 0.85)
        .box(0.3, -0.85, 0.5, 0.85)
        .box(-0.4, -0.62, 0.4, -0.46)
        .box(-0.4, -0.22, 0.4, -0.06)
        .box(-0.4, 0.18, 0.4, 0.34)
        .box(-0.4, 0.58, 0.4, 0.74)
    ),
    "bone": lambda p: (
        p.box(-0.6, -0.17, 0.6, 0.17)
        .disc(-0.68, -0.22, 0.25)
        .disc(-0.68, 0.22, 0.25)
        .disc(0.68, -0.22, 0.25)
        .disc(0.68, 0.22, 0.25)
    ),
    "table": lambda p: p.box(-0.92, -0.5, 0.92, -0.22).box(-0.78, -0.3, -0.54, 0.72).box(0.54, -0.3, 0.78, 0.72),
    "chair": lambda p: p.box(-0.6, -0.9, -0.36, 0.9).box(-0.5, 0.02, 0.6, 0.26).box(0.36, 0.1, 0.6, 0.9),
    "hammer": lambda p: p.box(-0.13, -0.4, 0.13, 0.92).polygon(
        (-0.7, -0.85), (0.35, -0.85), (0.75, -0.6), (0.35, -0.4), (-0.7, -0.4)
    ),
    "fork": lambda p: (
        p.box(-0.09, 0.0, 0.09, 0.95)
        .box(-0.4, -0.25, 0.4, 0.08)
        .box(-0.4, -0.9, -0.22, -0.1)
        .box(-0.09, -0.9, 0.09, -0.1)
        .box(0.22, -0.9, 0.4, -0.1)
    ),
    "bowtie": lambda p: (
        p.polygon((-0.92, -0.6), (0, -0.06), (0, 0.06), (-0.92, 0.6))
        .polygon((0.92, -0.6), (0, -0.06), (0, 0.06), (0.92, 0.6))
        .disc(0, 0, 0.22, 0.26)
    ),
    "comb": lambda p: _comb(p),
    "snowman": lambda p: p.disc(0, 0.45, 0.46).disc(0, -0.2, 0.34).disc(0, -0.68, 0.24),
}

_NEW: dict[str, Drawing] = {
    "key": lambda p: (
        p.disc(-0.55, 0, 0.4)
        .disc(-0.55, 0, 0.2, ink=False)
        .box(-0.2, -0.11, 0.92, 0.11)
        .box(0.5, 0, 0.64, 0.38)
        .box(0.76, 0, 0.9, 0.32)
    ),
    "bell": lambda p: (
        p.sector(0, -0.2, 0.55, 180, 360)
        .polygon((-0.55, -0.22), (0.55, -0.22), (0.82, 0.5), (-0.82, 0.5))
        .disc(0, 0.62, 0.2)
        .disc(0, -0.78, 0.14)
    ),
    "anchor": lambda p: (
        p.disc(0, 0.1, 0.8)
        .disc(0, -0.02, 0.64, ink=False)
        .box(-0.95, -0.9, 0.95, 0.12, ink=False)
        .box(-0.11, -0.6, 0.11, 0.85)
        .disc(0, -0.68, 0.24)
        .disc(0, -0.68, 0.1, ink=False)
        .box(-0.42, -0.38, 0.42, -0.2)
    ),
    "bolt": lambda p: p.polygon(
        (0.2, -0.95), (-0.55, 0.15), (-0.05, 0.15), (-0.25, 0.95), (0.55, -0.2), (0.05, -0.2), (0.45, -0.95)
    ),
    "drop": lambda p: p.disc(0, 0.3, 0.56).polygon((0, -0.95), (0.5, 0.08), (-0.5, 0.08)),
    "flower": lambda p: _petals(p, 6, 0.55, 0.34).disc(0, 0, 0.18, ink=False),
    "mushroom": lambda p: p.sector(0, 0.05, 0.88, 180, 360).polygon((-0.28, 0), (0.28, 0), (0.36, 0.82), (-0.36, 0.82)),
    "boat": lambda p: (
        p.polygon((-0.95, 0.3), (0.95, 0.3), (0.6, 0.8), (-0.6, 0.8))
        .box(-0.06, -0.9, 0.06, 0.3)
        .polygon((0.12, -0.85), (0.75, 0.15), (0.12, 0.15))
    ),
    "umbrella": lambda p: (
        p.sector(0, 0, 0.92, 180, 360)
        .disc(-0.61, 0.02, 0.24, 0.16, ink=False)
        .disc(0, 0.02, 0.28, 0.16, ink=False)
        .disc(0.61, 0.02, 0.24, 0.16, ink=False)
        .box(-0.06, -0.9, 0.06, 0.72)
        .line((0, 0.65), (0.06, 0.82), (0.24, 0.82), (0.3, 0.65), width=0.12)
    ),
    "kite": lambda p: p.polygon((0, -0.95), (0.55, -0.4), (0, 0.4), (-0.55, -0.4)).line(
        (0, 0.35), (0.22, 0.55), (-0.12, 0.72), (0.12, 0.95), width=0.11
    ),
    "hourglass": lambda p: (
        p.polygon((-0.6, -0.75), (0.6, -0.75), (0.06, 0), (-0.06, 0))
        .polygon((-0.6, 0.75), (0.6, 0.75), (0.06, 0), (-0.06, 0))
        .box(-0.72, -0.92, 0.72, -0.7)
        .box(-0.72, 0.7, 0.72, 0.92)
    ),
    "gear": lambda p: _gear(p),
    "crown": lambda p: p.polygon(
        (-0.85, 0.6), (-0.92, -0.5), (-0.42, 0), (0, -0.75), (0.42, 0), (0.92, -0.5), (0.85, 0.6)
    ),
    "flag": lambda p: p.box(-0.7, -0.95, -0.54, 0.95).polygon(
        (-0.6, -0.85), (0.85, -0.85), (0.5, -0.42), (0.85, 0.02), (-0.6, 0.02)
    ),
    "rocket": lambda p: (
        p.disc(0, -0.2, 0.32, 0.75)
        .polygon((-0.28, 0.1), (-0.7, 0.75), (-0.25, 0.55))
        .polygon((0.28, 0.1), (0.7, 0.75), (0.25, 0.55))
        .polygon((-0.18, 0.5), (0.18, 0.5), (0, 0.95))
        .disc(0, -0.35, 0.13, ink=False)
    ),
    "bottle": lambda p: (
        p.box(-0.14, -0.95, 0.14, -0.3)
        .polygon((-0.14, -0.45), (0.14, -0.45), (0.38, -0.1), (-0.38, -0.1))
        .box(-0.38, -0.12, 0.38, 0.92)
    ),
    "wrench": lambda p: p.box(-0.13, -0.5, 0.13, 0.9).disc(0, -0.52, 0.42).box(-0.15, -1, 0.15, -0.5, ink=False),
    "spoon": lambda p: p.disc(0, -0.55, 0.32, 0.4).box(-0.08, -0.3, 0.08, 0.95),
    "lamp": lambda p: (
        p.polygon((-0.3, -0.9), (0.3, -0.9), (0.72, -0.1), (-0.72, -0.1))
        .box(-0.07, -0.1, 0.07, 0.7)
        .polygon((-0.5, 0.88), (0.5, 0.88), (0.3, 0.66), (-0.3, 0.66))
    ),
    "tent": lambda p: p.polygon((0, -0.65), (0.95, 0.65), (-0.95, 0.65)).polygon(
        (0, -0.1), (0.32, 0.65), (-0.32, 0.65), ink=False
    ),
    "pencil": lambda p: (
        p.box(-0.2, -0.9, 0.2, 0.45)
        .polygon((-0.2, 0.42), (0.2, 0.42), (0, 0.95))
        .box(-0.25, -0.66, 0.25, -0.58, ink=False)
        .box(-0.04, -0.5, 0.04, 0.4, ink=False)
    ),
    "magnet": lambda p: (
        p.disc(0, 0.1, 0.78)
        .disc(0, 0.1, 0.36, ink=False)
        .box(-0.9, -0.95, 0.9, 0.1, ink=False)
        .box(-0.78, -0.75, -0.36, 0.12)
        .box(0.36, -0.75, 0.78, 0.12)
        .box(-0.9, -0.47, 0.9, -0.39, ink=False)
    ),
    "bridge": lambda p: (
        p.box(-0.95, -0.45, 0.95, 0.55)
        .sector(-0.45, 0.56, 0.36, 180, 360, ink=False)
        .sector(0.45, 0.56, 0.36, 180, 360, ink=False)
    ),
    "castle": lambda p: (
        p.box(-0.85, -0.4, 0.85, 0.75)
        .box(-0.85, -0.75, -0.5, 0)
        .box(0.5, -0.75, 0.85, 0)
        .box(-0.17, -0.75, 0.17, 0)
        .sector(0, 0.35, 0.24, 180, 360, ink=False)
        .box(-0.24, 0.34, 0.24, 0.76, ink=False)
    ),
    "pawn": lambda p: (
        p.disc(0, -0.52, 0.34)
        .polygon((-0.16, -0.3), (0.16, -0.3), (0.36, 0.6), (-0.36, 0.6))
        .box(-0.58, 0.56, 0.58, 0.85)
        .box(-0.4, -0.25, 0.4, -0.12)
    ),
    "apple": lambda p: (
        p.disc(-0.28, 0.18, 0.52, 0.6)
        .disc(0.28, 0.18, 0.52, 0.6)
        .line((0, -0.3), (0.1, -0.75), width=0.11)
        .disc(0.36, -0.62, 0.26, 0.13)
    ),
    "carrot": lambda p: (
        p.polygon((-0.42, -0.35), (0.42, -0.35), (0, 0.95))
        .disc(0, -0.35, 0.42, 0.16)
        .line((0, -0.4), (-0.3, -0.92), width=0.13)
        .line((0, -0.4), (0, -0.95), width=0.13)
        .line((0, -0.4), (0.3, -0.92), width=0.13)
    ),
    "lock": lambda p: (
        p.disc(0, -0.35, 0.48)
        .disc(0, -0.35, 0.28, ink=False)
        .box(-0.68, -0.2, 0.68, 0.85)
        .disc(0, 0.25, 0.15, ink=False)
        .box(-0.06, 0.25, 0.06, 0.58, ink=False)
    ),
    "goblet": lambda p: p.sector(0, -0.75, 0.68, 0, 180).box(-0.08, -0.2, 0.08, 0.75).box(-0.48, 0.7, 0.48, 0.88),
    "plane": lambda p: (
        p.disc(0, 0, 0.15, 0.92)
        .polygon((0, -0.35), (0.92, 0.2), (0.92, 0.38), (0, 0.15), (-0.92, 0.38), (-0.92, 0.2))
        .polygon((0, 0.5), (0.4, 0.78), (0.4, 0.9), (-0.4, 0.9), (-0.4, 0.78))
    ),
    "clover": lambda p: (
        p.disc(0, -0.48, 0.36)
        .disc(-0.44, 0.08, 0.36)
        .disc(0.44, 0.08, 0.36)
        .polygon((-0.07, 0), (0.07, 0), (0.2, 0.95), (-0.05, 0.95))
        .disc(0, -0.08, 0.2)
    ),
    "axe": lambda p: (
        p.box(-0.1, -0.9, 0.1, 0.95)
        .polygon((0, -0.58), (0.5, -0.88), (0.72, -0.4), (0.5, 0.08), (0, -0.22))
        .polygon((0, -0.58), (-0.5, -0.88), (-0.72, -0.4), (-0.5, 0.08), (0, -0.22))
    ),
    "staircase": lambda p: p.polygon(
        (-0.8, 0.8),
        (-0.8, 0.4),
        (-0.4, 0.4),
        (-0.4, 0.0),
        (0.0, 0.0),
        (0.0, -0.4),
        (0.4, -0.4),
        (0.4, -0.8),
        (0.8, -0.8),
        (0.8, 0.8),
    ),
    "moth": lambda p: (
        p.disc(-0.48, -0.3, 0.42)
        .disc(0.48, -0.3, 0.42)
        .disc(-0.36, 0.36, 0.33)
        .disc(0.36, 0.36, 0.33)
        .disc(-0.48, -0.32, 0.15, ink=False)
        .disc(0.48, -0.32, 0.15, ink=False)
        .box(-0.3, -0.2, 0.3, 0.3)
        .disc(0, 0.05, 0.13, 0.75)
        .line((0, -0.5), (-0.3, -0.92), width=0.08)
        .line((0, -0.5), (0.3, -0.92), width=0.08)
    ),
    "eye": lambda p: (
        p.polygon((-0.95, 0), (-0.5, -0.42), (0, -0.55), (0.5, -0.42), (0.95, 0), (0.5, 0.42), (0, 0.55), (-0.5, 0.42))
        .disc(0, 0, 0.33, ink=False)
        .disc(0, 0, 0.17)
    ),
    "shirt": lambda p: p.polygon(
        (-0.35, -0.75),
        (-0.92, -0.35),
        (-0.7, 0.05),
        (-0.45, -0.12),
        (-0.45, 0.8),
        (0.45, 0.8),
        (0.45, -0.12),
        (0.7, 0.05),
        (0.92, -0.35),
        (0.35, -0.75),
    ).disc(0, -0.78, 0.22, 0.18, ink=False),
    "boot": lambda p: p.polygon(
        (-0.5, -0.85), (0.08, -0.85), (0.08, 0.1), (0.7, 0.3), (0.85, 0.55), (0.85, 0.8), (-0.5, 0.8)
    ).box(-0.15, 0.72, 0.1, 0.85, ink=False),
}


def _comb(pen: Pen) -> Pen:
    pen.box(-0.85, -0.55, 0.85, -0.12)
    for tooth in range(6):
        left = -0.85 + tooth * 0.308
        pen.box(left, -0.2, left + 0.16, 0.6)
    return pen


def _petals(pen: Pen, count: int, distance: float, radius: float) -> Pen:
    for petal in range(count):
        angle = 2 * math.pi * petal / count - math.pi / 2
        pen.disc(distance * math.cos(angle), distance * math.sin(angle), radius)
    return pen.disc(0, 0, distance)


def _gear(pen: Pen) -> Pen:
    pen.disc(0, 0, 0.66)
    for tooth in range(8):
        angle = 2 * math.pi * tooth / 8
        across, along = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        corners = [(0.5, -0.17), (0.94, -0.12), (0.94, 0.12), (0.5, 0.17)]
        pen.polygon(*[(r * across[0] + t * along[0], r * across[1] + t * along[1]) for r, t in corners])
    return pen.disc(0, 0, 0.28, ink=False)


BASE_KINDS = tuple(_BASE)
NEW_KINDS = tuple(_NEW)
KIND_SETS: dict[str, tuple[str, ...]] = {"base": BASE_KINDS, "new": NEW_KINDS, "doodles": DOODLES}


def plural(kind: str) -> str:
    """The plural of a kind: `stars`, `crosses`, `snowmen`."""
    if kind.endswith("man"):
        return kind.removesuffix("man") + "men"
    return kind + ("es" if kind.endswith(("s", "sh", "ch", "x")) else "s")


def silhouette(kind: str, side: int) -> Image.Image:
    """The silhouette of `kind`, mode RGB: R is the shape without its outline, G the whole shape, B its soft shadow.

    It is `side` pixels wide or a little more (768 at most), so that turning and shrinking a small one costs little;
    the object fills 1 / MARGIN of it.
    """
    return _drawn(kind, next((level for level in _LEVELS if level >= side), _LEVELS[-1]))


@cache
def _drawn(kind: str, side: int) -> Image.Image:
    if side < 192:
        return _drawn(kind, 192).resize((side, side), Image.Resampling.BOX)
    pen = Pen(_LEVELS[-1])
    if kind in DOODLES:
        draw_doodle(pen, kind)
    else:
        (_BASE | _NEW)[kind](pen)
    whole = inner = pen.image.resize((side, side), Image.Resampling.BOX)
    for _ in range(round(_OUTLINE * side)):
        inner = inner.filter(ImageFilter.MinFilter(3))
    return Image.merge("RGB", (inner, whole, whole.filter(ImageFilter.GaussianBlur(_SOFTNESS * side))))
