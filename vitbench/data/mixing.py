"""Mixup and CutMix: two pictures and their labels in one, as a function of seed, epoch and batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from vitbench.data.randomness import MIXING, generator


@dataclass(frozen=True)
class Mixing:
    """`mixup` and `cutmix` are the alphas of their beta distributions, 0 for off; with both, each has half the batches.

    Mixup: Zhang et al. 2018. CutMix: Yun et al. 2019. Each picture's partner is its mirror image in the batch, and
    one share is drawn for the batch, as in timm.
    """

    num_classes: int
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def is_on(self) -> bool:
        """Whether there is anything to do."""
        return self.mixup > 0 or self.cutmix > 0

    def apply(
        self, pixels: torch.Tensor, labels: torch.Tensor, *, seed: int, epoch: int, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mixed pixels [B, C, height, width] and the share of each class, float32 [B, num_classes]; new tensors."""
        targets = functional.one_hot(labels, self.num_classes).float()
        if not self.is_on:
            return pixels, targets
        chance = generator(MIXING, seed, epoch, batch)
        cut = self.cutmix > 0 and (self.mixup == 0 or chance.random() < 0.5)
        alpha = self.cutmix if cut else self.mixup
        share = float(chance.beta(alpha, alpha))
        partner = pixels.flip(0)
        if cut:
            rows, columns = _rectangle(chance, *pixels.shape[-2:], area=1 - share)
            mixed = pixels.clone()
            mixed[..., rows, columns] = partner[..., rows, columns]
            # The rectangle may reach beyond the edge: what counts is what can be seen.
            hidden = (rows.stop - rows.start) * (columns.stop - columns.start)
            share = 1 - hidden / (pixels.shape[-2] * pixels.shape[-1])
        else:
            mixed = pixels * share + partner * (1 - share)
        return mixed, targets * share + targets.flip(0) * (1 - share)


def _rectangle(chance: np.random.Generator, height: int, width: int, *, area: float) -> tuple[slice, slice]:
    """Rows and columns of a rectangle in the picture's shape around a random point, clipped at the edges."""
    half_height, half_width = int(height * area**0.5) // 2, int(width * area**0.5) // 2
    row, column = int(chance.integers(height)), int(chance.integers(width))
    rows = slice(max(0, row - half_height), min(height, row + half_height))
    return rows, slice(max(0, column - half_width), min(width, column + half_width))
