"""What only looks like the weights of a network of pictures: named, with what to do about it."""

import re
from collections.abc import Mapping

from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.state_dicts import few

_ADAPTER = re.compile(r"\.lora_[AB]\.|\.lora_(down|up)\.|\.lora_magnitude_vector")
_PATCHES = re.compile(r"patch_embed\w*\.(?:\w+\.)?(?:proj|projection)?\.?weight$")

_OTHERS = {
    r"(^|\.)to_patch_embedding\.\d": "vit-pytorch's ViT, whose patches are embedded between two norms",
    r"(^|\.)patch_generator\.embedder\.": "RADIO, which crops its positions from a larger grid",
    r"(^|\.)mlp\.linear1\.": "MONAI's ViT",
}
"""Names that tell networks of other libraries, which are not those of timm under other names."""


def check_is_network(tensors: Mapping[str, Tensor]) -> None:
    """Raises UserError for the adapters of a LoRA alone, for a network of videos or volumes, and for one
    that timm does not have.
    """
    adapters = [name for name in tensors if _ADAPTER.search(name)]
    if adapters and len(adapters) == len(tensors):
        raise UserError(
            f"These are the adapters of a LoRA ({few(adapters)}), not the network that they change: merge them into it"
            " (peft's merge_and_unload), and save that."
        )
    for pattern, what in _OTHERS.items():
        if own := [name for name in tensors if re.search(pattern, name)]:
            raise UserError(f"These are the weights of {what} ({few(own)}), which no network of timm computes.")
    for name, tensor in tensors.items():
        if _PATCHES.search(name) and tensor.dim() == 5 and tensor.shape[2] == tensor.shape[3]:
            raise UserError(
                f"These are the weights of a network of volumes, such as CT: its patches ({name}) are cubes of"
                f" {tensor.shape[2]}. vitbench looks into networks of pictures."
            )
        if _PATCHES.search(name) and tensor.dim() == 5:
            raise UserError(
                f"These are the weights of a network of videos: its patches ({name}) span {tensor.shape[2]} pictures."
                " vitbench looks into networks of single pictures."
            )
