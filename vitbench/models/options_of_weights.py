"""Options of timm's networks that weights ask for by what they hold, where the name alone would make another one."""

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from vitbench.models.token_and_mean import TOKEN_AND_MEAN, reads_token_and_mean

_BIAS = re.compile(r"blocks\.\d+\.attn\.(qkv\.bias|[qv]_bias|[qkv]_proj\.bias)$")


def head_options(state: Mapping[str, Tensor]) -> dict[str, object]:
    """The options that the head among weights (timm's names) asks for."""
    return {"global_pool": TOKEN_AND_MEAN} if reads_token_and_mean(state) else {}


def asked_options(
    state: Mapping[str, Tensor], wanted: Collection[str], name: str
) -> tuple[dict[str, object], list[str]]:
    """The options that weights ask for where the network `name` has the weights `wanted`, and a sentence on each.

    Biases of query and value: timm leaves those of Meta's files out without a word, though not all are zero. A norm
    behind the mean of the patches, as networks fine-tuned from MAE have it.
    """
    options, notes = head_options(state), []
    takes_none = any(key.startswith("blocks.") for key in wanted) and not any(_BIAS.search(key) for key in wanted)
    if takes_none and any(_BIAS.search(key) for key in state):
        options["qkv_bias"] = True
        notes.append(f"Its queries and values have biases, which {name} has not; they are used (qkv_bias).")
    after_mean = "fc_norm.weight" in state and "norm.weight" not in state
    if after_mean and "norm.weight" in wanted and "fc_norm.weight" not in wanted:
        options["global_pool"] = "avg"
        notes.append("Its head reads the mean of the patches, behind a norm (global_pool = avg).")
    shared = "rel_pos_bias.relative_position_bias_table"
    if shared in state and shared not in wanted and "blocks.0.attn.relative_position_bias_table" in wanted:
        options |= {"use_shared_rel_pos_bias": True, "use_rel_pos_bias": False}
        notes.append("All its blocks share one bias of relative positions, as BEiT's pretraining has it.")
        if "norm.weight" in state and "norm.weight" not in wanted:
            options["global_pool"] = "token"
    return options, notes
