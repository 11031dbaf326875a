"""How well one map finds one object, in numbers: pure functions of a map and a mask of the same pixels.

Ties never help: where pixels share a value, a number is what a fair draw between them gives on average. So a map
that is everywhere the same scores what chance scores.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from vitbench.statistics import average_precision

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MapScores:
    """One map against one object.

    `pointing`: 1 if the highest pixel lies on the object; `chance`: the object's share of the picture.
    `counts` are what Chefer et al. pool over pictures, see `segmentation_counts`. `ap` is their average precision,
    `foreground_ap` that of the object's pixels alone. `mass` is the share of positive relevance on the object and
    `rank` the share of the object's number of highest pixels that lie on it (Arras et al. 2022).
    `iou` is the object's intersection over union at the mean threshold, in this picture alone.
    """

    pointing: float
    chance: float
    counts: tuple[int, int, int, int, int]
    ap: float
    foreground_ap: float
    mass: float
    rank: float
    iou: float


def score_map(values: Floats, mask: Mask) -> MapScores:
    """The numbers of a map [height, width], signed or not, for an object's pixels [height, width].

    The mask holds pixels of both kinds.
    """
    scaled = min_max(values)
    counts = segmentation_counts(scaled, mask)
    return MapScores(
        pointing=pointing(values, mask),
        chance=float(mask.mean()),
        counts=counts,
        ap=chefer_average_precision(scaled, mask),
        foreground_ap=average_precision(mask.ravel(), values.ravel()),
        mass=mass_accuracy(values, mask),
        rank=rank_accuracy(values, mask),
        iou=counts[3] / counts[4],
    )


def on_pixels(map_on_grid: NDArray[np.floating], height: int, width: int) -> Floats:
    """A map [rows, columns] brought to pixels as Chefer et al. do: bilinear, corners not aligned."""
    grid = torch.from_numpy(np.array(map_on_grid, dtype=np.float64))[None, None]
    return np.asarray(F.interpolate(grid, (height, width), mode="bilinear", align_corners=False)[0, 0].numpy())


def min_max(values: Floats) -> Floats:
    """The map stretched to 0 to 1, in its shape; zeros where it is everywhere the same."""
    low, high = values.min(), values.max()
    return np.zeros_like(values) if high == low else (values - low) / (high - low)


def pointing(values: Floats, mask: Mask) -> float:
    """Whether the highest pixel lies on the object (Zhang et al. 2018, without tolerance); the share of ties that do.

    Interpolation makes a plateau of equal pixels differ in the last bits, so pixels within 1e-9 of the range are equal.
    """
    top = values >= values.max() - 1e-9 * np.ptp(values)
    return float(mask[top].mean())


def segmentation_counts(scaled: Floats, mask: Mask) -> tuple[int, int, int, int, int]:
    """(right pixels, background intersection, background union, object intersection, object union).

    As in the evaluation of Chefer et al. 2021a: a pixel above the map's mean is object, all others background.
    """
    found = scaled > scaled.mean()
    both, neither = int((found & mask).sum()), int((~found & ~mask).sum())
    pixels = mask.size
    return both + neither, neither, pixels - both, both, pixels - neither


def pixel_accuracy_and_miou(counts: NDArray[np.number]) -> tuple[Floats, Floats]:
    """Pixel accuracy and mean IoU of background and object, from pooled counts [..., 5].

    All pixels are either in the intersection of one of the two, or wrong, so the pixel total is the background's
    union plus the object's intersection.
    """
    right, ground, ground_union, object_, object_union = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    accuracy = right / (ground_union + object_)
    # An empty union is a class that neither map nor mask has: nothing to be wrong about, and 0 in the reference.
    iou = [i / np.where(u > 0, u, 1) for i, u in ((ground, ground_union), (object_, object_union))]
    return accuracy, (iou[0] + iou[1]) / 2


def chefer_average_precision(scaled: Floats, mask: Mask) -> float:
    """Average precision of the stack [1 - map, map] against [background, object], as Chefer et al. 2021a compute it.

    It flatters: background is most of a picture, and counts as found.
    """
    return average_precision(
        np.concatenate([~mask.ravel(), mask.ravel()]), np.concatenate([1 - scaled.ravel(), scaled.ravel()])
    )


def mass_accuracy(values: Floats, mask: Mask) -> float:
    """The share of positive relevance that lies on the object; the object's own share where nothing is positive."""
    positive = values.clip(min=0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else float(mask.mean())


def rank_accuracy(values: Floats, mask: Mask) -> float:
    """The share of the K highest pixels that lie on the object of K pixels; ties at the border count by their share."""
    size = int(mask.sum())
    border = np.partition(values.ravel(), values.size - size)[values.size - size]
    above, tied = values > border, values == border
    hits = mask[above].sum() + (size - above.sum()) * mask[tied].mean()
    return float(hits / size)


def class_leak(values: Floats, own: Mask, others: Mask) -> float:
    """The share of positive relevance on objects that lies on objects of other classes; NaN where there is none."""
    positive = values.clip(min=0)
    mine, theirs = positive[own].sum(), positive[others].sum()
    return float(theirs / (mine + theirs)) if mine + theirs > 0 else float("nan")
