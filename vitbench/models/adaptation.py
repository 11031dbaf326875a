"""Changes to a network that has its weights: another picture size, another head, frozen parts."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from timm.models import get_model_input_config
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.models.backbone import Backbone

HeadInit = Literal["timm", "zero", "default"]
HEAD_INITS: tuple[HeadInit, ...] = get_args(HeadInit)


def set_image_size(module: Any, size: tuple[int, int], name: str) -> None:
    """Sets the network to pictures of `size` (height, width); position embeddings and bias tables are resampled.

    Networks without positions (convolutions) take any size and are left as they are.
    Raises UserError if patches do not fit the size, or if the network cannot change it.
    """
    check_image_size(module, size, name)
    current, fixed = input_size(module)
    if hasattr(module, "set_input_size"):
        if current != size:
            try:
                module.set_input_size(img_size=size)
            except (AssertionError, ValueError, RuntimeError) as error:
                raise UserError(f"{name} cannot be set to pictures of {size[0]}x{size[1]} ({error}).") from error
    elif fixed and current != size:
        raise UserError(
            f"{name} takes pictures of {current[0]}x{current[1]} only: {type(module).__name__} cannot resample its"
            " positions; leave model.image_size out."
        )


def input_size(module: nn.Module) -> tuple[tuple[int, int], bool]:
    """(height, width) that the network is set to, and whether it takes no other."""
    config = get_model_input_config(module)
    _, height, width = config["input_size"]
    return (height, width), bool(config["fixed_input_size"])


def check_image_size(module: nn.Module, size: tuple[int, int], name: str) -> None:
    """Raises UserError if the patches of a plain ViT do not tile a picture of `size` (height, width)."""
    backbone = Backbone(module)
    if backbone.refusal is not None:
        return
    patch = backbone.patch_size
    if any(side < step or side % step for side, step in zip(size, patch, strict=True)):
        fitting = tuple(max(step, round(side / step) * step) for side, step in zip(size, patch, strict=True))
        raise UserError(
            f"model.image_size {size[0]}x{size[1]} is not a multiple of the patch {patch[0]}x{patch[1]} of {name};"
            f" {fitting[0]}x{fitting[1]} would be."
        )


def classifiers(module: nn.Module) -> tuple[nn.Module, ...]:
    """The last layers that give the logits: one, or two for a distilled DeiT."""
    head: Any = module.get_classifier()  # type: ignore[operator]  # a method of timm's networks
    return tuple(head) if isinstance(head, tuple | list) else (head,)


def set_head(module: Any, num_classes: int, init: HeadInit = "timm") -> None:
    """Gives the network a new head of `num_classes`.

    `init`: "timm" draws it as timm's own constructor does for this family, "zero" as pytorch_pretrained_vit leaves it
    after a change of the class count, "default" as a plain `nn.Linear` that a student puts there.
    """
    module.reset_classifier(num_classes)
    for head in classifiers(module):
        for layer in head.modules():
            if not isinstance(layer, nn.Linear):
                continue
            if init == "zero":
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif init == "timm" and hasattr(module, "_init_weights"):
                _init_as_timm(module, layer)


@torch.no_grad()
def _init_as_timm(module: Any, layer: nn.Linear) -> None:
    module._init_weights(layer)
    # Eva and Beit scale the head down so that fine-tuning starts close to uniform.
    scale = getattr(module, "head_init_scale", None)
    if scale:
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)


def freeze(module: nn.Module, what: str | int) -> dict[str, nn.Parameter]:
    """Sets `requires_grad`: "none" trains all, "backbone" the head only, k the last k blocks, final norm and head.

    Answers the parameters that train, by name. Call `quiet_frozen_parts` after each `module.train()`.
    Raises UserError if k does not fit, or if the network has no blocks to count.
    """
    if what == "none":
        module.requires_grad_(True)
        return dict(module.named_parameters())
    module.requires_grad_(False)
    for part in _trained_parts(module, what):
        part.requires_grad_(True)
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def quiet_frozen_parts(module: nn.Module) -> None:
    """Puts parts without a trained parameter in eval mode: no dropout, no drop path, no moving batch statistics.

    Frozen features are then the same at each visit. Does nothing to a network that trains whole.
    """
    if all(parameter.requires_grad for parameter in module.parameters()):
        return
    if not _trains(module):
        module.eval()
        return
    children = list(module.children())
    for number, part in enumerate(children):
        if any(True for _ in part.parameters()):
            quiet_frozen_parts(part)
        elif not _feeds_trained(children[number + 1 :]):
            part.eval()


def _feeds_trained(following: Sequence[nn.Module]) -> bool:
    """Whether the next parameter on the way trains: a dropout before a frozen block is quiet, one before a head not."""
    first = next((parameter for part in following for parameter in part.parameters()), None)
    return first is None or first.requires_grad


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _trained_parts(module: Any, what: str | int) -> list[nn.Module]:
    parts = list(classifiers(module))
    if what == "backbone":
        return parts
    blocks = _blocks(module)
    if not isinstance(what, int) or not 0 <= what <= len(blocks):
        raise UserError(
            f'model.freeze is {what!r}; allowed are "none", "backbone", or how many last blocks train'
            f" (0 to {len(blocks)})."
        )
    parts += blocks[len(blocks) - what :]
    norms = (getattr(module, name, None) for name in ("norm", "fc_norm", "attn_pool"))
    return parts + [norm for norm in norms if isinstance(norm, nn.Module)]


def _blocks(module: Any) -> list[nn.Module]:
    backbone = Backbone(module)
    if backbone.refusal is None:
        return list(backbone.blocks)
    blocks = getattr(module, "blocks", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList):
        raise UserError(
            f'{type(module).__name__} has stages instead of a sequence of blocks; model.freeze can be "none" or'
            ' "backbone" for it.'
        )
    return list(blocks)


def parameter_count(module: nn.Module) -> int:
    """Numbers that the network consists of, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())


def state_on_cpu(module: nn.Module) -> dict[str, Tensor]:
    """The weights under plain names (no `_orig_mod.`, no `module.`), contiguous, on the CPU."""
    plain = getattr(module, "_orig_mod", module)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in plain.state_dict().items()}
