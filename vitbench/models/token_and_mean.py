"""A head that reads the class token beside the mean of the patches, as DINOv2's linear classifiers do.

timm pools one or the other. Here a network of timm reads both: `global_pool` is `token+avg`, and its head is twice as
wide. Source: `Dinov2ForImageClassification` of transformers, and `dinov2_vits14_lc` of DINOv2's own repository.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vitbench.errors import UserError

TOKEN_AND_MEAN = "token+avg"
"""The value of timm's argument `global_pool` for it, also in a recipe's `model.options`."""
_CLASSES: dict[type[nn.Module], type[nn.Module]] = {}
"""Each class of timm that was given the other pooling, once."""


class _TokenAndMean:
    """Goes before a class of timm: its pooling, and the head that fits it."""

    def pool(self: Any, tokens: Tensor, pool_type: str | None = None) -> Tensor:
        """Tokens [B, N, D] as [B, 2 D]."""
        if (pool_type or self.global_pool) != TOKEN_AND_MEAN:
            pooled: Tensor = super().pool(tokens, pool_type)  # type: ignore[misc]  # a mixin: the class beside it has the method
            return pooled
        patches = tokens[:, self.num_prefix_tokens :]
        return torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1)

    def reset_classifier(self: Any, num_classes: int, global_pool: str | None = None) -> None:
        """A new head of `num_classes`; with `global_pool`, one of timm's own kinds."""
        own = global_pool in (None, TOKEN_AND_MEAN)
        super().reset_classifier(num_classes, None if own else global_pool)  # type: ignore[misc]  # a mixin: the class beside it has the method
        if own and num_classes:
            like = next(self.parameters())
            self.head = nn.Linear(2 * self.embed_dim, num_classes, device=like.device, dtype=like.dtype)


def reads_token_and_mean(state: Mapping[str, Tensor]) -> bool:
    """Whether the head among weights (timm's names) is twice as wide as the tokens."""
    head, token = state.get("head.weight"), state.get("cls_token")
    return head is not None and token is not None and head.dim() == 2 and head.shape[1] == 2 * token.shape[-1]


def read_token_and_mean(module: nn.Module, num_classes: int, name: str) -> None:
    """Gives a network of timm that reads its class token a new head of `num_classes` that reads the mean, too.

    Raises UserError if it has no class token, or is no plain transformer.
    """
    network: Any = module
    if getattr(network, "cls_token", None) is None or not hasattr(network, "pool"):
        raise UserError(f"{name} has no class token and mean of patches to read: global_pool cannot be token+avg.")
    kind = type(module)
    # timm's class with another pooling; it keeps its name, by which families are told apart.
    network.__class__ = _CLASSES.setdefault(kind, type(kind.__name__, (_TokenAndMean, kind), {}))
    network.global_pool = TOKEN_AND_MEAN
    network.reset_classifier(num_classes)
