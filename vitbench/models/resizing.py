"""An opened network set to pictures of another size, to look at it there."""

import copy
from dataclasses import replace

from vitbench.errors import UserError
from vitbench.models.adaptation import set_image_size
from vitbench.models.network import Network


def at_image_size(network: Network, size: tuple[int, int]) -> Network:
    """A copy of the network for pictures of `size` (height, width), with resampled positions; `source` says so.

    Raises UserError if its patches do not fit that size, or if it takes no other size than its own.
    """
    module = copy.deepcopy(network.module)
    try:
        set_image_size(module, size, network.name)
    except UserError as error:
        raise UserError(str(error).replace("model.image_size", "--image-size")) from None
    own = f"{network.image_size[0]}x{network.image_size[1]}"
    said = "its positions are resampled" if _has_positions(network) else "it has no positions to resample"
    return replace(
        network,
        module=module,
        preprocessing=replace(network.preprocessing, height=size[0], width=size[1]),
        source=f"{network.source} It is set to pictures of {size[0]}x{size[1]} instead of {own}; {said}.",
    )


def _has_positions(network: Network) -> bool:
    if network.backbone.refusal is not None:
        return True
    kinds = network.backbone.position_embedding.kinds
    return "absolute" in kinds or "relative_bias" in kinds
