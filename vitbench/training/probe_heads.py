"""Where the heads of a linear probe are while they are trained, and at which rates."""

from torch import nn

from vitbench.recipe_tables import OptimTable

HEADS = "probe_heads"
"""The name under which a network has the heads while they are trained; they are no part of what it saves."""


def probe_groups(module: nn.Module, optim: OptimTable) -> list[dict[str, object]]:
    """A group for each head, whose rate is its own where the recipe's is `optim.lr`."""
    heads = getattr(module, HEADS)
    return [
        {"params": list(head.parameters()), "weight_decay": optim.weight_decay, "lr_scale": rate / optim.lr}
        for head, rate in zip(heads, sorted(optim.probe_lrs or ()), strict=True)
    ]
