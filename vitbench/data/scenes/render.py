"""A scene as pixels: textured background, soft shadows, shaded and outlined objects, and who is visible where."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.data.scenes.kinds import silhouette
from vitbench.data.scenes.pen import MARGIN
from vitbench.data.scenes.scene import Background, Scene, SceneObject

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rendering:
    """`pixels` uint8 [height, width, 3]; `masks` bool [objects, height, width], the visible pixels of each object."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]


def render(scene: Scene, width: int | None = None, height: int | None = None) -> Rendering:
    """Draws `scene` at its own size or at another of the same shape."""
    width, height = width or scene.width, height or scene.height
    scale = min(width, height)
    canvas = _background(scene.background, width, height, scale)
    masks = np.zeros((len(scene.objects), height, width), dtype=bool)
    for number, thing in enumerate(scene.objects):
        rows, columns, (inner, whole, soft) = _placed(thing, width, height, scale)
        offset = max(1, round(0.02 * scale))
        shadow = canvas[rows.start + offset : rows.stop + offset, columns.start + offset : columns.stop + offset]
        shadow *= 1 - 0.4 * soft[: shadow.shape[0], : shadow.shape[1], None]
        shading = np.linspace(1.12, 0.88, whole.shape[0], dtype=np.float32)[:, None] * (0.62 + 0.38 * inner)
        paint = np.array(thing.rgb, dtype=np.float32) * shading[:, :, None]
        region = canvas[rows, columns]
        region += (paint - region) * whole[:, :, None]
        covered = whole >= 0.5
        masks[:number, rows, columns] &= ~covered
        masks[number, rows, columns] = covered
    return Rendering(np.clip(canvas + 0.5, 0, 255).astype(np.uint8), masks)


def _placed(thing: SceneObject, width: int, height: int, scale: int) -> tuple[slice, slice, Floats]:
    """Where an object falls, and there its inner, whole and shadow coverage, [3, rows, columns] from 0 to 1."""
    side = max(4, round(thing.side * MARGIN * scale))
    turned = silhouette(thing.kind, 2 * side).rotate(thing.angle, Image.Resampling.BILINEAR)
    resampling = Image.Resampling.BOX if side <= turned.width else Image.Resampling.BICUBIC
    coverage = np.asarray(turned.resize((side, side), resampling), dtype=np.float32) / np.float32(255)
    top, left = round(thing.y * scale - side / 2), round(thing.x * scale - side / 2)
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    part = coverage[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return rows, columns, np.moveaxis(part, 2, 0)


def _background(background: Background, width: int, height: int, scale: int) -> Floats:
    """The textured ground, float32 [height, width, 3], with a slight light from above."""
    # In float64: processors differ in the last bit of a sine, and in float32 that bit can reach a pixel.
    x = (np.arange(width) + 0.5) / scale
    y = (np.arange(height)[:, None] + 0.5) / scale
    turn, turns = math.radians(background.angle), 2 * math.pi / background.period
    along = (x * math.cos(turn) + y * math.sin(turn)) * turns
    across = (y * math.cos(turn) - x * math.sin(turn)) * turns
    if background.texture == "striped":
        wave = np.sin(along)
    elif background.texture == "checkered":
        wave = np.sin(along / 1.3) * np.sin(across / 1.3) * 2
    elif background.texture == "dotted":
        wave = 1.75 - np.sqrt(_from_nearest(along) ** 2 + _from_nearest(across) ** 2)
    elif background.texture == "wavy":
        wave = np.sin(across + 1.1 * np.sin(along * 0.8))
    else:
        wave = np.full((height, width), -math.inf)
    # One pixel is the width of an antialiased edge: the slope of the wave a pixel, over the share that it crosses.
    share = np.clip(wave * (background.period * scale / (2 * math.pi)) + 0.5, 0, 1).astype(np.float32)[:, :, None]
    first, second = (np.array(rgb, dtype=np.float32) for rgb in (background.rgb, background.second_rgb))
    light = np.linspace(1.06, 0.94, height, dtype=np.float32)[:, None, None]
    return np.asarray((first + (second - first) * share) * light, dtype=np.float32)


def _from_nearest(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a phase is from the nearest whole turn, in radians."""
    return phase - np.round(phase / (2 * math.pi)) * (2 * math.pi)
