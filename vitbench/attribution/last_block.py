"""The tokens that the last block is given, and their gradient: what methods read that need no attention map."""

from typing import Any

import torch
from torch import Tensor, nn

from vitbench.attention.layout import blocks_of, on_grid
from vitbench.attention.subject import Subject
from vitbench.errors import UserError
from vitbench.methods import on_any_network
from vitbench.models.inference import require_gradient


def last_block_tokens(subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    """The input of the last block whose input lies on the picture, the gradient of the target logit there, both
    [B, rows, columns, D] without prefix tokens, and the logits [B, C].

    The input, because behind the last attention a class-token network's patches have no influence, and so no gradient.
    Raises UserError if no block's input lies on one grid.
    """
    height, width = (int(side) for side in subject.pixels.shape[-2:])
    inputs: list[Tensor] = []

    def note(block: nn.Module, arguments: tuple[Any, ...]) -> None:
        # TNT gives its blocks the pixels within patches first, and then the patches.
        for values in arguments:
            if _is_of(values, subject.pixels) and on_grid(values.detach(), height, width) is not None:
                inputs.append(values)
                break

    blocks = blocks_of(subject.module, subject.backbone)
    hooks = [block.register_forward_pre_hook(note) for block in blocks]
    try:
        with torch.enable_grad():
            logits = subject.module(require_gradient(subject.pixels))
            if not inputs:
                raise UserError(f"The blocks of {subject.name} do not lie on one grid; {on_any_network()}.")
            (gradient,) = torch.autograd.grad(subject.score(logits), inputs[-1])
    finally:
        for hook in hooks:
            hook.remove()
    tokens, gradients = on_grid(inputs[-1].detach(), height, width), on_grid(gradient, height, width)
    assert tokens is not None
    assert gradients is not None
    return tokens, gradients, logits.detach()


def _is_of(values: object, pixels: Tensor) -> bool:
    return isinstance(values, Tensor) and values.dim() > 0 and values.shape[0] == pixels.shape[0]
