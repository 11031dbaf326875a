"""What the student's report claims in words, as numbers: does a map suffer where an object hardly stands out?

Rank correlations, over pictures, of how an object looks against its background with the quality of its map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.faithfulness.study import CONTROLS, Study
from vitbench.faithfulness.table import in_group
from vitbench.statistics import Estimate, percentile_interval, spearman

RESAMPLES = 400
LOOKS = {
    "luminance_contrast": "luminance of the object against its background",
    "saturation_contrast": "saturation of the object against its background",
    "colourfulness": "colourfulness of the background",
    "area": "the object's share of the picture (larger objects are easier to find)",
}
QUALITIES = ("iou", "foreground_ap", "mass")

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Claim:
    """The rank correlation of one look with one quality of one method's maps; above 0: they rise together."""

    method: str
    look: str
    quality: str
    pictures: int
    correlation: Estimate


def claims(study: Study, *, seed: int = 0) -> list[Claim]:
    """All correlations, on each picture's own class; intervals from resampling pictures. Empty below 10 pictures."""
    found: list[Claim] = []
    looks: dict[int, dict[str, float]] = {}
    for method in dict.fromkeys(record.method for record in study.records):
        own = [record for record in study.records if record.method == method and in_group(record, "all")]
        if method in CONTROLS or len(own) < 10:
            continue
        for record in own:
            if record.target.picture not in looks:
                pixels = study.pictures[record.target.picture].pixels
                others = (
                    record.target.mask if record.target.others is None else record.target.mask | record.target.others
                )
                looks[record.target.picture] = looks_of(pixels, record.target.mask, ~others)
        draws = np.random.default_rng(seed).integers(0, len(own), (RESAMPLES, len(own)))
        for look in LOOKS:
            first = np.array([looks[record.target.picture][look] for record in own])
            for quality in QUALITIES:
                second = np.array([getattr(record.scores, quality) for record in own])
                drawn = np.array([spearman(first[draw], second[draw]) for draw in draws])
                value = percentile_interval(spearman(first, second), drawn)
                found.append(Claim(method, look, quality, len(own), value))
    return found


def looks_of(pixels: Pixels, mask: Mask, background: Mask) -> dict[str, float]:
    """How an object looks in a picture, uint8 [height, width, 3], against its background.

    Contrasts are absolute differences of means, from 0 to 1: of luminance (Rec. 709 weights on sRGB values) and of
    saturation (as in HSV). Colourfulness is that of Hasler and Süsstrunk 2003, of the background alone.
    """
    values = pixels.astype(np.float64)
    luminance = values @ [0.2126, 0.7152, 0.0722] / 255
    high = values.max(axis=2)
    saturation = np.where(high > 0, (high - values.min(axis=2)) / np.where(high > 0, high, 1), 0)
    return {
        "luminance_contrast": _contrast(luminance, mask, background),
        "saturation_contrast": _contrast(saturation, mask, background),
        "colourfulness": colourfulness(values[background]),
        "area": float(mask.mean()),
    }


def colourfulness(pixels: NDArray[np.floating]) -> float:
    """Hasler and Süsstrunk's M of pixels [n, 3] with values to 255: 0 is grey, 109 extremely colourful."""
    if not len(pixels):
        return 0.0
    red, green, blue = pixels.T
    opponent = np.stack([red - green, (red + green) / 2 - blue])
    return float(np.linalg.norm(opponent.std(axis=1)) + 0.3 * np.linalg.norm(opponent.mean(axis=1)))


def to_text(found: Sequence[Claim], method: str) -> str:
    """One method's correlations for a terminal, a line a look."""
    own = {(claim.look, claim.quality): claim.correlation for claim in found if claim.method == method}
    lines = [f"{'rank correlation with':<24}" + "".join(f"{quality:>22}" for quality in QUALITIES[:2])]
    for look in LOOKS:
        cells = [own[look, quality] for quality in QUALITIES[:2]]
        lines.append(f"{look:<24}" + "".join(f"{f'{c.value:+.2f} [{c.low:+.2f}, {c.high:+.2f}]':>22}" for c in cells))
    return "\n".join(lines)


def to_dict(found: Sequence[Claim]) -> list[dict[str, Any]]:
    """Plain values for JSON."""
    return [
        {
            "method": claim.method,
            "look": claim.look,
            "quality": claim.quality,
            "pictures": claim.pictures,
            "correlation": claim.correlation.value,
            "low": claim.correlation.low,
            "high": claim.correlation.high,
        }
        for claim in found
    ]


def _contrast(values: NDArray[np.float64], mask: Mask, background: Mask) -> float:
    if not background.any():
        return 0.0
    return float(abs(values[mask].mean() - values[background].mean()))
