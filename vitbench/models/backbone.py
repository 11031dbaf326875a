"""What a workbench may ask of a Vision Transformer: its blocks, its patch grid, its prefix tokens, its positions.

`Backbone(module)` accepts any network. A question that the network has no answer to raises UserError with a sentence
that says why, and which screens do work.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from timm.models.beit import Beit
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.methods import without_attention

PLAIN_TRANSFORMERS = (VisionTransformer, Eva, Beit, VisionTransformerRelPos)
"""The timm classes whose every block attends from each token to each token of one patch grid."""

PositionKind = Literal["absolute", "rotary", "relative_bias", "none"]

_NOT_PLAIN: dict[str, str] = {
    "SwinTransformer": "attends within shifted windows",
    "SwinTransformerV2": "attends within shifted windows",
    "SwinTransformerV2Cr": "attends within shifted windows",
    "Xcit": "attends over channels instead of patches",
    "CrossVit": "runs two patch grids beside each other",
    "Cait": "lets its class token join only after the last patch block",
    "VOLO": "lets its class token join only after the last patch block",
    "ConVit": "lets its class token join only in its last blocks",
    "VisionTransformerSAM": "attends within windows in most blocks",
    "NaFlexVit": "takes pictures of any shape as a list of patches, so it has no grid of its own",
    "TNT": "has patches within patches",
    "PoolingVisionTransformer": "pools its patches from stage to stage",
    "MultiScaleVit": "pools its patches from stage to stage",
    "PyramidVisionTransformerV2": "pools its patches from stage to stage",
    "Hiera": "pools its patches from stage to stage",
    "LevitDistilled": "pools its patches from stage to stage",
    "Levit": "pools its patches from stage to stage",
}


@dataclass(frozen=True)
class PositionEmbedding:
    """How a network knows where a patch is.

    `kinds` names all its ways, `kind` the first of them ("absolute" before "rotary" before "relative_bias").
    """

    kinds: tuple[PositionKind, ...]
    grid: tuple[int, int]
    """(rows, columns) of the learned grid."""
    patches: Tensor | None = None
    """The absolute embedding of the patches [rows * columns, embed_dim]; detached, shares memory with the network."""
    prefix: Tensor | None = None
    """The absolute embedding of those prefix tokens that have one [0..num_prefix_tokens, embed_dim]."""
    rotary: nn.Module | None = None
    """The module that makes the rotation (timm's `rope`)."""
    relative_biases: tuple[nn.Module, ...] = ()
    """The modules that hold a relative position bias table: one for all blocks, or one a block."""

    @property
    def kind(self) -> PositionKind:
        return self.kinds[0]

    def absolute(self) -> Tensor:
        """`patches`; raises UserError with the reason where there are none."""
        if self.patches is None:
            how = {
                "rotary": "it rotates queries and keys by their position instead",
                "relative_bias": "it adds a bias for each pair of positions to the attention instead",
                "none": "nothing in it marks the position of a patch",
                "absolute": "",
            }[self.kind]
            raise UserError(f"This network has no absolute position embedding: {how}.")
        return self.patches


class Backbone:
    """The answers of one network. Reads the module, never changes it; cheap to make."""

    def __init__(self, module: nn.Module) -> None:
        self.module: Any = module

    @property
    def refusal(self) -> str | None:
        """Why the questions about tokens have no answer for this network: one sentence; None for a plain ViT."""
        if isinstance(self.module, PLAIN_TRANSFORMERS):
            return None
        family = type(self.module).__name__
        reason = _NOT_PLAIN.get(family, "is not a sequence of transformer blocks over one grid of patches")
        return (
            f"{family} {reason}, so attention, rollout and position screens cannot show it;"
            f" training, evaluation and the methods {without_attention()}."
        )

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, first to last."""
        return tuple(self._plain().blocks)

    @property
    def embed_dim(self) -> int:
        """The width D of a token."""
        return int(self._plain().embed_dim)

    @property
    def num_heads(self) -> int:
        """Attention heads in a block."""
        parts: Iterable[Any] = self.blocks[0].modules()
        return next(int(part.num_heads) for part in parts if hasattr(part, "num_heads"))

    @property
    def patch_size(self) -> tuple[int, int]:
        """(height, width) in pixels of one patch; of the whole stem where convolutions come before the patches."""
        height, width = self._plain().patch_embed.feat_ratio(as_scalar=False)
        return int(height), int(width)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the pictures that the network is set to."""
        height, width = self._plain().patch_embed.img_size
        return int(height), int(width)

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the patches of a picture of `height` x `width` pixels.

        Raises UserError if the network does not take pictures of this size.
        """
        patches = self._plain().patch_embed
        if getattr(patches, "strict_img_size", True) and (height, width) != self.image_size:
            raise UserError(
                f"This network takes pictures of {self.image_size[0]}x{self.image_size[1]} (height x width), not"
                f" {height}x{width}; set model.image_size to change it."
            )
        rows, columns = patches.dynamic_feat_size((height, width))
        return int(rows), int(columns)

    @property
    def num_prefix_tokens(self) -> int:
        """Tokens before the patches: class token, distillation token, registers."""
        return int(self._plain().num_prefix_tokens)

    @property
    def pooling(self) -> str:
        """What the classifier reads: "token", "avg", "max", "avgmax", "map" or "prr" (an attention pool), or "".

        "token+avg" is both beside each other, see `vitbench.models.token_and_mean`.
        """
        return str(self._plain().global_pool)

    @property
    def reading_tokens(self) -> tuple[int, ...]:
        """The token numbers that the classifier reads when `pooling` is "token": both of a distilled pair."""
        if self.pooling != "token":
            return ()
        return (0, 1) if isinstance(self.module, VisionTransformerDistilled) else (0,)

    @property
    def pools_prefix_tokens(self) -> bool:
        """Whether "avg", "max" and attention pooling read the prefix tokens too.

        timm's Eva gives all tokens to its attention pool, VisionTransformer the patches only.
        """
        if isinstance(self.module, Eva) and self.attention_pools:
            return True
        return bool(getattr(self._plain(), "pool_include_prefix", False))

    @property
    def attention_pools(self) -> tuple[nn.Module, ...]:
        """The attention pooling heads (SigLIP's `attn_pool`); usually none."""
        pool = getattr(self._plain(), "attn_pool", None)
        return () if pool is None else (pool,)

    @property
    def position_embedding(self) -> PositionEmbedding:
        """How the network knows where a patch is; deit3's and DINOv2's class token has no place, eva02 has two ways."""
        module = self._plain()
        grid = (int(module.patch_embed.grid_size[0]), int(module.patch_embed.grid_size[1]))
        kinds: list[PositionKind] = []
        patches = prefix = None
        embedding = getattr(module, "pos_embed", None)
        if embedding is not None:
            kinds.append("absolute")
            count = embedding.shape[1] - grid[0] * grid[1]
            prefix, patches = embedding.detach()[0].split([count, grid[0] * grid[1]])
        rotary = getattr(module, "rope", None)
        if rotary is not None:
            kinds.append("rotary")
        biases = tuple(part for part in module.modules() if _has_position_bias(part))
        if biases:
            kinds.append("relative_bias")
        return PositionEmbedding(tuple(kinds) or ("none",), grid, patches, prefix, rotary, biases)

    def features(self, pixels: Tensor) -> Tensor:
        """Tokens [B, N, D] after the last block and the final norm, for normalised pictures [B, 3, H, W]."""
        tokens: Tensor = self._plain().forward_features(pixels)
        return tokens

    def _plain(self) -> Any:
        if refusal := self.refusal:
            raise UserError(refusal)
        return self.module


def _has_position_bias(part: nn.Module) -> bool:
    """Whether `part` itself holds the table or the small network that a relative position bias comes from."""
    table = getattr(part, "relative_position_bias_table", None)
    return isinstance(table, torch.Tensor) or type(part).__name__ == "RelPosMlp"
