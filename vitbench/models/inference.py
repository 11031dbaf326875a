"""A network held still while it is looked into, and put back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def quiet(module: nn.Module) -> Iterator[nn.Module]:
    """The module to look into: the original one of a compiled network, in evaluation mode, its parameters constant,
    without gradient checkpointing and autocast. On leaving, every flag is as it was."""
    module = getattr(module, "_orig_mod", module)
    training = [part for part in module.modules() if part.training]
    checkpointing = [part for part in module.modules() if getattr(part, "grad_checkpointing", False) is True]
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        if training:
            module.eval()
        for part in checkpointing:
            part.grad_checkpointing = False
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            yield module
    finally:
        for part in training:
            part.training = True
        for part in checkpointing:
            part.grad_checkpointing = True
        for parameter in learning:
            parameter.requires_grad_(True)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Numbers too small for full precision become 0 (relevance is full of them; a CPU is 7 times slower on them)."""
    already = bool((torch.tensor(1e-40) * 1.0) == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


def require_gradient(pixels: Tensor) -> Tensor:
    """The pixels [B, 3, H, W] as a leaf that gathers gradients, sharing their memory."""
    return pixels.detach().requires_grad_(True)
