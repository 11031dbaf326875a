"""What a `.npz` of JAX (vision_transformer's AugReg, big_vision) is made for.

timm's reader takes what it knows of one and leaves out the rest without a word: a head, blocks or patches that do not
fit are found out here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vitbench.errors import UserError
from vitbench.models.no_networks import check_patches
from vitbench.models.weight_files import DAMAGED, first_line
from vitbench.text import counted

_PREFIXES = ("params/img/", "params/", "opt/target/", "")
"""Of a vision tower beside one of texts, of big_vision, of a training's state, and none."""
_BLOCK = re.compile(r"Transformer/encoderblock_(\d+)/")
_STACKED = "Transformer/encoderblock/LayerNorm_0/scale"
_PATCHES = "patch_embed.proj.weight"


@dataclass(frozen=True)
class JaxFile:
    """`classes` of its head, 0 without one; `blocks` and the patches' `kernel` [height, width, channels, dimensions],
    None where it does not say them; `notes` tell what is left out."""

    classes: int
    blocks: int | None
    kernel: tuple[int, ...] | None
    notes: tuple[str, ...]

    def check(self, module: nn.Module, name: str, options: Mapping[str, object]) -> tuple[str, ...]:
        """Raises UserError if blocks or patches are not those of the network `name`; says what is resampled."""
        own = getattr(module, "blocks", None)
        if self.blocks is not None and isinstance(own, nn.Sequential) and len(own) != self.blocks:
            raise UserError(
                f"The weights are of a network with {counted(self.blocks, 'block')}, and {name} has {len(own)}: name"
                " the network that has theirs, or set depth in model.options."
            )
        needed = tuple(value.shape) if (value := module.state_dict().get(_PATCHES)) is not None else ()
        if self.kernel is None or len(self.kernel) != 4 or len(needed) != 4:
            return ()
        height, width, channels, out = self.kernel
        flexible = "flexivit" in name
        theirs = {_PATCHES: torch.empty((out, channels, height, width), device="meta")}
        check_patches(theirs, {_PATCHES: needed}, name, flexible or "patch_size" in options)
        if needed[2:] == (height, width):
            return ()
        return (f"Its patches of {height}x{width} pixels are resampled to {needed[2]}x{needed[3]}.",)


def read_jax_file(file: Path) -> JaxFile:
    """What the names and shapes in `file` say. Raises UserError for a damaged file."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = set(arrays.files)
            prefix = next((start for start in _PREFIXES if f"{start}embedding/kernel" in names), "")

            def shape(name: str) -> tuple[int, ...] | None:
                return tuple(arrays[prefix + name].shape) if prefix + name in names else None

            head, kernel, stacked = shape("head/bias"), shape("embedding/kernel"), shape(_STACKED)
    except DAMAGED as error:
        raise UserError(f"{file} cannot be read as arrays of numpy ({first_line(error)}).") from error
    numbers = {int(found[1]) for name in names if (found := _BLOCK.match(name.removeprefix(prefix)))}
    blocks = len(numbers) or (stacked[0] if stacked else None)
    classes, notes = head[-1] if head else 0, []
    if classes and f"{prefix}pre_logits/kernel" in names:
        notes.append(
            f"Its head of {classes:,} classes reads a layer that timm has not (pre_logits): both are left out."
        )
        classes = 0
    if any(name.startswith("params/txt/") for name in names):
        notes.append("Its tower of texts is left out.")
    return JaxFile(classes, blocks, kernel, tuple(notes))
