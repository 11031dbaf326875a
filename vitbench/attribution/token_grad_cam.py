"""Grad-CAM on tokens: it needs no attention map, so it works on windowed and pyramidal networks too."""

from typing import Any

import torch
from torch import Tensor, nn

from vitbench.attention.layout import blocks_of, on_grid
from vitbench.attention.result import MethodResult
from vitbench.attention.subject import Subject
from vitbench.errors import UserError
from vitbench.models.inference import require_gradient


def token_grad_cam(subject: Subject) -> MethodResult:
    """Grad-CAM (Selvaraju et al. 2017) at the input of the last block: relu(sum_c w_c x_c), w_c the mean gradient of
    channel c over the patches.

    The input, because behind the last attention a class-token network's patches have no influence, and so no gradient.
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
                raise UserError(f"The blocks of {subject.name} do not lie on one grid; occlusion works on it.")
            (gradient,) = torch.autograd.grad(subject.score(logits), inputs[-1])
    finally:
        for hook in hooks:
            hook.remove()
    values, slopes = on_grid(inputs[-1].detach(), height, width), on_grid(gradient, height, width)
    assert values is not None
    assert slopes is not None
    weights = slopes.mean(dim=(1, 2), keepdim=True)
    return MethodResult((weights * values).sum(dim=-1).clamp(min=0), logits.detach())


def _is_of(values: object, pixels: Tensor) -> bool:
    return isinstance(values, Tensor) and values.dim() > 0 and values.shape[0] == pixels.shape[0]
