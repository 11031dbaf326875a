"""Networks that see grey: pictures come as RGB, and become grey before the first layer, as timm's `in_chans = 1`."""

from typing import Any

import torch
from timm.data import resolve_data_config
from torch import Tensor, nn

from vitbench.errors import UserError

_LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601), as Pillow's mode L has them."""


class _ToGrey:
    """Normalised RGB [B, 3, H, W] as normalised grey [B, 1, H, W]: by the mean of the three means and deviations."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        pixels: Tensor = inputs[0]
        if pixels.shape[-3] != 3:
            return inputs
        planes = zip(_LUMA, self.mean, self.std, strict=True)
        colours = pixels.unbind(dim=-3)
        shares = [share * (colour * std + mean) for colour, (share, mean, std) in zip(colours, planes, strict=True)]
        grey = torch.stack(shares).sum(dim=0)
        mean, std = sum(self.mean) / 3, sum(self.std) / 3
        return (((grey - mean) / std).unsqueeze(-3), *inputs[1:])


def see_grey(module: nn.Module, name: str) -> None:
    """Puts the change to grey before the first layer of a timm network with `in_chans = 1`.

    Whatever computes the network, whole or in parts, gives it RGB as every other one. Raises UserError for a network
    whose first layer is not known.
    """
    config = resolve_data_config(model=module)
    parts = [getattr(module, "patch_embed", None), getattr(module, "conv1", None)]
    first = getattr(module, "pretrained_cfg", {}).get("first_conv")
    if isinstance(first, str):
        parts.append(dict(module.named_modules()).get(first))
    layer = next((part for part in parts if isinstance(part, nn.Module)), None)
    if layer is None:
        raise UserError(f"{name} does not say which layer sees the pictures, so model.in_chans cannot be 1.")
    layer.register_forward_pre_hook(_ToGrey(tuple(config["mean"]), tuple(config["std"])))
