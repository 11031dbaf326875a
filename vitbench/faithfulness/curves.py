"""Is what a map calls important important to the network: pixels are blanked in the map's order.

Two sequences of pictures hold all four measures: blanking the first share of the order (`removed`), and keeping it
alone (`kept`). Negative perturbation, which blanks the last share, is `kept` read from the other end.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SHARES = tuple(step / 10 for step in range(11))
PERTURBED = SHARES[:-1]
"""Chefer et al. 2021a blank 10% to 90%; 0 is the picture itself."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BlankingAreas:
    """Areas for one map, all by trapezoids.

    `positive`, `negative`: 100 times the area, over shares 0 to 0.9, of 1 where the likeliest class is still the
    explained one; blanked are the first or the last pixels of the order (so 90 is the most). Lower, higher is better.
    `deletion`, `insertion`: the area of the class's probability over shares 0 to 1 of pixels blanked, or of pixels
    put back into a blank picture (Petsiuk et al. 2018). Lower, higher is better.
    """

    positive: float
    negative: float
    deletion: float
    insertion: float


def pixel_order(values: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """Pixels of a map [height, width], highest first, by flat index; a fair draw between equal ones."""
    return np.lexsort((random.random(values.size), -values.ravel()))


def curves(
    module: nn.Module,
    pixels: Tensor,
    target: int,
    order: NDArray[np.int64],
    blank: Tensor,
    multilabel: bool = False,
) -> BlankingAreas:
    """The four areas for one normalised picture [3, H, W]; `blank` [3, 1, 1] is the value of a blanked pixel.

    Of a `multilabel` network the label counts as given from a probability of 0.5 on, which is its sigmoid.
    20 forward passes of one picture, in one batch.
    """
    place = torch.empty(order.size, dtype=torch.long)
    place[torch.from_numpy(order.copy())] = torch.arange(order.size)
    place = place.view(1, *pixels.shape[-2:]).to(pixels.device)
    firsts = [(place < round(share * order.size)) for share in SHARES]
    removed = [torch.where(first, blank, pixels) for first in firsts]
    kept = [torch.where(first, pixels, blank) for first in firsts[1:-1]]
    with torch.no_grad():
        logits = module(torch.stack([*removed, *kept]))
    own = logits.float().sigmoid() if multilabel else logits.float().softmax(dim=1)
    given = own[:, target] >= 0.5 if multilabel else logits.argmax(dim=1) == target
    likeliest = given.double().cpu().numpy()
    probability = own[:, target].double().cpu().numpy()
    count = len(SHARES)
    # Nothing kept is everything removed, and the other way round.
    backwards = np.array([count - 1, *range(count, 2 * count - 2), 0])
    return BlankingAreas(
        positive=100 * area(PERTURBED, likeliest[: count - 1]),
        negative=100 * area(PERTURBED, likeliest[backwards[::-1]][: count - 1]),
        deletion=area(SHARES, probability[:count]),
        insertion=area(SHARES, probability[backwards]),
    )


def area(shares: tuple[float, ...], values: Floats) -> float:
    """The area below the line through the points (shares, 0 to 1 ascending; values [len(shares)]), by trapezoids."""
    return float(np.trapezoid(values, shares))
