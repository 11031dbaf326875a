"""Outlier tokens: patches that a network uses as memory, with long vectors and much attention (Darcet et al. 2024)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.attention.subject import Subject
from vitbench.models.inference import quiet
from vitbench.models.network import Network

LENGTHS_ABOVE_MEDIAN = 6.0
SMALLEST_EXCESS = 1.5


@dataclass(frozen=True)
class OutlierTokens:
    """norms: [B, rows, columns], the length of each patch's token after the last block; outliers: bool, the same."""

    norms: Tensor
    outliers: Tensor

    def mass(self, maps: Tensor) -> Tensor:
        """The share of the positive part of maps [B, rows, columns], on any grid, that lies on outliers: [B]."""
        positive = maps.clamp(min=0)
        return (positive * self._on(maps)).sum(dim=(1, 2)) / positive.sum(dim=(1, 2)).clamp(min=1e-12)

    def masked(self, maps: Tensor) -> Tensor:
        """Maps [B, rows, columns], on any grid, with outliers set to the median of their picture's other patches."""
        result = maps.clone()
        for picture, where in zip(result, self._on(maps), strict=True):
            if bool(where.any()) and not bool(where.all()):
                picture[where] = picture[~where].median()
        return result

    def _on(self, maps: Tensor) -> Tensor:
        """Which cells of the maps' own grid lie on an outlier; a method may give a map that is finer or coarser."""
        if maps.shape == self.outliers.shape:
            return self.outliers
        return F.adaptive_max_pool2d(self.outliers[:, None].float(), maps.shape[1:])[:, 0] > 0


def outlier_tokens(network: Network, pixels: Tensor) -> OutlierTokens:
    """Patches of normalised pictures [B, 3, H, W] whose token is far longer than the others'.

    Far: more than 6 robust deviations (1.4826 x median absolute deviation) above the picture's median length, and at
    least 1.5 times the median. Raises UserError for a network without one patch grid.
    """
    with quiet(network.module) as module:
        subject = Subject.of(network, module, pixels.to(next(module.parameters()).device))
        subject.require_global_attention()
        tokens: list[Tensor] = []
        hook = subject.backbone.blocks[-1].register_forward_hook(lambda block, inputs, output: tokens.append(output))
        try:
            with torch.no_grad():
                module(subject.pixels)
        finally:
            hook.remove()
    norms = subject.patches(tokens[-1].norm(dim=-1))
    return OutlierTokens(norms, far_above(norms))


def far_above(norms: Tensor) -> Tensor:
    """Which lengths [B, rows, columns] are outliers of their picture."""
    flat = norms.flatten(1)
    median = flat.median(dim=1, keepdim=True).values
    deviation = 1.4826 * (flat - median).abs().median(dim=1, keepdim=True).values
    limit = torch.maximum(median + LENGTHS_ABOVE_MEDIAN * deviation, SMALLEST_EXCESS * median)
    return (flat > limit).view_as(norms)
