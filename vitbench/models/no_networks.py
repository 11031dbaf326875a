"""What only looks like the weights of a network of pictures: named, with what to do about it."""

import re
from collections.abc import Mapping

from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.state_dicts import few
from vitbench.text import counted

_ADAPTER = re.compile(r"\.lora_[AB](\.|$)|\.lora_(down|up)\.|\.lora_magnitude_vector")
_PATCHES = re.compile(r"patch_embed\w*\.(?:\w+\.)?(?:proj|projection)?\.?weight$")

_OTHERS = {
    r"(^|\.)to_patch_embedding\.\d": "vit-pytorch's ViT, whose patches are embedded between two norms",
    r"(^|\.)patch_generator\.embedder\.": "RADIO, which crops its positions from a larger grid",
    r"(^|\.)mlp\.linear1\.": "MONAI's ViT",
}
"""Names that tell networks of other libraries, which are not those of timm under other names."""


def check_patches(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], name: str, chosen: bool
) -> None:
    """Raises UserError if patches are of another size than those of the network `name`, or have other channels.

    timm resamples patches by itself, which makes another network of them without a word; where a person has `chosen`
    the size of patches, that is wanted.
    """
    key = "patch_embed.proj.weight"
    there, needed = tuple(tensors[key].shape) if key in tensors else (), wanted.get(key, ())
    if len(there) != 4 or len(needed) != 4 or there[0] != needed[0]:
        return
    if there[2:] != needed[2:] and not chosen:
        sizes = "x".join(map(str, there[2:])), "x".join(map(str, needed[2:]))
        raise UserError(
            f"The weights are of a network with patches of {sizes[0]} pixels, and {name} has patches of {sizes[1]}:"
            " name the network that has theirs, or set patch_size in model.options."
        )
    if there[1] not in (3, needed[1]):
        way = "set model.in_chans = 1" if there[1] == 1 else "pictures here have red, green and blue"
        channels = counted(there[1], "channel")
        raise UserError(f"The weights are for pictures of {channels}, and {name} takes {needed[1]}: {way}.")


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
    if adapters:
        raise UserError(
            f"These are the weights of a network with the adapters of a LoRA beside them ({few(adapters)}), whose scale"
            " the file does not say: merge them (peft's merge_and_unload, or loralib's eval()), and save that."
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
