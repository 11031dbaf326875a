"""The features of patches at a layer: of any network whose blocks give tokens that lie on a grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitbench.attention.layout import blocks_of, on_grid
from vitbench.attention.outliers import far_above
from vitbench.errors import UserError
from vitbench.models.inference import quiet
from vitbench.models.network import Network


@dataclass(frozen=True)
class PatchFeatures:
    """What a layer makes of a batch of pictures.

    patches: float [B, rows, columns, D], after the network's final norm where it fits, as DINOv2's own
    `get_intermediate_layers` gives them. outliers: bool [B, rows, columns], tokens that were far longer than the
    others before that norm. class_token: [B, D], or None where none runs along with the patches.
    """

    patches: Tensor
    outliers: Tensor
    class_token: Tensor | None
    layer: int
    """From 1."""
    layers: int
    """How many layers have patches on a grid."""
    normed: bool

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns)."""
        return int(self.patches.shape[1]), int(self.patches.shape[2])

    def mean(self) -> Tensor:
        """The mean over the patches: [B, D]."""
        return self.patches.mean(dim=(1, 2))

    def cpu(self) -> "PatchFeatures":
        """The same in main memory."""
        token = None if self.class_token is None else self.class_token.cpu()
        return PatchFeatures(
            self.patches.cpu(), self.outliers.cpu(), token, self.layer, self.layers, normed=self.normed
        )


class _LayerOutput:
    """Keeps the output of one layer: the `layer`-th, from 1, whose output lies on a grid, or the last of them."""

    def __init__(self, layer: int | None, pixels: Tensor, known: tuple[int, tuple[int, int]] | None) -> None:
        """`known`: prefix tokens and grid (rows, columns) of a network that says them; else they are found out."""
        self.layer = layer
        self.height, self.width = (int(side) for side in pixels.shape[-2:])
        self.batch = int(pixels.shape[0])
        self.known = known
        self.count = 0
        self.tokens: Tensor | None = None
        self.patches: Tensor | None = None

    def note(self, block: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """A forward hook of a block."""
        for values in _tensors(output):
            if values.shape[0] != self.batch:
                continue
            patches = self._patches(values.detach())
            if patches is None or min(patches.shape[1:3]) < 2:
                continue
            self.count += 1
            if self.layer in (None, self.count):
                self.tokens, self.patches = values.detach(), patches
            return

    def _patches(self, values: Tensor) -> Tensor | None:
        if self.known is None or values.dim() != 3:
            return on_grid(values, self.height, self.width)
        prefix, grid = self.known
        return values[:, prefix:].unflatten(1, grid) if values.shape[1] == prefix + grid[0] * grid[1] else None


def patch_features(network: Network, pixels: Tensor, layer: int | None = None) -> PatchFeatures:
    """The features of normalised pictures [B, 3, H, W] after block `layer`, from 1; None is the last.

    One forward pass; only the layer asked for is kept. Raises UserError for a layer that the network does not have,
    and for a network none of whose blocks gives patches on one grid.
    """
    with quiet(network.module) as module, torch.no_grad():
        pixels = pixels.to(next(module.parameters()).device)
        backbone, size = network.backbone, (int(pixels.shape[-2]), int(pixels.shape[-1]))
        known = None if backbone.refusal else (backbone.num_prefix_tokens, backbone.patch_grid(*size))
        kept = _LayerOutput(layer, pixels, known)
        hooks = [block.register_forward_hook(kept.note) for block in _blocks(network, module)]
        try:
            module(pixels)
        finally:
            for hook in hooks:
                hook.remove()
        if kept.patches is None or kept.tokens is None:
            raise UserError(_no_layer(network, layer, kept.count))
        outliers = far_above(kept.patches.float().norm(dim=-1))
        norm = _fitting_norm(module, int(kept.patches.shape[-1]))
        patches = kept.patches if norm is None else norm(kept.patches)
        token = None
        if kept.tokens.dim() == 3 and _has_class_token(module) and kept.tokens.shape[1] > patches[0, ..., 0].numel():
            token = kept.tokens[:, 0] if norm is None else norm(kept.tokens[:, 0])
    return PatchFeatures(
        patches.float(),
        outliers,
        token if token is None else token.float(),
        layer or kept.count,
        kept.count,
        normed=norm is not None,
    )


def _blocks(network: Network, module: nn.Module) -> Sequence[nn.Module]:
    try:
        return blocks_of(module, network.backbone)
    except UserError:
        raise UserError(f"{network.name} has no transformer blocks, so it has no features of patches.") from None


def _no_layer(network: Network, layer: int | None, count: int) -> str:
    if count == 0:
        return f"The blocks of {network.name} give no patches on one grid, so there are no features of patches to show."
    return f"There is no layer {layer}: {network.name} has {count} with patches, counted from 1."


def _tensors(output: object) -> list[Tensor]:
    """The tensors that a block gives, one after the other: some give several streams of tokens."""
    if isinstance(output, Tensor):
        return [output] if output.dim() >= 3 else []
    if isinstance(output, tuple | list):
        return [tensor for part in output for tensor in _tensors(part)]
    return []


def _fitting_norm(module: nn.Module, width: int) -> nn.Module | None:
    """The norm after the last block, if it normalises tokens of `width` numbers."""
    norm = getattr(module, "norm", None)
    shape = getattr(norm, "normalized_shape", None)
    return norm if isinstance(norm, nn.Module) and shape is not None and tuple(shape) == (width,) else None


def _has_class_token(module: nn.Module) -> bool:
    return getattr(module, "cls_token", None) is not None
