"""The optimizer by its timm name, with layer-wise learning rates."""

import difflib
from collections.abc import Iterator
from typing import Any

import torch
from timm.optim import create_optimizer_v2, list_optimizers, param_groups_weight_decay
from torch import nn
from torch.optim import Optimizer

from vitbench.errors import UserError
from vitbench.recipe_tables import OptimTable
from vitbench.training.probe_heads import probe_groups

_FUSED = {"adam", "adamw", "momentum", "nesterov", "sgd"}
"""Optimizers that are torch's own and have a kernel that updates all weights at once."""


def create_optimizer(module: nn.Module, optim: OptimTable, device: torch.device) -> Optimizer:
    """timm's optimizer over the weights that learn; biases, norms and positions get no weight decay.

    Raises UserError for an unknown name, for options that it does not take, and if nothing is left to learn.
    """
    if not any(weight.requires_grad for weight in module.parameters()):
        raise UserError("Every weight is frozen, so nothing is left to train; change model.freeze.")
    arguments: dict[str, Any] = {"lr": optim.lr, "momentum": optim.momentum, "weight_decay": optim.weight_decay}
    if optim.name in _FUSED:
        arguments["fused"] = True
    if optim.probe_lrs is not None:
        arguments["param_group_fn"] = lambda network: probe_groups(network, optim)
    elif optim.backbone_lr is not None:
        arguments["param_group_fn"] = lambda captioner: list(_with_backbone_rate(captioner, optim))
    elif optim.layer_decay < 1:
        if not hasattr(module, "group_matcher"):
            raise UserError(
                f"optim.layer_decay = {optim.layer_decay:g} needs a network that names its layers, and "
                f"{type(module).__name__} does not; set it to 1."
            )
        arguments["layer_decay"] = optim.layer_decay
    try:
        return create_optimizer_v2(module, opt=optim.name, **{**arguments, **optim.options})
    except (ValueError, AssertionError) as error:
        if optim.name.lower() in list_optimizers():
            raise UserError(f"The optimizer {optim.name} refuses its settings: {error}.") from error
        close = difflib.get_close_matches(optim.name, map(str, list_optimizers()), n=3)
        raise UserError(
            f"optim.name = {optim.name} is not an optimizer of timm"
            + (f"; close are {', '.join(close)}." if close else ".")
        ) from error
    except (TypeError, ImportError) as error:
        raise UserError(f"The optimizer {optim.name} refuses its settings: {error}.") from error


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Gives each group the rate times its own scale (layer-wise decay)."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("lr_scale", 1.0)


def _with_backbone_rate(captioner: nn.Module, optim: OptimTable) -> Iterator[dict[str, Any]]:
    """Groups of a network with an `encoder`, whose rate is `backbone_lr` where the rest has `lr`."""
    encoder = getattr(captioner, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise UserError("optim.backbone_lr is for a captioner, which has an encoder; leave it out.")
    assert optim.backbone_lr is not None
    in_encoder = {id(weight) for weight in encoder.parameters()}
    for group in param_groups_weight_decay(captioner, optim.weight_decay):
        weights = list(group["params"])
        inner = [weight for weight in weights if id(weight) in in_encoder]
        outer = [weight for weight in weights if id(weight) not in in_encoder]
        yield {**group, "params": outer, "lr_scale": 1.0}
        yield {**group, "params": inner, "lr_scale": optim.backbone_lr / optim.lr}
