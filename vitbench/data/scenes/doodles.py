"""Doodles: silhouettes without a name, made of random parts. The shipped weights learn from them what a shape is.

A network that knows only 24 kinds tells new ones apart poorly; one that has told hundreds of doodles apart does not.
"""

import math

import numpy as np

from vitbench.data.scenes.pen import Pen, Point

COUNT = 512

DOODLES = tuple(f"doodle{number:03d}" for number in range(COUNT))


def draw_doodle(pen: Pen, name: str) -> Pen:
    """Draws the doodle of that name: two to five parts, often mirrored, and up to two holes."""
    random = np.random.default_rng([20260101, DOODLES.index(name)])
    mirrored = random.random() < 0.6
    for _ in range(int(random.integers(2, 5))):
        _part(pen, random, mirrored, ink=True)
    for _ in range(int(random.integers(0, 3))):
        _part(pen, random, mirrored, ink=False)
    return pen


def _part(pen: Pen, random: np.random.Generator, mirrored: bool, ink: bool) -> None:
    """One part around a random centre, and its mirror image; holes are smaller than what they are cut from."""
    scale = 1.0 if ink else 0.45
    x, y = random.uniform(-0.55, 0.55, 2)
    width, height = random.uniform(0.16, 0.5, 2) * scale
    form = random.integers(4)
    turn = random.uniform(0, math.pi)
    corners = int(random.integers(3, 6))
    for side in (1, -1) if mirrored else (1,):
        if form == 0:
            pen.disc(side * x, y, width, height, ink=ink)
        elif form == 1:
            pen.box(side * x - width, y - height, side * x + width, y + height, ink=ink)
        elif form == 2:
            pen.polygon(*_regular(side, x, y, 1.3 * max(width, height), corners, turn), ink=ink)
        else:
            pen.polygon(*_bar(side, x, y, 1.6 * max(width, height), 0.5 * min(width, height) + 0.04, turn), ink=ink)


def _regular(side: int, x: float, y: float, radius: float, corners: int, turn: float) -> list[Point]:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(side * _inside(x + radius * math.cos(a)), _inside(y + radius * math.sin(a))) for a in angles]


def _bar(side: int, x: float, y: float, length: float, width: float, turn: float) -> list[Point]:
    along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
    ends = [(length, width), (length, -width), (-length, -width), (-length, width)]
    return [
        (side * _inside(x + a * along[0] + b * across[0]), _inside(y + a * along[1] + b * across[1])) for a, b in ends
    ]


def _inside(value: float) -> float:
    return min(max(value, -0.95), 0.95)
